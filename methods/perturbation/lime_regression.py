"""The regression of LIME: a ridge on weighted neighbours, with its fit and the standard errors of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapley_game import Floats

PENALTY = 1.0
"""Of the ridge, as in the ``lime`` package."""


@dataclass(frozen=True, eq=False)
class LocalFit:
    """A linear model of a network near one sample.

    Attributes
    ----------
    weights, errors : ndarray (K,)
        Slopes and their standard errors.
    intercept : float
        At 0.
    prediction : float
        At the sample itself.
    r_squared : float
        Share of the weighted variance that the line explains; 1 where nothing varies.
    """

    weights: Floats
    errors: Floats
    intercept: float
    prediction: float
    r_squared: float


def local_fit(rows: Floats, worth: Floats, nearness: Floats, drawn: bool) -> LocalFit:
    """Fit ``Σ nearness (worth - intercept - rows · weights)² + PENALTY |weights|²``.

    Parameters
    ----------
    rows : ndarray (M, K)
        The first is the sample itself; the others come in opposite pairs.
    worth, nearness : ndarray (M,)
    drawn : bool
        Whether the rows are a random choice; otherwise they are all there are, and there is no sampling error.
    """
    shares = nearness / nearness.sum()
    # Measured from the first: a network that does not vary then gives zeros and no rounding errors.
    centre, level = shares @ rows, worth[0] + shares @ (worth - worth[0])
    centred, deviation = rows - centre, worth - level
    moment = centred.T @ (nearness[:, None] * centred) + PENALTY * np.eye(rows.shape[1])
    inverse = np.linalg.inv(moment)
    weights = inverse @ (centred.T @ (nearness * deviation))
    residual = deviation - centred @ weights
    variation = shares @ deviation**2
    errors = np.zeros(len(weights))
    if drawn:
        errors = _sandwich(np.sqrt(nearness)[:, None] * centred, np.sqrt(nearness) * residual, inverse)
    return LocalFit(
        weights,
        errors,
        float(level - centre @ weights),
        float(level + centred[0] @ weights),
        float(1 - shares @ residual**2 / variation) if variation > 0 else 1.0,
    )


def _sandwich(rows: Floats, residual: Floats, inverse: Floats) -> Floats:
    """Standard errors from the spread over pairs, each residual made up for what its own pair took off it (CR2)."""
    pairs = (len(rows) - 1) // 2
    if pairs < 2:
        return np.full(rows.shape[1], np.nan)
    each, left = rows[1 : 1 + 2 * pairs].reshape(pairs, 2, -1), residual[1 : 1 + 2 * pairs].reshape(pairs, 2)
    hat = np.einsum("pak,kl,pbl->pab", each, inverse, each, optimize=True)
    values, vectors = np.linalg.eigh(np.eye(2) - hat)
    whole = np.einsum("pab,pb,pcb,pc->pa", vectors, np.maximum(values, 1e-6) ** -0.5, vectors, left, optimize=True)
    score = np.einsum("pa,pak->pk", whole, each) @ inverse
    errors: Floats = np.sqrt((score**2).sum(axis=0))
    return errors
