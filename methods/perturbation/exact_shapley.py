"""Exact Shapley values: every coalition of up to 20 players is evaluated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..budget import Budget
from ..estimates import completeness
from ..explanation import Array
from ..players import Bools
from ..registry import Attribution, register
from .shapley_game import Floats
from .shapley_setup import shapley_games

MOST_PLAYERS = 20


@register(
    "exact_shapley",
    family="perturbation",
    paper="A Unified Approach to Interpreting Model Predictions (Lundberg & Lee, 2017, arXiv:1705.07874)",
    needs="scores",
    error="efficiency residual: sum of the values minus (score of x - score without any player), zero up to rounding",
    access="model-agnostic",
)
def exact_shapley(
    model: Model,
    x: Array,
    target: Target,
    *,
    baseline: Baseline | None = None,
    background: Any = None,
    segments: Any = None,
    segment_options: dict[str, Any] | None = None,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``φ_j = Σ_S |S|! (K - |S| - 1)! / K! · (v(S and j) - v(S))``, S any coalition of the other K - 1 players.

    v(S) is the explained number of the sample in which the players outside of S are replaced by the baseline, or its
    mean over replacements by each row of the background (the marginal, also called interventional, expectation).
    2^K - 2 coalitions are run per sample. ``values`` is (N, 1, H, W) for superpixels, (N, D) for the columns of a
    table. ``extras`` holds ``base_value`` (N,), what no player at all is worth, and ``segments``.

    Parameters
    ----------
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
        Of the baseline ``"noise"``.
    batch_size : int or "auto"
    """
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
        most=MOST_PLAYERS,
    )
    coalitions = {count: _all_but_ends(count) for count in set(games.sizes)}
    found = games.values({sample: coalitions[count] for sample, count in enumerate(games.sizes)})
    values = [
        shapley_values(np.concatenate([[games.empty[sample]], worth, [games.whole[sample]]]))
        for sample, worth in found.items()
    ]
    budget = Budget(len(x))
    budget.evaluations = games.evaluations
    missing = completeness(np.array([each.sum() for each in values]), games.whole - games.empty, "efficiency residual")
    return games.attribution(values, missing, budget)


def shapley_values(worth: Floats) -> Floats:
    """Shapley values (K,) from what every coalition is worth (2^K,): player j is present where bit j is set."""
    players = len(worth).bit_length() - 1
    size = np.zeros(1, dtype=np.int64)
    for _ in range(players):  # coalitions without the next player, then the same with it
        size = np.concatenate([size, size + 1])
    share = np.array([1 / (players * math.comb(players - 1, s)) for s in range(players)])
    values = np.empty(players)
    for j in range(players):
        # Axis 1 is bit j: without the player, and with it.
        without, present = np.moveaxis(worth.reshape(-1, 2, 1 << j), 1, 0)
        values[j] = (share[size.reshape(-1, 2, 1 << j)[:, 0]] * (present - without)).sum()
    return values


def _all_but_ends(players: int) -> Bools:
    numbers = np.arange(1, (1 << players) - 1)
    present: Bools = (numbers[:, None] >> np.arange(players)) & 1 == 1
    return present
