"""The game that is written down: its lattice, every marginal contribution, every order, and what follows."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ....figures.lattice import MOST, coalition_lattice
from ....figures.report import FigureItem, Row, Section, TableItem
from ....methods.perturbation.exact_shapley import shapley_values
from ....methods.perturbation.shapley_game import Floats
from ..base import Context, Findings
from .rules import (
    alone,
    banzhaf_values,
    contributions,
    joining_last,
    over_all_orders,
    owen_values,
)
from .settings import Game
from .worth import by_size, coalition_name

_EXACT = 2**53
_LISTED = 4
"""Up to so many players, the report lists every contribution and every order."""


def band_section(game: Game, context: Context) -> Findings:
    """Share out what a written game is worth, in every way that leads to Shapley values."""
    worth, players = np.array(game.table), game.players
    values = shapley_values(worth)
    orders, added = over_all_orders(worth)
    difference = float(np.abs(values - added.mean(axis=0)).max())
    residual = float(values.sum() - (worth[-1] - worth[0]))
    others = {
        "Banzhaf": banzhaf_values(worth),
        "Owen": owen_values(worth, game.partition),
        "alone": alone(worth),
        "joining last": joining_last(worth),
    }
    unit = f" {game.unit}" if game.unit else ""
    shares = ", ".join(f"{name} {value:.6g}" for name, value in zip(players, values, strict=True))
    context.say(f"shapley_game: {game.title}: {shares}{unit}; the mean over all orders differs by {difference:.1g}")

    rows = [Row([_values_table(game, values, others), _weights_table(len(players))])]
    if len(players) <= MOST:
        picture = context.output.figure(
            coalition_lattice(players, worth, f"{game.title}: what every coalition is worth", game.unit),
            "shapley_game_lattice",
        )
        caption = "A box per coalition; a line per joining, in the colour of who joins, with what that adds."
        rows.insert(0, Row([FigureItem(picture, "All coalitions", caption)]))
    if len(players) <= _LISTED:
        rows.append(Row([_contributions_table(game, worth), _orders_table(game, orders, added)]))
    text = (
        f"{len(players)} players, {len(worth)} coalitions. A player's Shapley value is the mean of what it adds to the "
        "coalitions of the others, weighted so that every size counts the same: the mean over all orders in which the "
        f"players can join. Both ways differ by {difference:.1g} at most; the values add up to what everybody is worth "
        f"less what nobody is, {worth[-1] - worth[0]:g}{unit}, up to {abs(residual):.1g}."
    )
    numbers: dict[str, Any] = {
        "title": game.title,
        "unit": game.unit,
        "worth": {coalition_name(place, players): float(worth[place]) for place in by_size(len(players))},
        "shapley": _named(players, values),
        "mean_over_orders": _named(players, added.mean(axis=0)),
        "difference_from_orders": difference,
        "efficiency_residual": residual,
        **{name.replace(" ", "_").lower(): _named(players, each) for name, each in others.items()},
    }
    return [Section(f"Shapley values: {game.title}", text, rows)], numbers


def _whole(number: float) -> float | int:
    """A whole number as one, so that a table shows all its digits."""
    return int(number) if float(number).is_integer() and abs(number) < _EXACT else float(number)


def _named(players: list[str], values: Floats) -> dict[str, float]:
    return dict(zip(players, values.tolist(), strict=True))


def _values_table(game: Game, values: Floats, others: dict[str, Floats]) -> TableItem:
    total = values.sum()
    columns = ["player", "Shapley value", "share, %", *others]
    every = [values, 100 * values / total if total else np.full(len(values), np.nan), *others.values()]
    rows = [[name, *(_whole(column[i]) for column in every)] for i, name in enumerate(game.players)]
    rows.append(["all", *(_whole(column.sum()) for column in every)])
    unions = " and ".join(f"{{{', '.join(union)}}}" for union in game.unions)
    together = f"; Owen: the members of {unions} join one after the other" if unions else ""
    caption = (
        "Banzhaf: every coalition counts the same; alone: what a player adds to nobody; joining last: what is lost "
        f"without it{together}. Only Shapley and Owen values always add up."
    )
    return TableItem("What everybody gets", columns, rows, caption)


def _weights_table(players: int) -> TableItem:
    rows: list[list[Any]] = []
    for size in range(players):
        weight = Fraction(1, players * math.comb(players - 1, size))
        lines = players * math.comb(players - 1, size)
        rows.append([size, str(weight), lines, str(lines * weight)])
    return TableItem(
        "Weights of a marginal contribution",
        ["players that are there already", "weight", "lines of the lattice", "sum of their weights"],
        rows,
        "Weight: |S|! (n − |S| − 1)! / n! for a player who joins the coalition S of n players' game.",
    )


def _contributions_table(game: Game, worth: Floats) -> TableItem:
    count = len(game.players)
    every = contributions(worth)
    rows: list[list[Any]] = []
    for player, name in enumerate(game.players):
        total = 0.0
        without = [place for place in range(len(worth)) if not place >> player & 1]
        added = dict(zip(without, every[player].tolist(), strict=True))
        for place in (place for place in by_size(count) if place in added):
            weight = Fraction(1, count * math.comb(count - 1, place.bit_count()))
            total += added[place] * float(weight)
            shown = (worth[place], worth[place | 1 << player], added[place])
            weighted = _whole(added[place] * float(weight))
            rows.append([name, coalition_name(place, game.players), *map(_whole, shown), str(weight), weighted])
        rows.append([f"{name}: sum", "", None, None, None, "1", _whole(total)])
    columns = ["player", "joins", "worth before", "worth after", "contribution", "weight", "weighted"]
    return TableItem("Marginal contributions", columns, rows)


def _orders_table(game: Game, orders: np.ndarray, added: Floats) -> TableItem:
    rows = [
        [", ".join(game.players[j] for j in order), *map(_whole, each)]
        for order, each in zip(orders, added, strict=True)
    ]
    rows.append(["mean", *map(_whole, added.mean(axis=0))])
    return TableItem("What each player adds, order by order", ["order of joining", *game.players], rows)
