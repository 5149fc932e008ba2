"""The game of one row of a table for a network: its columns play, absent ones come from other rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import DataError
from ....methods import explain
from ....methods.perturbation.function_games import (
    GameValues,
    every_coalition,
    exact_game,
    kernel_game,
    marginal_game,
    sampled_game,
    table_game,
)
from ....methods.perturbation.shapley_game import Floats
from ....models.table_network import TableNetwork, fit_table_networks
from ..base import Context
from ..table_choice import hold_out
from .settings import Convergence

if TYPE_CHECKING:
    from ....datasets import Table
    from ...tables_split import Split

_HELD_OUT = 0.2
_SAMPLES = {"kernelshap": 200, "shapley_sampling": 20}


@dataclass(frozen=True, eq=False)
class NetworkGames:
    """The same network's game on every framework.

    Attributes
    ----------
    output : str
        What is explained.
    score_name : str
    score : float
        R² or accuracy of the network on held-out rows.
    prediction : float
        For the row.
    worth : dict of str to ndarray (2**K,)
        What coalitions are worth, by framework.
    checks : dict
        By framework and method of the package: how far what it says of the network is from what the same method says
        of the table of worths, relative to the largest value; and how many evaluations it took for each.
    """

    output: str
    score_name: str
    score: float
    prediction: float
    worth: dict[str, Floats]
    checks: dict[str, dict[str, dict[str, Any]]]


def network_rows(table: Table, seed: int) -> Split:
    """Hold out rows for the network, whose columns have to hold numbers.

    Raises
    ------
    DataError, ConfigError
        If a column holds categories, or the rows cannot be held out.
    """
    if table.categories:
        name = table.feature_names[min(table.categories)]
        raise DataError(
            f"The column '{name}' of the table '{table.name}' holds categories, which the network cannot read.",
            f"Leave it out: table: {{name: ..., without: [{name}]}}.",
        )
    return hold_out(table, _HELD_OUT, seed)


def play_network(table: Table, parts: Split, settings: Convergence, context: Context) -> NetworkGames:
    """Fit a network to a table, and evaluate every coalition of a row's columns on every framework."""
    networks = fit_table_networks(
        table.data[parts.train],
        table.target[parts.train],
        context.backends,
        class_names=table.class_names,
        seed=context.seed,
        device=context.device,
        # In double precision, what is left between the frameworks and between methods is rounding.
        dtype="float64",
    )
    rng = np.random.default_rng([context.seed, 2])
    background = table.data[rng.choice(parts.train, min(settings.background, len(parts.train)), replace=False)]
    row = table.data[settings.row]
    first = next(iter(networks.values()))
    target = int(first.model.forward(row[None])[0].argmax())
    worth, checks = {}, {}
    for name, network in networks.items():
        predict = _explained(network, target)
        worth[name] = marginal_game(predict, row, background)(every_coalition(len(row)))
        checks[name] = _checked(network, row, target, background, worth[name], context.seed)
    answers, truth = first.predict(table.data[parts.test]), table.target[parts.test]
    output = f"logit of {table.class_names[target]}" if table.class_names else table.target_name or "predicted value"
    return NetworkGames(
        output,
        "accuracy" if table.class_names else "R²",
        float((answers == truth).mean() if table.class_names else 1 - ((answers - truth) ** 2).mean() / truth.var()),
        float(_explained(first, target)(row[None])[0]),
        worth,
        checks,
    )


def _explained(network: TableNetwork, target: int) -> Any:
    return lambda rows: network.model.forward(rows)[:, target]


def _checked(
    network: TableNetwork, row: Floats, target: int, background: Floats, worth: Floats, seed: int
) -> dict[str, dict[str, Any]]:
    """Hold the package's methods on the network against the same methods on the table of worths."""
    game, players = table_game(worth), len(row)
    twins: dict[str, GameValues] = {
        "exact_shapley": exact_game(game, players),
        "kernelshap": kernel_game(game, players, _SAMPLES["kernelshap"], seed),
        "shapley_sampling": sampled_game(game, players, _SAMPLES["shapley_sampling"], seed),
    }
    found = {}
    for method, twin in twins.items():
        options = {} if method == "exact_shapley" else {"samples": _SAMPLES[method]}
        said = explain(network.model, row[None], method, target, background=background, seed=seed, **options)
        off = float(np.abs(said.values[0] - twin.values).max()) / (float(np.abs(twin.values).max()) or 1.0)
        found[method] = {
            "difference": off,
            "coalitions": twin.evaluations,
            "network_runs": said.evaluations,
        }
    return found
