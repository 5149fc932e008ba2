"""Structural similarity of maps: how much they look alike, window by window."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MissingPackageError

Array = npt.NDArray[Any]

_WINDOW, _SMALLEST = 7, 3


def are_maps(values: Array) -> bool:
    """Whether these are maps large enough for a window: (N, C, H, W) or (N, H, W) of 3 x 3 pixels or more."""
    return values.ndim in (3, 4) and min(values.shape[-2:]) >= _SMALLEST


def structural_similarity(a: Array, b: Array) -> Array:
    """Structural similarity of each pair of maps, its channels taken together.

    Parameters
    ----------
    a, b : ndarray (N, C, H, W) or (N, H, W)
        Finite, of one shape.

    Returns
    -------
    ndarray (N,)
        The mean over all windows of 7 x 7 pixels, smaller where the maps are. Both maps of a pair have one scale, from
        the smallest to the largest value in either.

    References
    ----------
    Wang et al. (2004), Image quality assessment: from error visibility to structural similarity.
    """
    try:
        from skimage.metrics import structural_similarity as similarity
    except ImportError as error:
        raise MissingPackageError(
            f"Structural similarity needs scikit-image, which cannot be imported ({error}).",
            "Install it with: pip install scikit-image",
        ) from error
    smallest = min(a.shape[-2:])
    window = min(_WINDOW, smallest if smallest % 2 else smallest - 1)
    found = np.ones(len(a))
    for index, pair in enumerate(zip(a, b, strict=True)):
        joined = np.stack([each.reshape(-1, *each.shape[-2:]) for each in pair]).astype(np.float64)
        # To size 1: squares of gradients as small as 1e-200 would vanish.
        joined /= np.abs(joined).max() or 1.0
        reach = joined.max() - joined.min()
        if reach > 0:
            found[index] = similarity(*joined, win_size=window, channel_axis=0, data_range=reach)
    return found
