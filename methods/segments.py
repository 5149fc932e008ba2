"""Superpixels: the pieces of a picture that perturbation methods switch off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import MethodError
from .explanation import Array

Segmentation: TypeAlias = Literal["slic", "quickshift", "felzenszwalb", "grid"]

# The course's settings for SLIC, lime's own for quickshift.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "slic": {"n_segments": 200, "compactness": 1.0, "sigma": 1.0},
    "quickshift": {"kernel_size": 4, "max_dist": 200, "ratio": 0.2},
    "felzenszwalb": {"scale": 100, "sigma": 0.5, "min_size": 50},
    "grid": {"cells": 8},
}


def named_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options of a segmentation, none where None was passed, or raise `MethodError`."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise MethodError(f"segment_options={options!r} is not a mapping.", "Pass names and values.")
    unnamed = [name for name in options if not isinstance(name, str)]
    if unnamed:
        raise MethodError(f"segment_options has the name {unnamed[0]!r}.", 'Names are text, such as "n_segments".')
    return dict(options)


def superpixels(picture: Array, kind: Segmentation = "slic", /, **options: Any) -> npt.NDArray[np.int64]:
    """Cut a picture into superpixels numbered 0 to K - 1, none of them empty.

    Parameters
    ----------
    picture : ndarray (C, H, W)
        1 or 3 channels, 0 to 1.
    kind : {"slic", "quickshift", "felzenszwalb", "grid"}
    **options
        Passed to scikit-image (``n_segments``, ``compactness``, ``sigma``; ``kernel_size``, ``max_dist``, ``ratio``;
        ``scale``, ``sigma``, ``min_size``), or ``cells`` per side of the grid.

    Returns
    -------
    ndarray of int (H, W)
    """
    if not isinstance(kind, str) or kind not in _DEFAULTS:
        raise MethodError(f"segments={kind!r} is not known.", f"Choose one of: {', '.join(_DEFAULTS)}.")
    settings = _DEFAULTS[kind] | options
    unknown = set(settings) - set(_DEFAULTS[kind]) - {"rng", "max_num_iter", "convert2lab"}
    if unknown:
        raise MethodError(
            f"The segmentation '{kind}' has no option '{unknown.pop()}'.", f"It has: {', '.join(_DEFAULTS[kind])}."
        )
    labels = _grid(picture.shape[1:], settings["cells"]) if kind == "grid" else _by_skimage(picture, kind, settings)
    # Numbers without gaps: a method that switches off segments 0 to K - 1 then reaches every one.
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def _by_skimage(picture: Array, kind: str, settings: dict[str, Any]) -> Array:
    from skimage import segmentation

    hwc = np.clip(np.moveaxis(picture, 0, -1), 0, 1).astype(np.float64)
    if hwc.shape[-1] == 1:
        hwc = np.repeat(hwc, 3, axis=-1)
    if kind == "quickshift":
        settings = {"rng": 0} | settings
    try:
        labels: Array = getattr(segmentation, kind)(hwc, **settings)
    except (ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise MethodError(f"The segmentation '{kind}' failed ({error}).", "Check its options.") from error
    return labels


def _grid(size: tuple[int, ...], cells: int) -> Array:
    whole = isinstance(cells, (int, np.integer)) and not isinstance(cells, bool)
    if not whole or not 1 <= cells <= min(size):
        raise MethodError(f"cells={cells!r} does not fit a picture of {size}.", f"Pass 1 to {min(size)}.")
    rows, columns = (np.arange(n) * cells // n for n in size)
    grid: Array = rows[:, None] * cells + columns[None, :]
    return grid
