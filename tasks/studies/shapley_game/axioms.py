"""Efficiency, symmetry, dummy and additivity: how far a way of sharing is from each, measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....methods.perturbation.function_games import every_coalition
from ....methods.perturbation.shapley_game import Floats
from .rules import Rule, count_players

AXIOMS = {
    "efficiency": "the values add up to what everybody is worth, less what nobody is",
    "symmetry": "a player and a copy of it get the same",
    "dummy": "a player who never changes anything gets nothing",
    "additivity": "the values of the sum of two games are the sums of their values",
}
HOLDS = 1e-9
"""Residuals up to this are rounding."""


def residuals(rule: Rule, worth: Floats, other: Floats) -> dict[str, float]:
    """How far a rule is from each axiom on a game, as shares of the range of what its coalitions are worth.

    Symmetry is judged on the games in which one player has a copy: whoever of the two comes first does all that both
    do. Dummy is judged on the game with one more player who changes nothing.

    Parameters
    ----------
    rule : callable
    worth : ndarray (2**K,)
        What coalitions are worth, in the order of their bits.
    other : ndarray (2**K,)
        A second game of the same players, for additivity.
    """
    players = count_players(worth)
    values = rule(worth)
    copies = [rule(with_copy(worth, player)) for player in range(players)]
    found = {
        "efficiency": values.sum() - (worth[-1] - worth[0]),
        "symmetry": np.array([each[player] - each[-1] for player, each in enumerate(copies)]),
        "dummy": rule(with_dummy(worth))[-1],
        "additivity": rule(worth + other) - values - rule(other),
    }
    scale = max(np.ptp(worth), np.ptp(other)) or 1.0
    return {axiom: float(np.abs(off).max() / scale) for axiom, off in found.items()}


def largest_residuals(rule: Rule, games: Sequence[Floats]) -> dict[str, float]:
    """The largest residuals over games of the same players, each beside the next one."""
    found = [residuals(rule, worth, games[(i + 1) % len(games)]) for i, worth in enumerate(games)]
    return {axiom: max(each[axiom] for each in found) for axiom in AXIOMS}


def with_copy(worth: Floats, player: int) -> Floats:
    """The game with one more player, the last, who can do just what `player` can."""
    places = np.arange(2 * len(worth))
    return worth[places % len(worth) | places // len(worth) << player]


def with_dummy(worth: Floats) -> Floats:
    """The game with one more player, the last, who changes nothing."""
    return np.concatenate([worth, worth])


def chance_game(players: int, rng: np.random.Generator) -> Floats:
    """A game in which each player has a worth of its own, and each coalition as much again by chance."""
    return every_coalition(players) @ rng.normal(size=players) + rng.normal(size=1 << players)


def random_games(count: int, players: int, rng: np.random.Generator) -> list[Floats]:
    """Games whose coalitions are worth independent normal numbers."""
    return list(rng.normal(size=(count, 1 << players)))
