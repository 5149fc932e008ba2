"""Owen values: all orders that keep halves together, and what the shap package makes of the same hierarchy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from twinlens.methods.perturbation.function_games import exact_game
from twinlens.methods.perturbation.owen import owen_values
from twinlens.methods.players import Bools
from twinlens.methods.randomness import global_numpy_seed

ENOUGH = 10**6


class Game:
    """T games of K players at once: random tables of what coalitions are worth."""

    def __init__(self, players: int, games: int = 3, seed: int = 0) -> None:
        self.players, self.seen = players, 0
        self.table = np.random.default_rng(seed).normal(size=(1 << players, games))

    def __call__(self, present: Bools) -> np.ndarray:
        self.seen += len(present)
        return self.table[present @ (1 << np.arange(self.players))]


def orders(first: int, end: int) -> Iterator[list[int]]:
    """Every order of a row of players in which each half of a group comes as one."""
    if end - first == 1:
        yield [first]
        return
    middle = (first + end + 1) // 2
    for left in orders(first, middle):
        for right in orders(middle, end):
            yield left + right
            yield right + left


def by_orders(game: Game) -> np.ndarray:
    values, count = np.zeros((game.players, game.table.shape[1])), 0
    for order in orders(0, game.players):
        count += 1
        present = np.zeros(game.players, bool)
        for player in order:
            before = game(present[None])[0]
            present[player] = True
            values[player] += game(present[None])[0] - before
    return values / count


@pytest.mark.parametrize("players", [1, 2, 3, 5, 6])
def test_they_are_the_mean_over_all_orders_of_the_hierarchy(players: int) -> None:
    game = Game(players)
    values, undivided = owen_values(game, players, ENOUGH)
    np.testing.assert_allclose(values, by_orders(game), rtol=1e-10, atol=1e-12)
    assert not undivided.any()


def test_of_two_players_they_are_shapley_values() -> None:
    game = Game(2)
    values, _ = owen_values(game, 2, ENOUGH)
    for one in range(3):
        table = game.table[:, one]
        expected = exact_game(lambda present, table=table: table[present @ np.array([1, 2])], 2).values
        np.testing.assert_allclose(values[:, one], expected, rtol=1e-12)


@pytest.mark.parametrize("allowed", [1, 2, 5, 20, 41, ENOUGH])
def test_they_add_up_and_keep_to_what_they_may_spend(allowed: int) -> None:
    game = Game(8)
    values, undivided = owen_values(game, 8, allowed)
    np.testing.assert_allclose(values.sum(axis=0), game.table[-1] - game.table[0], rtol=1e-10)
    assert game.seen <= allowed + 2
    assert bool(undivided.any()) == (allowed < ENOUGH)


def test_what_is_not_divided_is_shared_equally() -> None:
    game = Game(8)
    values, undivided = owen_values(game, 8, 1)
    whole = game.table[-1] - game.table[0]
    np.testing.assert_allclose(values, np.tile(whole / 8, (8, 1)))
    np.testing.assert_allclose(undivided, np.abs(whole))


def test_shap_finds_the_same_in_the_same_hierarchy() -> None:
    shap = pytest.importorskip("shap", reason="shap is the second opinion")
    game = Game(8, games=2)
    halves = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]]
    sizes = [2, 2, 2, 2, 4, 4, 8]

    class Masker:
        shape = (1, 8)
        clustering = np.array([[*pair, 1.0, size] for pair, size in zip(halves, sizes, strict=True)])

        def __call__(self, mask: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
            return (mask[None],)

    with global_numpy_seed(0):
        explainer = shap.PartitionExplainer(lambda present: game(np.asarray(present, bool)), Masker())
        found = explainer(np.ones((1, 8)), max_evals=2000, silent=True).values[0]
    np.testing.assert_allclose(found, owen_values(game, 8, ENOUGH)[0], rtol=1e-8, atol=1e-10)
