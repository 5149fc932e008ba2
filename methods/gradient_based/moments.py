"""Means and variances of random draws, with their standard errors: the common core of the sampling methods."""

from __future__ import annotations

import math

import numpy as np

from ...backends.chunks import chunks
from ..estimates import spread
from ..explanation import Array, ErrorEstimate

# Numbers that are added up at once: they stay in the processor's cache.
_BLOCK = 1 << 17


class Moments:
    """Sums of powers of draws around each input's first draw, in double precision.

    Around 0 the difference that makes a variance would lose the digits that the draws have in common.

    Parameters
    ----------
    shape : tuple of int (N, ...)
    powers : int
        2 for the mean and its error, 4 for the variance and its error.
    """

    def __init__(self, shape: tuple[int, ...], powers: int = 2) -> None:
        self._sums = np.zeros((powers, *shape))
        self._pivots = np.zeros(shape)
        self._counts = np.zeros((shape[0], *[1] * (len(shape) - 1)), dtype=np.int64)
        self._rows = max(1, _BLOCK // math.prod(shape[1:]))

    def add(self, sample: int, draws: Array) -> None:
        """Add draws (M, ...) of one input."""
        if not self._counts[sample].any():
            self._pivots[sample] = draws[0]
        self._counts[sample] += len(draws)
        for part in chunks(len(draws), self._rows):
            offsets = draws[part] - self._pivots[sample]
            power = offsets
            for order, total in enumerate(self._sums):
                if order > 0:
                    power = power * offsets
                total[sample] += power.sum(axis=0)

    @property
    def mean(self) -> Array:
        """Mean of the draws (N, ...)."""
        mean: Array = self._pivots + self._sums[0] / self._counts
        return mean

    @property
    def variance(self) -> Array:
        """Unbiased variance of the draws (N, ...); NaN for a single draw."""
        shift = self._sums[0] / self._counts
        population = np.maximum(self._sums[1] / self._counts - shift**2, 0)
        variance: Array = population * self._counts / _or_nan(self._counts - 1)
        return variance

    def mean_error(self) -> ErrorEstimate:
        """Standard error of `mean`."""
        return spread(self.mean, self.variance / self._counts)

    def variance_error(self) -> ErrorEstimate:
        """Standard error of `variance`, from the fourth moment; NaN for fewer than 4 draws.

        The fourth moment around the draws' own mean is too small, and with it the plain estimate of the square, which
        is half of what it should be for 4 normal draws. The one without bias may be below 0: the larger one counts.
        """
        n, variance = self._counts, self.variance
        shift, second, third, fourth = self._sums / n
        fourth = fourth - 4 * shift * third + 6 * shift**2 * second - 3 * shift**4
        plain = (fourth - variance**2 * (n - 3) / _or_nan(n - 1)) / n
        unbiased = (n * fourth - variance**2 * (n**2 - 3) / n) / _or_nan((n - 2) * (n - 3) * (n > 3))
        return spread(variance, np.maximum(np.maximum(plain, unbiased), 0))


def _or_nan(count: Array) -> Array:
    return np.where(count > 0, count, np.nan)
