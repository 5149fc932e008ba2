"""Players: the parts of a sample that a perturbation method shows or hides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InputError, MethodError
from .explanation import Array
from .segments import Segmentation, named_options, superpixels

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

        For as many pictures as they have channels, (3, H, W) may be one partition per picture or one per channel. It is
        the former where each (H, W) counts its parts from 0 without gaps, as ``extras["segments"]`` does, and refused
        otherwise.
    segment_options : dict, optional
        For the segmentation, see `superpixels`; not for a table or a partition of your own.

    Raises
    ------
    MethodError, InputError
        If the partition does not fit the samples.
    """
    options = named_options(segment_options)
    own = None if segments is None or isinstance(segments, str) else partitions_of(segments, x)
    if options and (x.ndim != 4 or own is not None):
        raise MethodError(
            f"segment_options={segment_options!r} says how pictures are cut into superpixels, and none are cut here.",
            'Leave it out, or pass pictures and segments="slic", for example.',
        )
    if own is not None:
        return [_own(each, x.shape[1:]) for each in own]
    if x.ndim == 4:
        kind: Segmentation = segments or "slic"
        cuts = [superpixels(picture, kind, **options) for picture in x]
        return [Players(cut[None], int(cut.max()) + 1) for cut in cuts]
    if segments is not None:
        raise InputError(
            f"segments={segments!r} cuts pictures, the input has shape {x.shape}.",
            "Leave segments out to have one player per column.",
        )
    count = int(np.prod(x.shape[1:]))
    return [Players(np.arange(count).reshape(x.shape[1:]), count)] * len(x)


def partitions_of(segments: Any, x: Array) -> list[Array]:
    """The user's own partition of each sample, read as `players_of` does."""
    return _per_sample(_labels(segments), x)


def _labels(segments: Any) -> Array:
    try:
        labels = np.asarray(segments)
    except (ValueError, TypeError, RuntimeError) as error:  # a ragged list, or a tensor that NumPy cannot read
        raise InputError(
            f"The segments are no array of whole numbers ({error}).", "Pass partitions of one and the same shape."
        ) from error
    if labels.dtype.kind == "U":
        raise MethodError(
            f"segments={segments!r} is not known.", f"Choose one of: {', '.join(get_args(Segmentation))}."
        )
    if labels.dtype.kind not in "iub":
        raise InputError(f"The segments hold {labels.dtype}.", "Pass whole numbers, one per part.")
    return labels


def _per_sample(labels: Array, x: Array) -> list[Array]:
    sample = x.shape[1:]
    if x.ndim == 4 and labels.shape == sample and len(x) == len(labels) > 1:
        return _per_picture(labels)
    shapes = [sample] if x.ndim < 4 else [sample, sample[1:], (1, *sample[1:])]
    for shape in shapes:
        if labels.shape == shape:
            return [labels] * len(x)
        if labels.shape == (len(x), *shape):
            return list(labels)
    raise InputError(
        f"The segments have shape {labels.shape}, the input {x.shape}.", f"Pass an array of shape {shapes[-1]}."
    )


def _per_picture(labels: Array) -> list[Array]:
    """The readings (N, H, W) and (C, H, W) both fit."""
    if not all(np.array_equal(np.unique(each), np.arange(each.max() + 1)) for each in labels):
        count = len(labels)
        raise InputError(
            f"The segments {labels.shape} may be one partition for each of {count} pictures or one for each of "
            f"{count} channels.",
            "Pass (N, 1, H, W) for the pictures, or (N, C, H, W) for the channels.",
        )
    return list(labels)


def _own(labels: Array, sample: tuple[int, ...]) -> Players:
    if labels.ndim < len(sample):
        labels = labels[None]
    numbered = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return Players(numbered.astype(np.int64), int(numbered.max()) + 1)
