"""Shapley values as a game: a band's takings, columns that a model is retrained without, a network's row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.report import Section
from ....methods.perturbation.exact_shapley import shapley_values
from ....methods.perturbation.shapley_game import Floats
from ..base import Context, Findings
from .axioms import chance_game
from .band import band_section
from .columns import columns_section
from .course import check_budgets, convergence_section
from .data import playing_table
from .fairness import axioms_section
from .network import network_rows, play_network
from .retrained import Draw, draw_repeats
from .settings import Convergence, Retrained, ShapleyGame
from .weights import weights_section
from .worth import MOST_PLAYERS

if TYPE_CHECKING:
    from ....datasets import Table
    from ...tables_split import Split

MOST_COLUMNS = 14
"""Of a network's row: all their coalitions are run."""


def run(settings: ShapleyGame, context: Context) -> Findings:
    """Play the games, and hold every way to their Shapley values against the exact one."""
    columns = None if settings.retrained is None else _columns(settings.retrained, context)
    network = None if settings.convergence is None else _network(settings.convergence, context)
    first, numbers = band_section(settings.game, context)
    found: dict[str, Any] = {"game": numbers}
    games: dict[str, list[Floats]] = {settings.game.title: [np.array(settings.game.table)]}
    sections: list[Section] = []
    if columns is not None and settings.retrained is not None:
        table, draws = columns
        (more, found["retrained"]), played = columns_section(settings.retrained, table, draws, context)
        games[f"{table.name}, retrained: score"] = list(played.score_worth)
        games[f"{table.name}, retrained: row {settings.retrained.row}"] = list(played.row_worth)
        sections += more
    if network is not None and settings.convergence is not None:
        table, parts = network
        more, found["convergence"], worth = _raced(settings.convergence, table, parts, context)
        games |= {f"network's row, {name}": [each] for name, each in worth.items()}
        sections += more
    axioms, found["axioms"] = axioms_section(settings.axioms, games, context)
    firsts = {name: group[0] for name, group in games.items()}
    weights, found["kernels"] = weights_section(settings.kernels, settings.game, firsts, context)
    arrays: dict[str, Any] = {"games": np.array(list(firsts))}
    for number, each in enumerate(firsts.values()):
        arrays |= {f"worth_{number}": each, f"values_{number}": shapley_values(each)}
    context.output.arrays(arrays, "shapley_game")
    return [*first, *axioms, *sections, *weights], found


def _columns(settings: Retrained, context: Context) -> tuple[Table, list[Draw]]:
    table = playing_table(settings.table, settings.rows, settings.features, MOST_PLAYERS, settings.row, context.seed)
    return table, draw_repeats(table, settings, context.seed)


def _network(settings: Convergence, context: Context) -> tuple[Table, Split]:
    table = playing_table(settings.table, settings.rows, settings.features, MOST_COLUMNS, settings.row, context.seed)
    check_budgets(settings, len(table.feature_names))
    return table, network_rows(table, context.seed)


def _raced(
    settings: Convergence, table: Table, parts: Split, context: Context
) -> tuple[list[Section], dict[str, Any], dict[str, Floats]]:
    context.say(f"shapley_game: a network on {table.name}, all coalitions of its columns")
    network = play_network(table, parts, settings, context)
    chance = chance_game(settings.chance_players, np.random.default_rng([context.seed, 4]))
    sections, numbers = convergence_section(settings, network, chance, table.name, context)
    return sections, numbers, network.worth
