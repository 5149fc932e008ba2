"""A path that moves the values with the smallest slopes first, one step at a time."""

from __future__ import annotations

import numpy as np

from ..explanation import Array


def advanced(position: Array, end: Array, gradient: Array, remaining: float, fraction: float) -> Array:
    """The next point of the path: the values of the smallest slopes go to their end, the last of them part of the way.

    Parameters
    ----------
    position, end, gradient : ndarray
        Of one shape, in double precision.
    remaining : float
        How far the next point is to be from the end, as the sum of absolute differences.
    fraction : float
        Values move together in groups of this share of all values, those of the smallest slopes first.
    """
    way = (end - position).ravel()
    lengths = np.abs(way)
    slopes = np.where(lengths > 0, np.abs(gradient).ravel(), np.inf)
    shares = np.zeros(way.size)
    surplus = lengths.sum() - remaining
    group = int(fraction * (way.size - 1))
    while surplus > 0:
        chosen = (slopes <= np.partition(slopes, group)[group]) & (slopes < np.inf)
        reach = lengths[chosen].sum()
        if reach == 0:
            break
        shares[chosen] = min(1.0, surplus / reach)
        slopes[chosen] = np.inf
        surplus -= reach
    # Not by the formula where they arrive: rounding would leave them a last little way to go.
    arrived = (shares == 1).reshape(position.shape)
    return np.where(arrived, end, position + (shares * way).reshape(position.shape))
