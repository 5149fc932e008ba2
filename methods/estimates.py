"""How far a result is from what its method promises: the estimates that several methods share."""

from __future__ import annotations

import numpy as np

from .explanation import Array, ErrorEstimate


def completeness(values: Array, promised: Array, name: str = "completeness residual") -> ErrorEstimate:
    """How much the attributions' sum misses the difference of scores that it should equal.

    Parameters
    ----------
    values : ndarray (N, ...)
    promised : ndarray (N,)
        Score of the input minus score of what it is compared with.
    name : str
    """
    total = values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)
    return ErrorEstimate(
        name,
        total - promised,
        "Sum of the attributions minus the score difference they share out (the scale). More steps make it smaller.",
        np.asarray(promised, dtype=np.float64),
    )


def spread(values: Array, variance: Array) -> ErrorEstimate:
    """L2 norm of the standard error of a map of estimates, beside the norm of the map.

    Parameters
    ----------
    values, variance : ndarray (N, ...)
        The estimates and their own variances; NaN where these are not known.
    """
    axes = tuple(range(1, values.ndim))
    return ErrorEstimate(
        "standard error",
        np.sqrt(variance.sum(axis=axes)),
        "L2 norm of the map's standard error; the scale is the L2 norm of the map. More samples make it smaller.",
        np.sqrt((values**2).sum(axis=axes)),
    )
