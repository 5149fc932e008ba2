"""Shapley values by sampling: the mean marginal contribution over random orders of the players."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..budget import Budget
from ..checks import positive_count, random_seed
from ..explanation import Array
from ..players import Bools
from ..registry import Attribution, register
from .shapley_game import Floats, players_error
from .shapley_setup import shapley_games

# Truth values of coalitions that are held at once.
_HELD = 1 << 24


@register(
    "shapley_sampling",
    family="perturbation",
    paper="Polynomial calculation of the Shapley value based on sampling (Castro et al., 2009)",
    needs="scores",
    error="relative standard error of the mean over pairs of opposite orders",
    access="model-agnostic",
)
def shapley_sampling(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 50,
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
    """``φ_j = E[v(players up to j) - v(players before j)]`` over random orders of the players, each with its reverse.

    An order followed by its reverse (antithetic pairs) leaves out half of the chance: what two players do together is
    credited once to each. Every order shares out the score completely, so the values add up at any number of samples.
    v, the players, the shape of ``values``, ``base_value`` and ``segments`` are those of `exact_shapley`.
    ``extras["standard_error"]`` has the shape of the values. The orders of sample i come from
    ``numpy.random.default_rng([seed, i])``; no coalition is run twice.

    Parameters
    ----------
    samples : int
        Orders per sample, rounded up to pairs; each takes at most K - 1 runs of the network (times the background).
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
    generators = [np.random.default_rng([seed, i]) for i in range(len(x))]
    means = [Mean(count) for count in games.sizes]
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    most = max(games.sizes)
    per_pair = max(1, 2 * (most - 1)) * games.rows
    for count in budget.rounds(-(-samples // 2), per_pair):
        promised = count * per_pair * len(budget.active)
        for part in chunks(count, max(1, _HELD // (2 * most**2 * len(budget.active)))):
            made = part.stop - part.start
            ranks = {i: _ranks(generators[i], made, games.sizes[i]) for i in budget.active.tolist()}
            worth = games.remembered({i: _prefixes(rank) for i, rank in ranks.items()})
            for i, rank in ranks.items():
                means[i].add(_contributions(rank, worth[i]))
        values = [mean.value for mean in means]
        errors = [mean.standard_error() for mean in means]
        error = players_error(values, errors)
        budget.report(error.relative)
        games.settle(budget, promised)
    return games.attribution(values, error, budget, errors)


class Mean:
    """Mean of draws (M, K) that come in parts, with its standard error; parts that are all alike leave no error."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.value = np.zeros(size)
        self._deviations = np.zeros(size)

    def add(self, draws: Floats) -> None:
        """Take in further draws."""
        mean, count = draws.mean(axis=0), self.count + len(draws)
        step = mean - self.value
        self._deviations += ((draws - mean) ** 2).sum(axis=0) + step**2 * self.count * len(draws) / count
        self.value = self.value + step * len(draws) / count
        self.count = count

    def standard_error(self) -> Floats:
        """Of the mean, per player; unknown (NaN) for one draw."""
        if self.count < 2:
            return np.full(len(self.value), np.nan)
        errors: Floats = np.sqrt(self._deviations / (self.count * (self.count - 1)))
        return errors


def _ranks(rng: np.random.Generator, count: int, players: int) -> npt.NDArray[np.int64]:
    """The place of each player in `count` random orders: (count, K)."""
    return rng.permuted(np.tile(np.arange(players), (count, 1)), axis=1)


def _prefixes(ranks: npt.NDArray[np.int64]) -> Bools:
    """The first t players of each order and of its reverse, t = 0 to K: (count * 2 * (K + 1), K)."""
    players = ranks.shape[1]
    both = np.stack([ranks, players - 1 - ranks], axis=1)
    present: Bools = both[:, :, None, :] < np.arange(players + 1)[:, None]
    return present.reshape(-1, players)


def _contributions(ranks: npt.NDArray[np.int64], worth: Floats) -> Floats:
    """What each player adds when it joins, mean over each order and its reverse: (count, K)."""
    count, players = ranks.shape
    steps = np.diff(worth.reshape(count, 2, players + 1), axis=2)
    forward = np.take_along_axis(steps[:, 0], ranks, axis=1)
    backward = np.take_along_axis(steps[:, 1], players - 1 - ranks, axis=1)
    mean: Floats = (forward + backward) / 2
    return mean
