"""The regression of LIME: a ridge on weighted neighbours, with its fit and the standard errors of its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import MethodError
from .shapley_game import Floats

PENALTY = 1.0
"""Of the ridge, as in the ``lime`` package."""

# Together, neighbours must count this much of what the sample does alone: to less than this the ridge leaves no slopes.
_LEAST = 0.01


@dataclass(frozen=True, eq=False)
class LocalFit:
    """A linear model of a network near one sample.

    Attributes
    ----------
    weights, errors : ndarray (K,)
        Slopes and their standard errors; these are NaN where too few neighbours count to tell them.
    intercept : float
        At 0.
    prediction : float
        At the sample itself.
    r_squared : float
        Share of the weighted variance that the line explains. Where neighbours are a random choice, each pair of them
        is held against the line that is fitted without it. 1 where nothing varies, NaN where nothing that counts does.
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

    Raises
    ------
    MethodError
        If the neighbours count next to nothing.
    """
    beside = float(nearness[1:].sum() / nearness[0])
    if beside < _LEAST:
        raise MethodError(
            f"The kernel_width is too small: {len(rows) - 1} neighbours together count {beside:.1g} of the sample.",
            "Pass a larger kernel_width (left out, it is 0.25 for pictures, 0.75 √D for D columns) or more samples.",
        )
    shares = nearness / nearness.sum()
    # Measured from the first: a network that does not vary then gives zeros and no rounding errors.
    centre, level = shares @ rows, worth[0] + shares @ (worth - worth[0])
    centred, deviation = rows - centre, worth - level
    moment = centred.T @ (nearness[:, None] * centred) + PENALTY * np.eye(rows.shape[1])
    inverse = np.linalg.inv(moment)
    weights = inverse @ (centred.T @ (nearness * deviation))
    residual = deviation - centred @ weights
    errors, left = np.zeros(len(weights)), np.sqrt(shares) * residual
    if drawn:
        scaled = np.sqrt(nearness)[:, None] * centred
        hat = np.einsum("pak,kl,pbl->pab", _paired(scaled), inverse, _paired(scaled), optimize=True)
        errors = _sandwich(scaled, np.sqrt(nearness) * residual, nearness, inverse, hat)
        left = _left_out(scaled, left, shares, inverse, hat)
    return LocalFit(
        weights,
        errors,
        float(level - centre @ weights),
        float(level + centred[0] @ weights),
        _r_squared(left, np.sqrt(shares) * deviation, bool(np.ptp(worth))),
    )


def _r_squared(left: Floats, deviation: Floats, varies: bool) -> float:
    """``1 - Σ left² / Σ deviation²``."""
    if not varies:
        return 1.0
    largest = np.abs(deviation).max()
    # In units of the largest: squares of tiny numbers are 0.
    return float(1 - ((left / largest) ** 2).sum() / ((deviation / largest) ** 2).sum()) if largest > 0 else np.nan


def _sandwich(rows: Floats, residual: Floats, nearness: Floats, inverse: Floats, hat: Floats) -> Floats:
    """Standard errors from the spread over pairs, each residual made up for what its own pair took off it (CR2).

    `hat` (P, 2, 2) is what the fitted slopes take from each pair to itself.
    """
    players = rows.shape[1]
    # Of the slopes, a pair says one thing: the difference of its two. A line with as many slopes as there are pairs
    # runs through all of these, and what is left over then tells nothing of its error. Pairs that count unequally
    # are worth (Σ weight)² / Σ weight² that count alike.
    weight = _paired(nearness).sum(axis=1)
    if weight.sum() ** 2 <= players * (weight**2).sum():
        return np.full(players, np.nan)
    values, vectors = np.linalg.eigh(np.eye(2) - hat)
    roots = np.maximum(values, 1e-6) ** -0.5
    whole = np.einsum("pab,pb,pcb,pc->pa", vectors, roots, vectors, _paired(residual), optimize=True)
    score = np.einsum("pa,pak->pk", whole, _paired(rows)) @ inverse
    errors: Floats = np.sqrt((score**2).sum(axis=0))
    return errors


def _left_out(rows: Floats, residual: Floats, shares: Floats, inverse: Floats, hat: Floats) -> Floats:
    """What the residuals would be had each pair not been fitted itself: ``(1 - H)⁻¹ residual``.

    H is the pair's block of the hat matrix: `hat`, and what the intercept takes. The sample stays in every fit.
    """
    root, left, out = _paired(np.sqrt(shares)), _paired(residual), residual.copy()
    kept = np.eye(2) - hat - root[:, :, None] * root[:, None, :]
    out[1 : 1 + 2 * len(left)] = np.linalg.solve(kept, left[..., None]).reshape(-1)
    if len(rows) % 2 == 0:  # the last one came without its mirror image
        out[-1] /= 1 - rows[-1] @ inverse @ rows[-1] - shares[-1]
    return out


def _paired(part: Floats) -> Floats:
    """The pairs among (M, ...) rows, the sample left aside: (P, 2, ...)."""
    pairs = (len(part) - 1) // 2
    return part[1 : 1 + 2 * pairs].reshape(pairs, 2, *part.shape[1:])
