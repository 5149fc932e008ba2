"""How near estimates of Shapley values come with a given number of coalitions, over seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ....datasets.packages import require_shap
from ....methods.perturbation.exact_shapley import shapley_values
from ....methods.perturbation.function_games import (
    GameValues,
    Worth,
    kernel_game,
    sampled_game,
    table_game,
)
from ....methods.perturbation.shapley_game import Floats
from ....methods.randomness import global_numpy_seed
from .rules import count_players

KERNEL, SAMPLING, SHAP = "KernelSHAP", "sampling of orders", "shap.KernelExplainer"


@dataclass(frozen=True, eq=False)
class Trials:
    """Estimates of one game by one method: P numbers of coalitions, S seeds.

    Attributes
    ----------
    evaluations : ndarray (P,)
        Different coalitions that were run, the median over the seeds.
    errors : ndarray (P, S)
        Distance from the exact values, relative to their norm.
    covered : ndarray (P,)
        Share of the players' values within two of the method's own standard errors; NaN where it has none.
    """

    evaluations: Floats
    errors: Floats
    covered: Floats

    def slope(self, most: int) -> float | None:
        """Slope of log error over log evaluations, of points with at most so many; 1 / sqrt(n) falls with -0.5."""
        error = np.median(self.errors, axis=1)
        used = (self.evaluations <= most) & (error > 0)
        if used.sum() < 2:
            return None
        return float(np.polyfit(np.log(self.evaluations[used]), np.log(error[used]), 1)[0])


def trials(worth: Floats, budgets: Sequence[int], seeds: Sequence[int]) -> dict[str, Trials]:
    """Estimate the Shapley values of a game by every method, with every budget and seed.

    Parameters
    ----------
    worth : ndarray (2**K,)
        What coalitions are worth, in the order of their bits; looking one up counts as an evaluation.
    budgets : sequence of int
        Coalitions that a method may evaluate, other than nobody and everybody; at least 2 K.
    seeds : sequence of int
    """
    exact, game, players = shapley_values(worth), table_game(worth), count_players(worth)
    scale = float(np.linalg.norm(exact)) or 1.0
    found = {}
    for name, estimate in _METHODS.items():
        runs = [[estimate(game, players, budget, seed) for seed in seeds] for budget in budgets]
        off = np.array([[run.values - exact for run in row] for row in runs])
        errors = np.array([[run.errors for run in row] for row in runs])
        within = np.abs(off) <= 2 * errors + 1e-9 * np.abs(exact).max()
        unknown = np.isnan(errors).any(axis=(1, 2))
        found[name] = Trials(
            np.median([[run.evaluations for run in row] for row in runs], axis=1),
            np.linalg.norm(off, axis=2) / scale,
            np.where(unknown, np.nan, within.mean(axis=(1, 2))),
        )
    return found


def fewest_evaluations(players: int) -> int:
    """The smallest budget with which every method has an answer."""
    return 2 * players


def _sampled(game: Worth, players: int, budget: int, seed: int) -> GameValues:
    return sampled_game(game, players, 2 * (budget // fewest_evaluations(players)), seed)


def _shap(game: Worth, players: int, budget: int, seed: int) -> GameValues:
    shap = require_shap("have a second opinion on KernelSHAP")
    with global_numpy_seed(seed), warnings.catch_warnings():
        explainer = shap.KernelExplainer(lambda rows: game(rows > 0.5), np.zeros((1, players)))
        # With few coalitions its regression has no single solution; the error that is measured tells as much.
        warnings.filterwarnings("ignore", "Linear regression equation is singular", UserWarning)
        values = explainer.shap_values(np.ones(players), nsamples=budget, l1_reg=False, silent=True)
    return GameValues(np.asarray(values, dtype=np.float64), np.full(players, np.nan), budget)


_METHODS: dict[str, Callable[[Worth, int, int, int], GameValues]] = {
    SAMPLING: _sampled,
    KERNEL: kernel_game,
    SHAP: _shap,
}
