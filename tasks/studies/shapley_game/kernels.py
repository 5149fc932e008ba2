"""KernelSHAP as LIME with another kernel: the weights of both, and the lines that they fit."""

from __future__ import annotations

import math

import numpy as np

from ....methods.perturbation.function_games import every_coalition
from ....methods.perturbation.lime_neighbours import kernel
from ....methods.perturbation.shapley_game import Floats
from .rules import count_players


def shapley_kernel(players: int) -> Floats:
    """Weight of a coalition by its size, ``(K-1) / (C(K,s) s (K-s))``: (K + 1,), infinite for nobody and everybody."""
    inside = [(players - 1) / (math.comb(players, s) * s * (players - s)) for s in range(1, players)]
    return np.array([np.inf, *inside, np.inf], dtype=np.float64)


def lime_kernel(players: int, width: float) -> Floats:
    """Weight of a coalition by its size in LIME: (K + 1,).

    The distance is the cosine distance of the coalition's row of zeros and ones from the row of ones, as LIME takes
    it for pictures and texts.
    """
    return kernel(1 - np.sqrt(np.arange(players + 1) / players), width)


def fitted_values(worth: Floats, weights: Floats) -> Floats:
    """Slopes of the line through all coalitions that has the least weighted sum of squares.

    Where the weights of nobody and everybody are infinite, the line goes through their worths. Nothing else is
    penalised: LIME's loss with Ω = 0.

    Parameters
    ----------
    worth : ndarray (2**K,)
        What coalitions are worth, in the order of their bits.
    weights : ndarray (K + 1,)
        Of a coalition, by its size.
    """
    players = count_players(worth)
    rows = every_coalition(players).astype(np.float64)
    each = weights[rows.sum(axis=1).astype(np.int64)]
    if np.isinf(each).any():
        total = float(worth[-1] - worth[0])
        inside = slice(1, -1)
        # The last player gets what the others leave of the total.
        left = worth[inside] - worth[0] - rows[inside, -1] * total
        free = _least_squares(rows[inside, :-1] - rows[inside, -1:], left, each[inside])
        return np.append(free, total - free.sum())
    return _least_squares(np.column_stack([rows, np.ones(len(rows))]), worth, each)[:-1]


def _least_squares(rows: Floats, worth: Floats, weights: Floats) -> Floats:
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(rows * root[:, None], worth * root, rcond=None)[0], dtype=np.float64)
