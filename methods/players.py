"""Players: the parts of a sample that a perturbation method shows or hides, and the game that they play."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ..backends.chunks import BatchSize
from ..backends.model import Model
from ..backends.objective import Of, Target
from ..errors import InputError, MethodError
from .evaluation import values_at
from .explanation import Array
from .segments import Segmentation, superpixels

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Players:
    """A partition of one sample.

    Attributes
    ----------
    labels : ndarray of int
        The player, 0 to `count` - 1, that each value belongs to: the shape of the sample, or for pictures (1, H, W),
        where a player has all channels of its pixels.
    count : int
    """

    labels: npt.NDArray[np.int64]
    count: int

    def spread(self, values: Array) -> Array:
        """A number per player (..., K), put at each of the player's places: (..., *labels.shape)."""
        spread: Array = values[..., self.labels]
        return spread

    def mixed(self, present: Bools, sample: Array, absent: Array) -> Array:
        """The sample for each coalition (M, K): present players from `sample`, the others from `absent`."""
        return np.where(self.spread(present), sample, absent)


def players_of(x: Array, segments: Any = None, segment_options: Mapping[str, Any] | None = None) -> list[Players]:
    """Who plays, for each sample.

    Parameters
    ----------
    x : ndarray (N, ...)
    segments : {"slic", "quickshift", "felzenszwalb", "grid"} or array of int, optional
        How a picture is cut into superpixels, or a partition of your own: (H, W) or the shape of one sample for all
        samples, or one per sample. Left out, the columns of a table and the SLIC superpixels of a picture.
    segment_options : dict, optional
        For the segmentation, see `superpixels`.

    Raises
    ------
    MethodError, InputError
        If the partition does not fit the samples.
    """
    if segment_options is not None and not isinstance(segment_options, Mapping):
        raise MethodError(f"segment_options={segment_options!r} is not a mapping.", "Pass names and values.")
    if segments is not None and not isinstance(segments, str):
        labels = np.asarray(segments)
        if labels.dtype.kind == "U":
            raise MethodError(
                f"segments={segments!r} is not known.", f"Choose one of: {', '.join(get_args(Segmentation))}."
            )
        return [_own(each, x.shape[1:]) for each in _per_sample(labels, x)]
    if x.ndim == 4:
        kind: Segmentation = segments or "slic"  # type: ignore[assignment]
        cuts = [superpixels(picture, kind, **(segment_options or {})) for picture in x]
        return [Players(cut[None], int(cut.max()) + 1) for cut in cuts]
    if segments is not None:
        raise InputError(
            f"segments={segments!r} cuts pictures, the input has shape {x.shape}.",
            "Leave segments out to have one player per column.",
        )
    count = int(np.prod(x.shape[1:]))
    return [Players(np.arange(count).reshape(x.shape[1:]), count)] * len(x)


def _per_sample(labels: Array, x: Array) -> list[Array]:
    sample = x.shape[1:]
    shapes = [sample] if x.ndim < 4 else [sample, sample[1:], (1, *sample[1:])]
    for shape in shapes:
        if labels.shape == shape:
            return [labels] * len(x)
        if labels.shape == (len(x), *shape):
            return list(labels)
    raise InputError(
        f"The segments have shape {labels.shape}, the input {x.shape}.", f"Pass an array of shape {shapes[-1]}."
    )


def _own(labels: Array, sample: tuple[int, ...]) -> Players:
    if labels.dtype.kind not in "iub":
        raise InputError(f"The segments hold {labels.dtype}.", "Pass whole numbers, one per part.")
    if labels.ndim < len(sample):
        labels = labels[None]
    numbered = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return Players(numbered.astype(np.int64), int(numbered.max()) + 1)


class Game:
    """What the network says of one sample for each coalition of its players.

    A coalition's value is the mean, over the rows of `absent`, of the explained number of the sample in which the
    players outside of the coalition are replaced by that row. No coalition is evaluated twice.

    Parameters
    ----------
    model : Model
    index : int
        Number of the sample in the batch: it chooses the target.
    sample : ndarray
    players : Players
    absent : ndarray (B, ...)
        What stands in for absent players: one baseline, or the rows of a background.
    target, of, batch_size
        As for `values_at`.

    Attributes
    ----------
    evaluations : int
        Inputs that went through the network so far.
    """

    def __init__(
        self,
        model: Model,
        index: int,
        sample: Array,
        players: Players,
        absent: Array,
        target: Target,
        of: Of,
        batch_size: BatchSize = "auto",
    ) -> None:
        self.players = players
        self.evaluations = 0
        self._model, self._index, self._sample, self._absent = model, index, sample, absent
        self._target, self._of, self._batch_size = target, of, batch_size
        self._known: dict[bytes, float] = {}

    def __call__(self, coalitions: Bools) -> npt.NDArray[np.float64]:
        """Values of coalitions (M, K), True for players that are present: (M,)."""
        coalitions = np.asarray(coalitions, dtype=bool)
        keys = [row.tobytes() for row in np.packbits(coalitions, axis=1)]
        new = {key: position for position, key in enumerate(keys) if key not in self._known}
        if new:
            self._known |= dict(zip(new, self._evaluate(coalitions[list(new.values())]).tolist(), strict=True))
        return np.array([self._known[key] for key in keys])

    def _evaluate(self, coalitions: Bools) -> npt.NDArray[np.float64]:
        rows = len(self._absent)
        count = len(coalitions) * rows

        def points(_sample: int, part: slice) -> Array:
            coalition, row = np.divmod(np.arange(part.start, part.stop), rows)
            return self.players.mixed(coalitions[coalition], self._sample, self._absent[row])

        values = [
            found
            for _, _, found in values_at(
                self._model,
                points,
                [self._index],
                count,
                self._sample.shape,
                self._target,
                self._of,
                self._batch_size,
            )
        ]
        self.evaluations += count
        return np.concatenate(values).reshape(len(coalitions), rows).mean(axis=1, dtype=np.float64)
