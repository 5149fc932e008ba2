"""Exact values against KernelSHAP against sampling: how the error falls, and whether the methods know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....errors import ConfigError
from ....figures.convergence import Course, Race, convergence_plot
from ....figures.report import FigureItem, Row, Section, TableItem
from ....methods.perturbation.shapley_game import Floats
from ..base import Context, Findings
from .estimates import SHAP, Trials, fewest_evaluations, trials
from .network import NetworkGames
from .rules import count_players
from .settings import Convergence

_FIRST_QUARTER = 4
"""The slope is taken before a quarter of all coalitions: near to all of them, errors fall faster than by chance."""


def check_budgets(settings: Convergence, players: int) -> None:
    """Check that every method has an answer with the smallest budget.

    Raises
    ------
    ConfigError
        If it has none.
    """
    most = max(players, settings.chance_players)
    fewest = fewest_evaluations(most)
    if min(settings.evaluations) < fewest:
        raise ConfigError(
            f"{min(settings.evaluations)} evaluations are too few for the Shapley values of {most} players.",
            f"Let shapley_game.convergence.evaluations begin at {fewest} or more.",
        )


def convergence_section(
    settings: Convergence, network: NetworkGames, chance: Floats, table: str, context: Context
) -> Findings:
    """Race the methods on the network's game and on a game of chance.

    Parameters
    ----------
    settings : Convergence
    network : NetworkGames
    chance : ndarray (2**K,)
        What coalitions of the second game are worth.
    table : str
        What the network was fitted to.
    context : Context
    """
    budgets = sorted(set(settings.evaluations))
    seeds = [int(s) % 2**31 for s in np.random.SeedSequence([context.seed, 3]).generate_state(settings.seeds)]
    framework, worth = next(iter(network.worth.items()))
    games = {"network": worth, "game of chance": chance}
    context.say(f"shapley_game: estimates of {len(games)} games with {len(budgets)} budgets and {len(seeds)} seeds")
    found = {name: trials(game, budgets, seeds) for name, game in games.items()}
    slopes = {
        name: {method: run.slope(len(games[name]) // _FIRST_QUARTER) for method, run in each.items()}
        for name, each in found.items()
    }
    for name, each in slopes.items():
        told = ", ".join(f"{method} {_slope(slope)}" for method, slope in each.items())
        context.say(f"shapley_game: {name}: slope of log error over log n: {told}")
    titles = [f"{name}, {count_players(game)} players" for name, game in games.items()]
    races = [
        Race(title, {method: Course(run.evaluations, run.errors) for method, run in each.items()}, len(games[name]) - 2)
        for title, (name, each) in zip(titles, found.items(), strict=True)
    ]
    figure = convergence_plot(races, "error relative to the exact values", "How estimates of Shapley values converge")
    picture = context.output.figure(figure, "shapley_game_convergence")
    caption = (
        f"Median over {len(seeds)} seeds; the shade goes from the least to the largest error. Coalitions are counted "
        "once each, nobody and everybody not at all."
    )
    rows = [
        Row([FigureItem(picture, "Error and evaluations", caption)]),
        Row([_trials_table(found, slopes)]),
        Row([_checks_table(network)]),
    ]
    largest = float(np.abs(worth).max())
    apart = {name: float(np.abs(other - worth).max() / largest) for name, other in network.worth.items()}
    frameworks = ", ".join(f"{name} {off:.1g}" for name, off in apart.items() if name != framework)
    text = (
        f"A small network was fitted to the table '{table}' ({network.score_name} {network.score:.3f} on held-out "
        f"rows). For row {settings.row} its {count_players(worth)} columns play, absent ones come from "
        f"{settings.background} other rows, and all {len(worth)} coalitions were run, so the exact values are known. "
        "The estimates look coalitions up. Sampling takes orders in pairs with their reverses; KernelSHAP takes "
        "coalitions in pairs with their complements, none twice; shap's KernelExplainer is the second opinion. In the "
        "game of chance each player has a worth of its own, and each coalition as much again by chance."
        + (f" Largest difference of the coalitions' worths from {framework}'s: {frameworks}." if frameworks else "")
    )
    numbers: dict[str, Any] = {
        "table": table,
        "row": settings.row,
        "output": network.output,
        "prediction": network.prediction,
        "network_score": {network.score_name: network.score},
        "frameworks_apart": apart,
        "methods_on_the_network": network.checks,
        "games": {
            name: {
                method: {
                    "evaluations": run.evaluations,
                    "median_error": np.median(run.errors, axis=1),
                    "least_error": run.errors.min(axis=1),
                    "largest_error": run.errors.max(axis=1),
                    "within_two_standard_errors": run.covered,
                    "slope": slopes[name][method],
                }
                for method, run in each.items()
            }
            for name, each in found.items()
        },
    }
    return [Section("Shapley values: exact, KernelSHAP and sampling", text, rows)], numbers


def _slope(slope: float | None) -> str:
    return "unknown" if slope is None else f"{slope:.2f}".replace("-", "−")


def _trials_table(
    found: Mapping[str, Mapping[str, Trials]], slopes: Mapping[str, Mapping[str, float | None]]
) -> TableItem:
    rows: list[Sequence[Any]] = []
    for name, each in found.items():
        for method, run in each.items():
            covered = None if method == SHAP else float(run.covered[-1])
            last = (int(run.evaluations[-1]), float(np.median(run.errors[-1])), float(run.errors[-1].max()))
            rows.append([name, method, *last, slopes[name][method], covered])
    columns = ["game", "method", "evaluations", "median error", "largest", "slope", "within 2 s.e."]
    caption = (
        "At the largest budget. Slope of log error over log evaluations up to a quarter of all coalitions; 1 / sqrt(n) "
        "has −0.5. Last column: share of values within two of the method's own standard errors; about 0.95 is honest."
    )
    return TableItem("Convergence", columns, rows, caption)


def _checks_table(network: NetworkGames) -> TableItem:
    rows = [
        [framework, method, check["network_runs"], check["coalitions"], f"{check['difference']:.1e}"]
        for framework, checks in network.checks.items()
        for method, check in checks.items()
    ]
    return TableItem(
        "The same methods on the network itself",
        ["framework", "method", "runs of the network", "coalitions", "largest difference"],
        rows,
        "twinlens.explain on the network, beside the same method on the table of worths with the same seed; difference "
        "relative to the largest value.",
    )
