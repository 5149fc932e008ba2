"""Shapley values by their definition, and networks whose values are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np

from twinlens.backends import Backend, Model

from ...nets import formula_net

PLAYERS = 5


def by_permutations(worth: Callable[[np.ndarray], float], players: int) -> np.ndarray:
    """Mean of what each player adds when it joins, over all orders in which they can come."""
    values = np.zeros(players)
    known: dict[bytes, float] = {}

    def remembered(present: np.ndarray) -> float:
        key = present.tobytes()
        if key not in known:
            known[key] = worth(present)
        return known[key]

    for order in permutations(range(players)):
        present = np.zeros(players, dtype=bool)
        before = remembered(present)
        for player in order:
            present[player] = True
            after = remembered(present)
            values[player] += after - before
            before = after
    return values / math.factorial(players)


def marginal(model: Model, sample: np.ndarray, rows: np.ndarray, target: int) -> Callable[[np.ndarray], float]:
    """The game of a table's row: absent columns come from each row of a background in turn."""
    return lambda present: float(model.forward(np.where(present, sample, rows))[:, target].mean())


def mixing_net(backend: Backend, players: int = PLAYERS, seed: int = 0, dtype: str = "float64") -> Model:
    """``scores = (x @ w)³ + (x @ w)²``: interactions of two and of three columns."""
    weights = np.random.default_rng(seed).normal(0, 0.6, (players, 3))
    return formula_net(backend, lambda u, w: (u @ w) ** 3 + (u @ w) ** 2, weights, dtype)


def table(rows: int, columns: int = PLAYERS, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns))
