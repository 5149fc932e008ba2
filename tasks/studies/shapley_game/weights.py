"""KernelSHAP is LIME with one kernel: shown by the kernels themselves and by the values that they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....figures.coalition_weights import coalition_weights
from ....figures.report import FigureItem, Row, Section, TableItem
from ....methods.perturbation.exact_shapley import shapley_values
from ....methods.perturbation.shapley_game import Floats
from ..base import Context, Findings
from .kernels import fitted_values, lime_kernel, shapley_kernel
from .rules import count_players
from .settings import Game, Kernels

_SHAPLEY = "KernelSHAP's weights"


def weights_section(settings: Kernels, game: Game, games: Mapping[str, Floats], context: Context) -> Findings:
    """Fit lines to all coalitions with KernelSHAP's weights and with LIME's.

    Parameters
    ----------
    settings : Kernels
    game : Game
        The written game, whose values are listed one by one.
    games : mapping of str to ndarray (2**K,)
        Games to fit, by name.
    context : Context
    """
    kernels = _kernels(settings, settings.players)
    figure = coalition_weights(kernels, f"What a coalition of {settings.players} players weighs in the regression")
    picture = context.output.figure(figure, "shapley_game_kernels")
    fits = {name: _fits(worth, settings) for name, worth in games.items()}
    exact = {name: shapley_values(worth) for name, worth in games.items()}
    off = {
        name: {
            kind: float(np.abs(values - exact[name]).max() / (np.abs(exact[name]).max() or 1.0))
            for kind, values in each.items()
        }
        for name, each in fits.items()
    }
    gap = {
        name: {kind: float(values.sum() - (worth[-1] - worth[0])) for kind, values in fits[name].items()}
        for name, worth in games.items()
    }
    worst = max(each[_SHAPLEY] for each in off.values())
    nearest = min(value for each in off.values() for kind, value in each.items() if kind != _SHAPLEY)
    context.say(
        f"shapley_game: the regression with KernelSHAP's weights misses the Shapley values by {worst:.1g}, with "
        f"LIME's by {nearest:.1%} or more"
    )
    written = np.array(game.table)
    kinds = list(next(iter(fits.values())))
    rows = [
        Row(
            [
                FigureItem(
                    picture,
                    "Two kernels",
                    "Nobody and everybody weigh infinitely much in KernelSHAP: the line has to meet both.",
                )
            ]
        )
    ]
    rows.append(Row([_values_table(game, written, settings), _differences_table(off, gap, kinds)]))
    text = (
        "LIME fits a line to what coalitions are worth and lets those near to everybody count more, by the cosine "
        "distance and an exponential kernel. KernelSHAP fits the same line with the weights "
        "(n − 1) / (C(n, s) s (n − s)): the smallest and the largest coalitions count most. With these weights, all "
        "coalitions and no penalty, the slopes are the Shapley values; with LIME's they are not, even where the line "
        "is made to meet nobody and everybody."
    )
    numbers: dict[str, Any] = {
        "weights": {name: weights for name, weights in kernels.items()},
        "relative_difference": off,
        "efficiency_gap": gap,
        "written_game": {kind: values for kind, values in _fits(written, settings).items()},
    }
    return [Section("Shapley values: KernelSHAP's weights as LIME's kernel", text, rows)], numbers


def _kernels(settings: Kernels, players: int) -> dict[str, Floats]:
    found = {_SHAPLEY: shapley_kernel(players)}
    return found | {f"LIME's, width {width:g}": lime_kernel(players, width) for width in settings.widths}


def _fits(worth: Floats, settings: Kernels) -> dict[str, Floats]:
    players = count_players(worth)
    kernels = _kernels(settings, players)
    meeting = lime_kernel(players, settings.widths[0])
    meeting[[0, -1]] = np.inf
    kernels[f"LIME's, width {settings.widths[0]:g}, made to add up"] = meeting
    return {name: fitted_values(worth, weights) for name, weights in kernels.items()}


def _values_table(game: Game, worth: Floats, settings: Kernels) -> TableItem:
    columns = {"Shapley value": shapley_values(worth)} | _fits(worth, settings)
    rows: list[list[Any]] = [
        [name, *(f"{values[i]:.6g}" for values in columns.values())] for i, name in enumerate(game.players)
    ]
    rows.append(["sum", *(f"{values.sum():.6g}" for values in columns.values())])
    return TableItem(f"{game.title}: slopes of the line", ["player", *columns], rows)


def _differences_table(
    off: Mapping[str, Mapping[str, float]], gap: Mapping[str, Mapping[str, float]], kinds: Sequence[str]
) -> TableItem:
    rows = [[name, kind, f"{off[name][kind]:.1e}", f"{gap[name][kind]:.1e}"] for name in off for kind in kinds]
    return TableItem(
        "How far the slopes are from the Shapley values",
        ["game", "weights", "largest difference", "sum − what there is to share"],
        rows,
        "Difference relative to the largest Shapley value.",
    )
