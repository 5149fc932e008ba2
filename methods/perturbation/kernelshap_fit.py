"""The regression of KernelSHAP for one game: which coalitions it asks for, and the values that follow from them."""

from __future__ import annotations

import numpy as np

from ...errors import MethodError
from ..players import Bools
from .kernelshap_coalitions import Coalitions, Plan, every_pair, pair_counts, plan
from .kernelshap_regression import PairRegression
from .shapley_game import Floats


def enough_samples(samples: int, players: int) -> int:
    """The fewest coalitions with which the regression has a solution.

    Raises
    ------
    MethodError
        If there are to be fewer.
    """
    fewest = 2 * max(1, min(players, sum(pair_counts(players))))
    if samples < fewest:
        raise MethodError(
            f"samples={samples} is too few for {players} players.",
            f"Pass samples={fewest} or more, or larger segments.",
        )
    return fewest


class KernelFit:
    """KernelSHAP's regression for one game, which grows by rounds.

    Parameters
    ----------
    players : int
        How many play.
    total : float
        What all of them are worth, less what nobody is.
    source : tuple of int
        Where coalitions that are drawn at random come from.
    wholes : dict of int to WholeFit
        Regressions on all coalitions, by number of players; games with as many players share one.

    Attributes
    ----------
    values, errors : ndarray (K,)
        The errors are NaN while too few coalitions were drawn at random to tell them.
    """

    def __init__(self, players: int, total: float, source: tuple[int, ...], wholes: dict[int, WholeFit]) -> None:
        self._players, self._total = players, total
        self._source, self._wholes = source, wholes
        self._plan: Plan | None = None
        self._orders: dict[int, Coalitions] = {}
        self._pairs = pair_counts(self._players)
        self._known = [np.zeros(0) for _ in self._pairs]
        self.values = np.full(self._players, self._total)
        self.errors = np.zeros(self._players)

    def missing(self, pairs: int) -> int:
        """How many of this number of pairs are not known yet; no more are missing than there are."""
        return min(pairs, sum(self._pairs)) - sum(map(len, self._known))

    def coalitions(self, pairs: int) -> Bools:
        """Coalitions that this number of pairs needs and that are not known yet, the complements last: (2 M, K)."""
        if not self.missing(pairs):
            return np.zeros((0, self._players), dtype=bool)
        if not self._orders and pairs >= sum(self._pairs):
            if self._players not in self._wholes:
                self._wholes[self._players] = WholeFit(self._players)
            return self._wholes[self._players].both
        self._plan = plan(self._players, pairs, np.random.default_rng([*self._source, 0]))
        new = [self._order(size)[len(known) :] for size, known in enumerate(self._known, 1)]
        present = np.concatenate(new)
        return np.concatenate([present, ~present])

    def take(self, worth: Floats) -> None:
        """Learn what the coalitions are worth, and fit the values anew."""
        half_differences = (worth[: len(worth) // 2] - worth[len(worth) // 2 :] + self._total) / 2
        if self._plan is None:
            # Empty where nothing was missing: the values stay.
            if len(worth):
                self._known = np.split(half_differences, np.cumsum(self._pairs)[:-1])
                self.values = self._wholes[self._players].fit(half_differences, self._total)
            return
        new = self._plan.counts - [len(known) for known in self._known]
        parts = np.split(half_differences, np.cumsum(new)[:-1])
        self._known = [np.concatenate(both) for both in zip(self._known, parts, strict=True)]
        present = np.concatenate([self._order(size) for size in range(1, len(self._known) + 1)])
        regression = PairRegression(present, np.repeat(self._plan.weights, self._plan.counts))
        everything = np.concatenate(self._known)
        self.values = regression.fit(everything, self._total)
        left_out = np.repeat(self._plan.left_out, self._plan.counts)
        if not self._plan.complete and 2 * np.count_nonzero(left_out) < self._players:
            # There are K / 2 sizes: with less than a pair for each, the spread of what was drawn says nothing of them.
            self.errors = np.full(self._players, np.nan)
        else:
            self.errors = regression.standard_errors(everything, self._total, left_out)

    def _order(self, size: int) -> Bools:
        assert self._plan is not None
        if size not in self._orders:
            rng = np.random.default_rng([*self._source, size])
            self._orders[size] = Coalitions(self._players, size, rng)
        return self._orders[size].first(int(self._plan.counts[size - 1]))


class WholeFit:
    """All coalitions of K players, and the regression on them, which games with as many players share."""

    def __init__(self, players: int) -> None:
        present = every_pair(players)
        weights = plan(players, len(present), np.random.default_rng(0))
        self.both = np.concatenate([present, ~present])
        self._regression = PairRegression(present, np.repeat(weights.weights, weights.counts))

    def fit(self, half_differences: Floats, total: float) -> Floats:
        """Exact Shapley values."""
        return self._regression.fit(half_differences, total)
