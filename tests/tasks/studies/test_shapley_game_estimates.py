"""Convergence: errors that fall as they should, honest standard errors, and no trace in the global random state."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.methods.perturbation.function_games import every_coalition
from twinlens.tasks.studies.shapley_game.axioms import chance_game
from twinlens.tasks.studies.shapley_game.estimates import KERNEL, SAMPLING, SHAP, Trials, fewest_evaluations, trials

from ...random_states import random_states

pytest.importorskip("shap")
PLAYERS = 10


@pytest.fixture(scope="module")
def found() -> dict[str, Trials]:
    worth = chance_game(PLAYERS, np.random.default_rng(0))
    return trials(worth, [20, 40, 80, 160, 240], range(12))


def test_every_method_has_an_error_for_every_budget_and_seed(found: dict[str, Trials]) -> None:
    assert set(found) == {SAMPLING, KERNEL, SHAP}
    for run in found.values():
        assert run.errors.shape == (5, 12)
        assert (run.errors > 0).all()
        assert (np.diff(run.evaluations) > 0).all()
        assert (run.evaluations <= [20, 40, 80, 160, 240]).all()


@pytest.mark.parametrize("method", [SAMPLING, KERNEL, SHAP])
def test_errors_fall_at_least_about_as_one_over_the_square_root(found: dict[str, Trials], method: str) -> None:
    slope = found[method].slope(256)
    assert slope is not None
    assert -1.3 < slope < -0.35


def test_standard_errors_are_honest_and_unknown_for_one_pair(found: dict[str, Trials]) -> None:
    assert np.isnan(found[SAMPLING].covered[0])
    assert np.isnan(found[SHAP].covered).all()
    for method in (SAMPLING, KERNEL):
        assert (found[method].covered[-2:] > 0.85).all()


def test_a_slope_is_that_of_a_planted_power() -> None:
    n = np.array([10.0, 100.0, 1000.0])
    run = Trials(n, np.outer(n**-0.5, [1, 2, 3]), np.full(3, np.nan))
    assert run.slope(1000) == pytest.approx(-0.5)
    run = Trials(n, np.outer([1, 0.1, 0.1], [1, 1, 1]), np.full(3, np.nan))
    assert run.slope(100) == pytest.approx(-1)
    assert run.slope(10) is None


def test_a_sum_leaves_nothing_to_estimate() -> None:
    worth = every_coalition(5) @ np.arange(1.0, 6)
    for run in trials(worth, [10, 20, 30], range(2)).values():
        assert (run.errors < 1e-9).all()


def test_with_all_coalitions_both_regressions_are_exact() -> None:
    worth = chance_game(5, np.random.default_rng(1))
    runs = trials(worth, [fewest_evaluations(5), 20, 30], range(2))
    for method in (KERNEL, SHAP):
        assert (runs[method].errors[-1] < 1e-9).all()
        assert (runs[method].errors[0] > 1e-3).all()


def test_shap_leaves_the_global_random_state_alone_and_follows_the_seed() -> None:
    worth = chance_game(8, np.random.default_rng(1))
    before = random_states()
    first, again = (trials(worth, [40, 50, 60], [3, 4])[SHAP].errors for _ in range(2))
    assert random_states() == before
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[:, 0], first[:, 1])


def test_a_game_without_any_worth_has_no_error() -> None:
    for run in trials(np.zeros(16), [8, 10, 14], range(2)).values():
        assert not run.errors.any()
