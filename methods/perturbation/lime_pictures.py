"""The neighbours of a picture: the same with some of its superpixels hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import MethodError
from ..baselines import baselines
from ..checks import finite
from ..explanation import Array
from ..players import Bools, Players
from .lime_masks import Masks, every_mask
from .lime_neighbours import kernel
from .lime_regression import LocalFit, local_fit
from .shapley_game import Floats, Games

# Of the kernel, as in the ``lime`` package.
_WIDTH = 0.25


class HiddenSuperpixels:
    """Pictures in which the superpixels of a mask are shown and the others hidden.

    Parameters
    ----------
    games : Games
    seed : int
    width : float, optional
        Of the kernel, in cosine distance.
    samples : int
        About how many masks are going to be used.
    """

    def __init__(self, games: Games, seed: int, width: float | None, samples: int) -> None:
        self._games, self._width = games, _WIDTH if width is None else width
        self._masks = [Masks(count, (seed, i), samples // 2) for i, count in enumerate(games.sizes)]

    @property
    def evaluations(self) -> int:
        return self._games.evaluations

    def fit(self, samples: Sequence[int], total: int) -> dict[int, LocalFit]:
        masks = {i: self._first(i, total) for i in samples}
        worth = self._games.remembered(masks)
        return {i: self._line(shown.astype(np.float64), worth[i], total) for i, shown in masks.items()}

    def spread(self, values: Sequence[Floats]) -> Array:
        return self._games.spread(values)

    def extras(self) -> dict[str, Array]:
        return self._games.segments()

    def _first(self, sample: int, total: int) -> Bools:
        players = self._games.sizes[sample]
        return every_mask(players) if 1 << players <= total else self._masks[sample].part(0, total)

    def _line(self, shown: Floats, worth: Floats, total: int) -> LocalFit:
        count = shown.sum(axis=1)
        cosine = count / np.sqrt(np.maximum(count, 1) * shown.shape[1])
        complete = len(shown) == 1 << shown.shape[1]
        # All masks that there are count as many times as they would have been drawn on average.
        nearness = kernel(1 - cosine, self._width) * (total / len(shown))
        return local_fit(shown, worth, nearness, drawn=not complete)


def hidden(x: Array, players: Sequence[Players], baseline: Any, colour: Any, seed: int) -> list[Array]:
    """What hidden superpixels show, a picture or several (B, C, H, W) for each: their own mean colour by default."""
    if colour is not None:
        if baseline is not None:
            raise MethodError("hide_colour and baseline both say what hidden superpixels show.", "Pass one of them.")
        baseline = finite("hide_colour", colour)
    if baseline is not None:
        return [np.stack(rows) for rows in zip(*baselines(baseline, x, seed), strict=True)]
    return [_own_means(picture, each)[None] for picture, each in zip(x, players, strict=True)]


def _own_means(picture: Array, players: Players) -> Array:
    labels = players.labels
    if labels.shape != picture.shape:
        # A superpixel has a mean in each channel.
        labels = labels + players.count * np.arange(len(picture))[:, None, None]
    means: Array = (np.bincount(labels.ravel(), picture.ravel()) / np.bincount(labels.ravel()))[labels]
    return means.astype(picture.dtype)
