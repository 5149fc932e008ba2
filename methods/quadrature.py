"""Points and weights of the rules that approximate an integral from 0 to 1."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from ..errors import MethodError
from .checks import positive_count

# NumPy takes the eigenvalues of a matrix of steps × steps: too long and too large for more than these.
_MANY = 200

Rule: TypeAlias = Literal["gauss_legendre", "trapezoid", "midpoint", "left", "right"]


def quadrature(rule: Rule, steps: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Points in [0, 1] and weights that sum to 1.

    Parameters
    ----------
    rule : {"gauss_legendre", "trapezoid", "midpoint", "left", "right"}
        With n steps Gauss–Legendre is exact for polynomials up to degree 2n - 1, midpoint and trapezoid up to degree 1,
        the left and right Riemann sums for constants.
    steps : int
        Number of points; the trapezoid needs two.
    """
    steps = positive_count("steps", steps)
    if rule == "gauss_legendre":
        points, weights = _legendre(steps) if steps > _MANY else np.polynomial.legendre.leggauss(steps)
        return (points + 1) / 2, weights / 2
    even = np.full(steps, 1 / steps)
    if rule == "midpoint":
        return (np.arange(steps) + 0.5) / steps, even
    if rule == "left":
        return np.arange(steps) / steps, even
    if rule == "right":
        return (np.arange(steps) + 1) / steps, even
    if rule == "trapezoid":
        if steps < 2:
            raise MethodError("The trapezoid rule needs at least 2 steps.", "Pass steps=2 or more.")
        weights = np.full(steps, 1 / (steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    raise MethodError(f"rule='{rule}' is not known.", f"Choose one of: {', '.join(get_args(Rule))}.")


@lru_cache(maxsize=4)
def _legendre(n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Roots of the Legendre polynomial of degree n by Newton's method, and the weights of Gauss's rule."""
    roots = -np.cos(np.pi * (np.arange(n) + 0.75) / (n + 0.5))
    for _ in range(4):
        before, here = np.ones(n), roots
        for k in range(2, n + 1):
            before, here = here, ((2 * k - 1) * roots * here - (k - 1) * before) / k
        slope = n * (before - roots * here) / (1 - roots**2)
        roots = roots - here / slope
    weights = 2 / ((1 - roots**2) * slope**2)
    return roots, weights / (weights.sum() / 2)
