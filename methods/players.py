"""Players: the parts of a sample that a perturbation method shows or hides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InputError, MethodError
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
