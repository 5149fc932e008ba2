"""The band's values to the last digit, axioms that fail where they should, and the kernel that makes LIME Shapley."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinlens.methods.perturbation.exact_shapley import shapley_values
from twinlens.tasks.studies.shapley_game.axioms import (
    AXIOMS,
    HOLDS,
    chance_game,
    largest_residuals,
    random_games,
    residuals,
    with_copy,
    with_dummy,
)
from twinlens.tasks.studies.shapley_game.kernels import fitted_values, lime_kernel, shapley_kernel
from twinlens.tasks.studies.shapley_game.rules import (
    RULES,
    SHAPLEY,
    alone,
    banzhaf_values,
    contributions,
    in_listed_order,
    joining_last,
    over_all_orders,
    owen_values,
)
from twinlens.tasks.studies.shapley_game.settings import STREET_BAND
from twinlens.tasks.studies.shapley_game.worth import by_size, coalition_name, worth_table

BAND = np.array(STREET_BAND.table)
D, G, S = 1, 2, 4


def in_fractions(worth: list[int]) -> list[Fraction]:
    """The definition, without rounding: the weighted sum over coalitions."""
    players = len(worth).bit_length() - 1
    values = []
    for player in range(players):
        total = Fraction(0)
        for size in range(players):
            weight = Fraction(math.factorial(size) * math.factorial(players - size - 1), math.factorial(players))
            for members in combinations([j for j in range(players) if j != player], size):
                place = sum(1 << j for j in members)
                total += weight * (worth[place | 1 << player] - worth[place])
        values.append(total)
    return values


def by_orders(worth: list[int], orders: list[tuple[int, ...]]) -> list[Fraction]:
    """The mean of what each player adds over some orders, without rounding."""
    players = len(worth).bit_length() - 1
    values = [Fraction(0)] * players
    for order in orders:
        place = 0
        for player in order:
            values[player] += worth[place | 1 << player] - worth[place]
            place |= 1 << player
    return [value / len(orders) for value in values]


# Whole numbers: fractions tell the exact values.
GAMES = st.integers(1, 6).flatmap(
    lambda players: st.lists(st.integers(-(10**6), 10**6), min_size=1 << players, max_size=1 << players)
)
seldom = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def test_the_band_shares_its_takings_to_the_last_digit() -> None:
    exact = in_fractions([int(worth) for worth in BAND])
    assert exact == [4450, 5350, 5200]
    np.testing.assert_allclose(shapley_values(BAND), [4450, 5350, 5200], rtol=0, atol=1e-9)


def test_the_bands_numbers_are_those_that_the_lecture_gives() -> None:
    assert BAND[0] == 0
    assert BAND[D] - BAND[0] == 4000
    assert BAND[G] == 4800
    assert BAND[G | S] == 9500
    assert BAND[G | S] - BAND[G] == 4700


def test_the_drums_add_what_can_be_read_off_the_lattice() -> None:
    np.testing.assert_array_equal(contributions(BAND)[0], [4000, 4200, 3500, 5500])
    by_hand = Fraction(1, 3) * (4000 + 5500) + Fraction(1, 6) * (4200 + 3500)
    assert by_hand == 4450


def test_the_orders_of_the_band_are_all_there() -> None:
    orders, added = over_all_orders(BAND)
    assert {tuple(order) for order in orders.tolist()} == set(permutations(range(3)))
    for order, each in zip(orders.tolist(), added.tolist(), strict=True):
        assert [Fraction(value) for value in each] == by_orders([int(worth) for worth in BAND], [tuple(order)])
    np.testing.assert_allclose(added.sum(axis=1), 15000)


@seldom
@given(worth=GAMES)
def test_the_values_are_the_definitions_to_1e_9(worth: list[int]) -> None:
    players = len(worth).bit_length() - 1
    scale = max(1, max(map(abs, worth)))
    exact = [float(value) for value in in_fractions(worth)]
    floats = np.array(worth, dtype=np.float64)
    np.testing.assert_allclose(shapley_values(floats) / scale, np.array(exact) / scale, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        over_all_orders(floats)[1].mean(axis=0) / scale, np.array(exact) / scale, rtol=0, atol=1e-9
    )
    if players <= 5:
        every = by_orders(worth, list(permutations(range(players))))
        assert every == in_fractions(worth)


@seldom
@given(worth=GAMES.filter(lambda worth: len(worth) >= 4))
def test_a_regression_with_the_shapley_kernel_gives_the_values(worth: list[int]) -> None:
    floats = np.array(worth, dtype=np.float64)
    players = len(worth).bit_length() - 1
    scale = np.ptp(floats) or 1.0
    found = fitted_values(floats, shapley_kernel(players))
    np.testing.assert_allclose(found / scale, shapley_values(floats) / scale, rtol=0, atol=1e-9)


@pytest.mark.parametrize("players", [3, 5, 8])
def test_limes_kernel_gives_other_values_unless_the_game_is_a_sum(players: int) -> None:
    rng = np.random.default_rng(players)
    chance, added = chance_game(players, rng), rng.normal(size=players)
    places = (np.arange(1 << players)[:, None] >> np.arange(players)) & 1
    for width in (0.25, 0.75):
        kernel = lime_kernel(players, width)
        assert np.abs(fitted_values(chance, kernel) - shapley_values(chance)).max() > 0.01
        np.testing.assert_allclose(fitted_values(places @ added + 3, kernel), added, atol=1e-6)


def test_a_line_with_limes_kernel_is_scikit_learns() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    worth = random_games(1, 5, np.random.default_rng(0))[0]
    rows = (np.arange(32)[:, None] >> np.arange(5)) & 1
    kernel = lime_kernel(5, 0.25)
    peer = linear_model.LinearRegression().fit(rows, worth, sample_weight=kernel[rows.sum(axis=1)])
    np.testing.assert_allclose(fitted_values(worth, kernel), peer.coef_, atol=1e-9)


def test_the_kernels_are_the_papers() -> None:
    np.testing.assert_allclose(shapley_kernel(4)[1:-1], [3 / (4 * 3), 3 / (6 * 4), 3 / (4 * 3)])
    assert np.isinf(shapley_kernel(4)[[0, -1]]).all()
    # The lime package weighs with the square root of exp(-d² / width²), d the cosine distance from the row of ones.
    rows = np.tril(np.ones((5, 4)), -1)
    similarity = rows.sum(axis=1) / np.maximum(np.linalg.norm(rows, axis=1), 1e-12) / 2
    np.testing.assert_allclose(lime_kernel(4, 0.25), np.sqrt(np.exp(-((1 - similarity) ** 2) / 0.25**2)))


BREAKS = {
    SHAPLEY: None,
    "Banzhaf index": "efficiency",
    "Banzhaf index, scaled to add up": "additivity",
    "joining in the listed order": "symmetry",
    "equal shares": "dummy",
    "each alone": "efficiency",
    "each joining last": "efficiency",
}


@pytest.mark.parametrize("rule", BREAKS)
@pytest.mark.parametrize("players", [3, 5])
def test_each_rule_breaks_the_axiom_that_it_is_known_for_and_no_other(rule: str, players: int) -> None:
    found = largest_residuals(RULES[rule], random_games(10, players, np.random.default_rng(players)))
    assert [axiom for axiom in AXIOMS if found[axiom] > HOLDS] == ([BREAKS[rule]] if BREAKS[rule] else [])
    assert all(value < 1e-12 or value > 1e-3 for value in found.values())


@pytest.mark.parametrize(
    ("wrong", "axiom"),
    [
        (lambda values, worth: values + np.eye(len(values))[0] * 1e-6 * np.ptp(worth), "efficiency"),
        (lambda values, worth: values + 1e-6 * np.ptp(worth) * np.linspace(-1, 1, len(values)), "symmetry"),
        (lambda values, worth: 0.999999 * values + 1e-6 * values.mean(), "dummy"),
        (lambda values, worth: values * (1 + 1e-6 * np.tanh(worth[1])), "additivity"),
    ],
    ids=AXIOMS,
)
def test_a_planted_error_of_a_millionth_is_found(wrong, axiom: str) -> None:
    games = random_games(5, 4, np.random.default_rng(1))
    right = largest_residuals(shapley_values, games)
    assert max(right.values()) < 1e-12
    found = largest_residuals(lambda worth: wrong(shapley_values(worth), worth), games)
    assert found[axiom] > HOLDS


def test_residuals_of_the_band_vanish() -> None:
    second = np.random.default_rng(0).permutation(BAND)
    assert max(residuals(shapley_values, BAND, second).values()) < 1e-12


def test_a_copy_does_what_the_player_does_and_a_dummy_nothing() -> None:
    copied, idle = with_copy(BAND, 1), with_dummy(BAND)
    for place in range(16):
        original = place & 7 | (G if place & 8 else 0)
        assert copied[place] == BAND[original]
        assert idle[place] == BAND[place & 7]
    values = shapley_values(copied)
    assert values[1] == pytest.approx(values[3])


def test_a_constant_game_shares_out_nothing() -> None:
    found = residuals(shapley_values, np.full(8, 3.0), np.full(8, 1.0))
    assert found == dict.fromkeys(AXIOMS, 0.0)


def test_other_rules_are_their_definitions() -> None:
    worth = random_games(1, 4, np.random.default_rng(2))[0]
    for player in range(4):
        bit = 1 << player
        others = [place for place in range(16) if not place & bit]
        added = [worth[place | bit] - worth[place] for place in others]
        assert banzhaf_values(worth)[player] == pytest.approx(np.mean(added))
        assert alone(worth)[player] == pytest.approx(added[0])
        assert joining_last(worth)[player] == pytest.approx(added[-1])
    assert in_listed_order(worth)[2] == pytest.approx(worth[0b0111] - worth[0b0011])


@pytest.mark.parametrize(
    "unions", [[[0], [1], [2], [3]], [[0, 1, 2, 3]], [[0, 1], [2, 3]], [[2], [3, 0, 1]], [[0, 3], [1], [2]]]
)
def test_owen_values_are_the_mean_over_orders_that_keep_unions_together(unions: list[list[int]]) -> None:
    worth = np.random.default_rng(3).integers(-50, 50, 16)

    def together(order: tuple[int, ...]) -> bool:
        places = {player: place for place, player in enumerate(order)}
        spans = [[places[player] for player in union] for union in unions]
        return all(max(span) - min(span) == len(span) - 1 for span in spans)

    orders = [order for order in permutations(range(4)) if together(order)]
    expected = [float(value) for value in by_orders(worth.tolist(), orders)]
    np.testing.assert_allclose(owen_values(worth.astype(float), unions), expected, atol=1e-12)


def test_coalitions_are_written_in_any_order_and_named_in_the_players() -> None:
    players = ["a", "b", "c"]
    written = {"": 0, "c": 1, "b": 2, "a": 3, "c a": 4, "b  a": 5, "b c": 6, "c b a": 7}
    assert worth_table(players, written) == [0, 3, 2, 5, 1, 4, 6, 7]
    assert [coalition_name(place, players) for place in by_size(3)] == [
        *("nobody", "a", "b", "c", "a + b", "a + c", "b + c", "a + b + c")
    ]
