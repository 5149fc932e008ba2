"""Bilinear maps of another size, the same on every framework."""

from __future__ import annotations

import numpy as np

from ..explanation import Array


def resized(maps: Array, size: tuple[int, ...]) -> Array:
    """Maps (..., h, w) at another size (H, W): bilinear, pixel centres at half integers, edges continued."""
    rows, columns = (interpolation(*lengths) for lengths in zip(maps.shape[-2:], size, strict=True))
    found: Array = rows @ maps @ columns.T
    return found


def interpolation(source: int, size: int) -> Array:
    """The matrix (size, source) that interpolates linearly along one axis; its rows sum to 1."""
    position = np.clip((np.arange(size) + 0.5) * source / size - 0.5, 0, source - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, source - 1)
    matrix = np.zeros((size, source))
    np.add.at(matrix, (np.arange(size), below), 1 - (position - below))
    np.add.at(matrix, (np.arange(size), above), position - below)
    return matrix
