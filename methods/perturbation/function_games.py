"""Shapley values of a game that is a plain function of its coalitions, by the methods that explain networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ...errors import MethodError
from ..checks import positive_count, random_seed
from ..players import Bools
from .exact_shapley import MOST_PLAYERS, shapley_values
from .kernelshap_fit import KernelFit, enough_samples
from .shapley_game import Floats
from .shapley_orders import OrderMean

Worth: TypeAlias = Callable[[Bools], Floats]
"""What coalitions (M, K), True for players that are present, are worth: (M,)."""
Predict: TypeAlias = Callable[[Floats], Floats]

# Rows that a model is asked for at once.
_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False)
class GameValues:
    """What the players of a game get.

    Attributes
    ----------
    values : ndarray (K,)
    errors : ndarray (K,)
        Standard errors; 0 where nothing was left to chance, NaN where it is not known.
    evaluations : int
        Different coalitions that were evaluated, other than nobody and everybody.
    """

    values: Floats
    errors: Floats
    evaluations: int


def every_coalition(players: int) -> Bools:
    """All coalitions: (2**K, K). In row number `i`, player j is present where bit j of `i` is set.

    Raises
    ------
    MethodError
        If they are too many.
    """
    if not 1 <= players <= MOST_PLAYERS:
        raise MethodError(f"A game of {players} players cannot be enumerated.", f"Take 1 to {MOST_PLAYERS} players.")
    present: Bools = (np.arange(1 << players)[:, None] >> np.arange(players)) & 1 == 1
    return present


def table_game(worth: Floats) -> Worth:
    """The game whose coalitions are worth what stands in a table (2**K,) in the order of `every_coalition`."""
    players = len(worth).bit_length() - 1
    places = 1 << np.arange(players)
    return lambda present: worth[present @ places]


def marginal_game(predict: Predict, row: Floats, background: Floats) -> Worth:
    """The game of one row of a table, whose absent columns come from each row of a background in turn.

    Parameters
    ----------
    predict : callable
        Rows (N, K) to numbers (N,).
    row : ndarray (K,)
    background : ndarray (B, K)
    """
    at_once = max(1, _AT_ONCE // len(background))

    def worth(present: Bools) -> Floats:
        parts = (present[start : start + at_once] for start in range(0, len(present), at_once))
        found = (predict(np.where(part[:, None], row, background).reshape(-1, len(row))) for part in parts)
        return np.concatenate([each.reshape(-1, len(background)).mean(axis=1, dtype=np.float64) for each in found])

    return worth


def exact_game(worth: Worth, players: int) -> GameValues:
    """Shapley values from all coalitions; see `exact_shapley`."""
    found = worth(every_coalition(players))
    return GameValues(shapley_values(found), np.zeros(players), len(found) - 2)


def kernel_game(worth: Worth, players: int, samples: int, seed: int = 0) -> GameValues:
    """Shapley values from a regression on at most `samples` coalitions; see `kernelshap`.

    Raises
    ------
    MethodError
        If `samples` are too few.
    """
    enough_samples(positive_count("samples", samples), players)
    nobody, everybody = worth(_ends(players))
    fit = KernelFit(players, float(everybody - nobody), (random_seed(seed), 0), {})
    present = fit.coalitions(samples // 2)
    fit.take(worth(present))
    return GameValues(fit.values, fit.errors, len(present))


def sampled_game(worth: Worth, players: int, samples: int, seed: int = 0) -> GameValues:
    """Shapley values from `samples` random orders, rounded up to pairs; see `shapley_sampling`."""
    mean = OrderMean(players, np.random.default_rng([random_seed(seed), 0]))
    present, place = np.unique(
        mean.coalitions(-(-positive_count("samples", samples) // 2)), axis=0, return_inverse=True
    )
    mean.take(worth(present)[place.reshape(-1)])
    return GameValues(mean.values, mean.errors, len(present) - 2)


def _ends(players: int) -> Bools:
    return np.stack([np.zeros(players, bool), np.ones(players, bool)])
