"""Overlapping regions of a picture, and their order by how much of an attribution they hold per pixel."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from ..explanation import Array

# The paper's, for pictures of 224 x 224 with values from -1 to 1: finer and coarser cuts of the same picture.
_SCALES = (50, 100, 150, 250, 500, 1200)
_SMALLEST = 150
_MARGIN = 5
_NEW = 50
_AREA = 224 * 224


def regions_of(picture: Array) -> list[npt.NDArray[Any]]:
    """Felzenszwalb's superpixels (C, H, W) of several sizes, each with a margin: pixel numbers, one array per region.

    Sizes are shares of the picture, whatever its size.
    """
    from skimage.segmentation import felzenszwalb

    low, high = picture.min(), picture.max()
    hwc = np.moveaxis(picture.astype(np.float64) - low, 0, -1) * (2 / (high - low) if high > low else 0) - 1
    share = hwc[..., 0].size / _AREA
    found: list[npt.NDArray[Any]] = []
    for scale in _SCALES:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Got image with third dimension")  # right whatever the channels
            cut = felzenszwalb(hwc, scale=scale * share, sigma=0.8, min_size=max(1, round(_SMALLEST * share)))
        found += parts_of(cut, round(_MARGIN * share**0.5))
    return found


def parts_of(labels: npt.NDArray[Any], margin: int = 0) -> list[npt.NDArray[Any]]:
    """The pixel numbers of each label (H, W), and of the pixels that are at most `margin` away from it."""
    from scipy import ndimage

    height, width = labels.shape
    across = np.arange(-margin, margin + 1)
    disc = across[:, None] ** 2 + across**2 <= margin**2
    numbers = np.unique(labels, return_inverse=True)[1].reshape(labels.shape) + 1
    found = []
    for number, place in enumerate(ndimage.find_objects(numbers), start=1):
        window = tuple(
            slice(max(0, side.start - margin), min(limit, side.stop + margin))
            for side, limit in zip(place, (height, width), strict=True)
        )
        inside = numbers[window] == number
        rows, columns = np.nonzero(ndimage.binary_dilation(inside, disc) if margin else inside)
        found.append((rows + window[0].start) * width + columns + window[1].start)
    return found


def ranked(
    attribution: Array, regions: list[npt.NDArray[Any]], smallest: int | None = None
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Take regions, the one with the highest mean of what is not yet taken first, until the picture is covered.

    Parameters
    ----------
    attribution : ndarray (H, W)
    regions : list of ndarray of int
        Pixel numbers.
    smallest : int, optional
        A region that adds fewer new pixels is passed over; left out, a thousandth of the picture.

    Returns
    -------
    values : ndarray (H, W)
        The mean attribution of the part that each pixel was taken with: the sum stays that of the attribution.
    order : ndarray of int (H, W)
        The parts, 0 for the one with the highest mean.
    """
    from scipy import sparse

    flat = attribution.ravel().astype(np.float64)
    if smallest is None:
        smallest = max(1, round(_NEW * flat.size / _AREA))
    ends = np.cumsum([0, *map(len, regions)])
    pixels = np.concatenate([*regions, np.zeros(0, dtype=np.int64)])
    member = sparse.csr_array((np.ones(len(pixels)), pixels, ends), shape=(len(regions), flat.size))
    by_pixel = member.tocsc()
    sums, counts = member @ flat, np.diff(ends).astype(np.float64)
    free = np.ones(flat.size, dtype=bool)
    parts = []
    while (possible := np.flatnonzero(counts >= smallest)).size:
        best = possible[np.argmax(sums[possible] / counts[possible])]
        taken = regions[best][free[regions[best]]]
        free[taken] = False
        parts.append(taken)
        touched = by_pixel[:, taken]
        sums -= touched @ flat[taken]
        counts -= touched @ np.ones(len(taken))
    if free.any():
        parts.append(np.flatnonzero(free))
    values, order = np.empty(flat.size), np.empty(flat.size, dtype=np.int64)
    for rank, part in enumerate(sorted(parts, key=lambda part: -flat[part].mean())):
        values[part], order[part] = flat[part].mean(), rank
    return values.reshape(attribution.shape), order.reshape(attribution.shape)
