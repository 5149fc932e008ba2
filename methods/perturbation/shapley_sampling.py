"""Shapley values by sampling: the mean marginal contribution over random orders of the players."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..budget import Budget
from ..checks import positive_count, random_seed
from ..explanation import Array
from ..registry import Attribution, register
from .exact_shapley import shapley_values
from .shapley_game import players_error
from .shapley_orders import OrderMean
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
    ``extras["standard_error"]`` has the shape of the values; NaN, unknown, of one pair, however often it was drawn. The
    orders of sample i come from ``numpy.random.default_rng([seed, i])``; no coalition is run twice. Once all 2^K are
    known, the values are the mean over all orders, as in `exact_shapley`, and the error is 0.

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
    means = [OrderMean(count, np.random.default_rng([seed, i])) for i, count in enumerate(games.sizes)]
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    most = max(games.sizes)
    per_pair = max(1, 2 * (most - 1)) * games.rows
    for count in budget.rounds(-(-samples // 2), per_pair):
        promised = count * per_pair * len(budget.active)
        for part in chunks(count, max(1, _HELD // (2 * most**2 * len(budget.active)))):
            made = part.stop - part.start
            worth = games.remembered({i: means[i].coalitions(made) for i in budget.active.tolist()})
            for i, found in worth.items():
                means[i].take(found)
        for i in budget.active.tolist():
            every_worth = games.every_worth(i)
            if every_worth is not None:
                means[i].settle(shapley_values(every_worth))
        values = [mean.values for mean in means]
        errors = [mean.errors for mean in means]
        error = players_error(values, errors)
        budget.report(error.relative)
        games.settle(budget, promised)
    return games.attribution(values, error, budget, errors)
