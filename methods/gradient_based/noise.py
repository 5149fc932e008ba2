"""Noisy copies of inputs whose noise every framework, precision and chunk size sees alike."""

from __future__ import annotations

import numpy as np

from ..checks import non_negative, random_seed
from ..explanation import Array


class Noise:
    """Normal noise for each input, from ``numpy.random.default_rng([seed, i])`` in float32.

    Parameters
    ----------
    x : ndarray (N, ...)
    sigma : float
        Standard deviation, as a share of each input's range.
    seed : int
    """

    def __init__(self, x: Array, sigma: float, seed: int) -> None:
        sigma, seed = non_negative("sigma", sigma), random_seed(seed)
        axes = tuple(range(1, x.ndim))
        self._deviations = sigma * (x.max(axis=axes) - x.min(axis=axes))
        self._generators = [np.random.default_rng([seed, i]) for i in range(len(x))]
        self._shape, self._dtype = x.shape[1:], x.dtype

    def draw(self, sample: int, part: slice) -> Array:
        """The next noise for one input: (M, ...)."""
        shape = (part.stop - part.start, *self._shape)
        noise = self._generators[sample].standard_normal(shape, dtype=np.float32).astype(self._dtype, copy=False)
        noise *= self._deviations[sample]
        return noise
