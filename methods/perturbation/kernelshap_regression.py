"""The regression of KernelSHAP: weighted least squares under the constraint that the values share out the score."""

from __future__ import annotations

import numpy as np

from ..players import Bools
from .shapley_game import Floats


class PairRegression:
    """Fit of players' values to what pairs of a coalition and its complement are worth.

    Both members of a pair have the same weight, so only the difference of their worths matters, and a pair is one
    equation: ``Σ_j∈S φ_j = (v(S) - v(not S) + v(all) - v(none)) / 2``. Taking off each coalition's share of the total
    leaves an unconstrained problem whose solution sums to 0.

    Parameters
    ----------
    present : ndarray of bool (M, K)
        One member of each pair.
    weights : ndarray (M,)
    """

    def __init__(self, present: Bools, weights: Floats) -> None:
        self._share = present.mean(axis=1)
        self._rows = present - self._share[:, None]
        self._weights = weights
        moment = self._rows.T @ (weights[:, None] * self._rows)
        players = present.shape[1]
        # All rows sum to 0; this makes the matrix regular without touching their space.
        self._inverse = np.linalg.inv(moment + (np.trace(moment) / players**2 or 1.0))

    def fit(self, half_differences: Floats, total: float) -> Floats:
        """Values (K,) from ``(v(S) - v(not S) + total) / 2`` per pair."""
        left = half_differences - self._share * total
        return total / self._rows.shape[1] + self._inverse @ (self._rows.T @ (self._weights * left))

    def standard_errors(self, half_differences: Floats, total: float, left_out: Floats) -> Floats:
        """Of the values: the sandwich estimate, which holds for residuals of any shape.

        Parameters
        ----------
        half_differences, total
            As for `fit`.
        left_out : ndarray (M,)
            The share of its kind that each pair stands for and that was not looked at; 0 adds no error.
        """
        values = self.fit(half_differences, total)
        drawn = left_out > 0
        rows, weights = self._rows[drawn], self._weights[drawn]
        fitted = rows @ values + self._share[drawn] * total
        leverage = weights * np.einsum("mk,kl,ml->m", rows, self._inverse, rows, optimize=True)
        # What a pair's residual would be had it not been fitted itself.
        residual = (half_differences[drawn] - fitted) / np.maximum(1 - leverage, 1e-6)
        score = (weights * residual * np.sqrt(left_out[drawn]))[:, None] * (rows @ self._inverse)
        errors: Floats = np.sqrt((score**2).sum(axis=0))
        return errors
