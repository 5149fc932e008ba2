"""A small window changes little of what the early layers compute: they run on its surroundings alone.

Up to some layer every value of a convolutional network depends on a few pixels around its own place. Behind the window
the layer's map is that of the whole picture; so the network is given a crop around the window, and what the layer makes
of it is put into that map before the network goes on. The scores are the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...backends.model import Model
from ...backends.protocol import Net, Tensor
from ..explanation import Array

Span: TypeAlias = tuple[int, int]
Box: TypeAlias = tuple[Span, ...]
"""First and last + 1 along every axis: a slice cannot be a key."""


def slices(box: Box) -> tuple[slice, ...]:
    """The box as an index."""
    return tuple(slice(*span) for span in box)


@dataclass(frozen=True)
class Cut:
    """The layer up to which only surroundings run, and what of it a window changes. Pairs are for height and width.

    Attributes
    ----------
    layer : str
    step : pair of int
        Pixels per cell of the layer's map.
    cells : pair of int
        Size of the map.
    reach : pair of (int, int)
        How many cells before and after its own a change of pixels reaches.
    crop : pair of int
        Cells of a crop, enough for every window.
    """

    layer: str
    step: Span
    cells: Span
    reach: tuple[Span, Span]
    crop: Span

    def surroundings(self, box: Box) -> Box:
        """The crop for a window, in cells."""
        starts = (
            min(max(0, first // step - sum(reach)), cells - crop)
            for (first, _), step, cells, reach, crop in zip(
                box[1:], self.step, self.cells, self.reach, self.crop, strict=True
            )
        )
        return tuple((start, start + crop) for start, crop in zip(starts, self.crop, strict=True))

    def changed(self, box: Box) -> Box:
        """The cells that a window changes."""
        return tuple(
            (max(0, first // step - before), min(cells, -(-last // step) + after))
            for (first, last), step, cells, (before, after) in zip(
                box[1:], self.step, self.cells, self.reach, strict=True
            )
        )


class Local:
    """Runs of a network on crops around windows, inside ``model.backend.frozen(model.net)`` and without gradient.

    Parameters
    ----------
    model : Model
    x : ndarray (N, C, H, W)
    cut : Cut
    """

    def __init__(self, model: Model, x: Array, cut: Cut) -> None:
        self.cut = cut
        self._model, self._x = model, x
        self._waiting: list[tuple[int, Box]] = []
        self._maps: dict[int, Tensor] = {}

    def frame(self, sample: int, box: Box) -> Box:
        """The pixels that have to be run next for a window of a sample."""
        if sample not in self._maps:
            # Samples come one after the other: only those of one chunk are needed at a time.
            self._maps = {i: self._maps[i] for i, _ in self._waiting}
            waiting, self._waiting = self._waiting, []
            native = self._model.tensor(self._x[sample : sample + 1])
            self._maps[sample] = self._model.activation(native, self.cut.layer)
            self._waiting = waiting
        self._waiting.append((sample, box))
        spans = zip(self.cut.surroundings(box), self.cut.step, strict=True)
        return ((0, self._x.shape[1]), *((first * step, last * step) for (first, last), step in spans))

    @contextmanager
    def running(self) -> Iterator[None]:
        """The network takes crops for whole pictures, as many as `frame` was asked for before each run."""
        with self._model.hook(self.cut.layer, post=self._complete):
            try:
                yield
            finally:
                self._waiting.clear()

    def _complete(self, _layer: Net, _inputs: Any, output: Tensor) -> Tensor | None:
        if not self._waiting:
            return None
        waiting, self._waiting = self._waiting, []
        whole = self._model.backend.concat([self._maps[sample] for sample, _ in waiting])
        for row, (_, box) in enumerate(waiting):
            (top, bottom), (left, right) = self.cut.changed(box)
            (above, _), (beside, _) = self.cut.surroundings(box)
            whole[row, :, top:bottom, left:right] = output[
                row, :, top - above : bottom - above, left - beside : right - beside
            ]
        return whole
