"""KernelSHAP: Shapley values as a weighted regression on what coalitions are worth."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..baselines import Baseline
from ..budget import Budget
from ..checks import positive_count, random_seed
from ..explanation import Array
from ..players import Bools
from ..registry import Attribution, register
from .kernelshap_coalitions import Coalitions, Plan, every_pair, pair_counts, plan
from .kernelshap_regression import PairRegression
from .shapley_game import Floats, Games, players_error
from .shapley_setup import shapley_games


@register(
    "kernelshap",
    family="perturbation",
    paper="A Unified Approach to Interpreting Model Predictions (Lundberg & Lee, 2017, arXiv:1705.07874)",
    needs="scores",
    error="relative standard error of the regression's values, as far as coalitions were drawn at random; "
    "0 when all of them were run",
    access="model-agnostic",
)
def kernelshap(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 2000,
    baseline: Baseline | None = None,
    background: Any = None,
    segments: Any = None,
    segment_options: dict[str, Any] | None = None,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
) -> Attribution:
    """``φ = argmin Σ_S (K-1) / (C(K,|S|) |S| (K-|S|)) · (v(S) - v(∅) - Σ_j∈S φ_j)²``, ``Σ_j φ_j = v(all) - v(∅)``.

    Exact Shapley values when all coalitions fit into `samples`. Otherwise coalitions are run in pairs with their
    complements, none twice: those of few (and of nearly all) players completely, of the other sizes as many as there
    is room for, at random, from ``numpy.random.default_rng([seed, i, size])``. The standard error is the sandwich
    estimate of the regression over the pairs drawn at random (compare Covert & Lee, 2020, arXiv:2012.01536).
    v, the players, the shape of ``values``, ``base_value`` and ``segments`` are those of `exact_shapley`.
    ``extras["standard_error"]`` has the shape of the values.

    Parameters
    ----------
    samples : int
        Coalitions per sample, at most; at least two per player.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these, optional
        What stands for absent players; the mean is taken over several. 0 when left out.
    background : array (B, ...), optional
        Rows that stand for absent players instead, such as rows of the training table.
    segments : {"slic", "quickshift", "felzenszwalb", "grid"} or array of int, optional
        The players: superpixels of a picture (SLIC when left out) or a partition of your own. Left out, the players
        of a table are its columns.
    segment_options : dict, optional
        For the segmentation, see `superpixels`.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
    batch_size : int or "auto"
    tolerance : float, optional
        Relative error to reach; `samples` is then only the first round.
    max_evaluations : int, optional
        How many inputs may go through the network.
    max_seconds : float, optional
        After how many seconds no round begins.
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    games = shapley_games(
        model,
        x,
        target,
        segments=segments,
        segment_options=segment_options,
        baseline=baseline,
        background=background,
        of=of,
        seed=seed,
        batch_size=batch_size,
    )
    fewest = max(1, *(min(count, sum(pair_counts(count))) for count in games.sizes))
    if samples < 2 * fewest:
        raise MethodError(
            f"samples={samples} is too few for {max(games.sizes)} players.",
            f"Pass samples={2 * fewest} or more, or larger segments.",
        )
    wholes: dict[int, _Whole] = {}
    fits = [_Fit(games, i, seed, wholes) for i in range(len(x))]
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    pairs = 0
    for count in budget.rounds(samples // 2, 2 * games.rows, fewest):
        promised, pairs = count * 2 * games.rows * len(budget.active), pairs + count
        new = {i: fits[i].coalitions(pairs) for i in budget.active.tolist()}
        worth = games.values(new)
        for i, found in worth.items():
            fits[i].take(found)
        values, errors = [fit.values for fit in fits], [fit.errors for fit in fits]
        error = players_error(values, errors)
        budget.report(error.relative)
        games.settle(budget, promised)
    return games.attribution(values, error, budget, errors)


class _Fit:
    """The regression of one sample, which grows by rounds.

    Attributes
    ----------
    values, errors : ndarray (K,)
    """

    def __init__(self, games: Games, index: int, seed: int, wholes: dict[int, _Whole]) -> None:
        self._players = games.sizes[index]
        self._total = float(games.whole[index] - games.empty[index])
        self._source, self._wholes = (seed, index), wholes
        self._plan: Plan | None = None
        self._orders: dict[int, Coalitions] = {}
        self._known = [np.zeros(0) for _ in pair_counts(self._players)]
        self.values = np.full(self._players, self._total)
        self.errors = np.zeros(self._players)

    def coalitions(self, pairs: int) -> Bools:
        """Coalitions that this number of pairs needs and that are not known yet, the complements last: (2 M, K)."""
        if not self._orders and pairs >= sum(pair_counts(self._players)):
            if self._players not in self._wholes:
                self._wholes[self._players] = _Whole(self._players)
            return self._wholes[self._players].both
        self._plan = plan(self._players, pairs, np.random.default_rng([*self._source, 0]))
        new = [self._order(size)[len(known) :] for size, known in enumerate(self._known, 1)]
        present = np.concatenate(new)
        return np.concatenate([present, ~present])

    def take(self, worth: Floats) -> None:
        """Learn what the coalitions are worth, and fit the values anew."""
        half_differences = (worth[: len(worth) // 2] - worth[len(worth) // 2 :] + self._total) / 2
        if self._plan is None:
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
        self.errors = regression.standard_errors(everything, self._total, left_out)

    def _order(self, size: int) -> Bools:
        assert self._plan is not None
        if size not in self._orders:
            rng = np.random.default_rng([*self._source, size])
            self._orders[size] = Coalitions(self._players, size, rng)
        return self._orders[size].first(int(self._plan.counts[size - 1]))


class _Whole:
    """All coalitions of K players, and the regression on them, which samples with as many players share."""

    def __init__(self, players: int) -> None:
        present = every_pair(players)
        weights = plan(players, len(present), np.random.default_rng(0))
        self.both = np.concatenate([present, ~present])
        self._regression = PairRegression(present, np.repeat(weights.weights, weights.counts))

    def fit(self, half_differences: Floats, total: float) -> Floats:
        """Exact Shapley values."""
        return self._regression.fit(half_differences, total)
