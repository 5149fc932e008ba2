"""Games that are plain functions: the same estimators as on networks, held against definitions and closed forms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.errors import MethodError
from twinlens.methods.perturbation.function_games import (
    every_coalition,
    exact_game,
    kernel_game,
    marginal_game,
    sampled_game,
    table_game,
)

from .shapley_oracle import by_permutations, marginal, mixing_net, table


def game(players: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=1 << players)


def test_every_coalition_is_listed_by_its_bits() -> None:
    present = every_coalition(3)
    assert {tuple(row) for row in present.tolist()} == set(product([False, True], repeat=3))
    np.testing.assert_array_equal(present @ [1, 2, 4], range(8))
    assert present[5].tolist() == [True, False, True]


@pytest.mark.parametrize("players", [0, 21])
def test_a_game_that_cannot_be_listed_is_an_error(players: int) -> None:
    with pytest.raises(MethodError, match=f"{players} players"):
        every_coalition(players)


def test_a_table_is_looked_up_by_coalition() -> None:
    worth = game(4)
    present = every_coalition(4)[[3, 0, 15, 3]]
    np.testing.assert_array_equal(table_game(worth)(present), worth[[3, 0, 15, 3]])


@pytest.mark.parametrize("players", [1, 2, 3, 6])
def test_exact_values_are_the_mean_over_all_orders(players: int) -> None:
    worth = game(players)
    found = exact_game(table_game(worth), players)
    bits = 1 << np.arange(players)
    np.testing.assert_allclose(found.values, by_permutations(lambda s: worth[s @ bits], players), atol=1e-12)
    assert found.evaluations == 2**players - 2
    assert not found.errors.any()


@pytest.mark.parametrize("players", [1, 2, 3, 6, 9])
def test_a_regression_on_all_coalitions_is_exact(players: int) -> None:
    worth = table_game(game(players))
    found = kernel_game(worth, players, 1 << players)
    np.testing.assert_allclose(found.values, exact_game(worth, players).values, atol=1e-12)
    assert found.evaluations == 2**players - 2
    assert not found.errors.any()


@pytest.mark.parametrize("estimate", [kernel_game, sampled_game])
def test_estimates_add_up_at_any_number_of_samples(estimate) -> None:
    worth = game(7)
    for samples in (14, 30, 61):
        found = estimate(table_game(worth), 7, samples, seed=3)
        assert found.values.sum() == pytest.approx(worth[-1] - worth[0], abs=1e-12)


@pytest.mark.parametrize(("estimate", "samples"), [(kernel_game, 100), (sampled_game, 30)])
def test_estimates_are_unbiased_and_know_their_error(estimate, samples: int) -> None:
    worth = table_game(game(8))
    exact = exact_game(worth, 8).values
    runs = [estimate(worth, 8, samples, seed) for seed in range(60)]
    off = np.array([run.values - exact for run in runs])
    errors = np.array([run.errors for run in runs])
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / 60**0.5).all()
    assert 0.7 < np.sqrt((errors**2).mean() / (off**2).mean()) < 1.4


def test_samples_are_counted_as_different_coalitions_and_never_exceed_what_exists() -> None:
    asked: list[np.ndarray] = []

    def counting(present: np.ndarray) -> np.ndarray:
        asked.append(present)
        return present.sum(axis=1).astype(float)

    found = sampled_game(counting, 4, 200)
    assert found.evaluations == 2**4 - 2
    assert len(np.unique(np.concatenate(asked), axis=0)) == sum(map(len, asked)) == 2**4
    np.testing.assert_allclose(found.values, 1)


@pytest.mark.parametrize("samples", [0, 5, 2.5])
def test_a_regression_without_a_solution_is_refused(samples: float) -> None:
    with pytest.raises(MethodError, match="samples="):
        kernel_game(table_game(game(5)), 5, samples)  # type: ignore[arg-type]


def test_the_seed_decides() -> None:
    worth = table_game(game(8))
    for estimate in (kernel_game, sampled_game):
        first, again, other = (estimate(worth, 8, 40, seed).values for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, other)


def test_a_marginal_game_takes_absent_columns_from_the_background(rng: np.random.Generator) -> None:
    row, background = rng.normal(size=4), rng.normal(size=(3, 4))
    worth = marginal_game(lambda rows: np.prod(rows, axis=1), row, background)
    for present in every_coalition(4):
        expected = np.mean([np.prod([row[j] if present[j] else other[j] for j in range(4)]) for other in background])
        assert worth(present[None])[0] == pytest.approx(expected)


def test_a_marginal_game_is_the_same_in_parts(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    row, background = rng.normal(size=4), rng.normal(size=(3, 4))
    worth = marginal_game(lambda rows: (rows**2).sum(axis=1), row, background)(every_coalition(4))
    monkeypatch.setattr("twinlens.methods.perturbation.function_games._AT_ONCE", 7)
    parts = marginal_game(lambda rows: (rows**2).sum(axis=1), row, background)(every_coalition(4))
    np.testing.assert_array_equal(parts, worth)


@pytest.mark.parametrize(
    ("method", "estimate", "samples"),
    [("exact_shapley", None, None), ("kernelshap", kernel_game, 24), ("shapley_sampling", sampled_game, 6)],
)
def test_a_network_and_the_function_that_it_is_get_the_same_values(
    backend: Backend, method: str, estimate, samples: int | None
) -> None:
    model, x, rows = mixing_net(backend, 6), table(1, 6), table(3, 6, seed=2)
    options = {} if samples is None else {"samples": samples, "seed": 5}
    said = tl.explain(model, x, method, 1, background=rows, **options)
    one = marginal(model, x[0], rows, 1)

    def worth(present: np.ndarray) -> np.ndarray:
        return np.array([one(each) for each in present])

    found = exact_game(worth, 6) if estimate is None else estimate(worth, 6, samples, seed=5)
    np.testing.assert_allclose(found.values, said.values[0], rtol=1e-9, atol=1e-12)
    assert said.evaluations == found.evaluations * len(rows)
    if samples is not None:
        np.testing.assert_allclose(found.errors, said.extras["standard_error"][0], rtol=1e-7)
