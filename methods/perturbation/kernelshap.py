"""KernelSHAP: Shapley values as a weighted regression on what coalitions are worth."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..budget import Budget
from ..checks import positive_count, random_seed
from ..explanation import Array
from ..registry import Attribution, register
from .kernelshap_coalitions import pair_counts
from .kernelshap_fit import KernelFit, WholeFit, enough_samples
from .shapley_game import players_error
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
    estimate of the regression over the pairs drawn at random (compare Covert & Lee, 2020, arXiv:2012.01536); it is
    NaN, unknown, where fewer than K / 2 pairs were drawn at random (fewer than about 3 K `samples` for K players).
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
    most = max(games.sizes)
    fewest = enough_samples(samples, most) // 2
    wholes: dict[int, WholeFit] = {}
    totals = (games.whole - games.empty).tolist()
    fits = [KernelFit(count, totals[i], (seed, i), wholes) for i, count in enumerate(games.sizes)]
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    pairs = 0
    for count in budget.rounds(min(samples // 2, max(1, sum(pair_counts(most)))), 2 * games.rows, fewest):
        promised, pairs = count * 2 * games.rows * len(budget.active), pairs + count
        new = {i: fits[i].coalitions(pairs) for i in budget.active.tolist()}
        worth = games.values(new)
        for i, found in worth.items():
            fits[i].take(found)
        values, errors = [fit.values for fit in fits], [fit.errors for fit in fits]
        error = players_error(values, errors)
        budget.report(error.relative)
        # Where a plan has no place for a pair or two, a later round may run them: they stay paid for.
        reserved = sum(fits[i].missing(pairs) for i in budget.active.tolist()) * 2 * games.rows
        games.settle(budget, promised - reserved)
    games.settle(budget, promised=0)
    return games.attribution(values, error, budget, errors)
