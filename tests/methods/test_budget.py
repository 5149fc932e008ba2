"""When a method stops: at its count, at its tolerance, or at what it may spend; and what it says it spent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.methods import budget as budget_module
from twinlens.methods.budget import GROWTH, Budget


def played(budget: Budget, errors: Any = None, **rounds: Any) -> list[int]:
    """What the rounds were; ``errors(samples so far)`` is reported after each."""
    made: list[int] = []
    for count in budget.rounds(**rounds):
        made.append(count)
        if errors is not None:
            done = made[-1] if rounds.get("fresh") else sum(made)
            budget.report(np.asarray(errors(done), dtype=float))
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that only the test moves."""
    now = [0.0]
    monkeypatch.setattr(budget_module.time, "perf_counter", lambda: now[0])
    return now


# -- without a tolerance -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [False, True])
def test_without_anything_it_makes_what_was_asked_for(fresh: bool) -> None:
    budget = Budget(3)
    assert played(budget, lambda _: [9, 9, 9], first=50, per_unit=2, fresh=fresh) == [50]
    assert budget.evaluations == 3 * 50 * 2
    assert budget.stopped is None


@pytest.mark.parametrize("fresh", [False, True])
def test_fewer_where_the_evaluations_are_limited(fresh: bool) -> None:
    budget = Budget(3, max_evaluations=100)
    assert played(budget, first=50, per_unit=2, fresh=fresh) == [16]
    assert (budget.evaluations, budget.stopped) == (96, "max_evaluations")


def test_a_limit_that_is_not_reached_is_not_named() -> None:
    budget = Budget(1, max_evaluations=50, max_seconds=1000)
    assert sum(played(budget, first=50)) == 50
    assert (budget.evaluations, budget.stopped) == (50, None)


# -- with a tolerance ----------------------------------------------------------------------------------------


def test_each_round_doubles_the_samples_until_the_error_is_small() -> None:
    budget = Budget(1, tolerance=0.1)
    assert played(budget, lambda n: [1 / n**0.5], first=10) == [10, 10, 20, 40, 80]
    assert (budget.evaluations, budget.stopped) == (160, "tolerance")


def test_fresh_rounds_start_anew_with_twice_as_many() -> None:
    budget = Budget(1, tolerance=0.01)
    assert played(budget, lambda n: [1 / n], first=30, fresh=True) == [30, 60, 120]
    assert (budget.evaluations, budget.stopped) == (210, "tolerance")


def test_the_first_round_may_be_enough() -> None:
    budget = Budget(2, tolerance=0.1)
    assert played(budget, lambda _: [0.1, 0.0], first=10) == [10]
    assert (budget.evaluations, budget.stopped) == (20, "tolerance")


def test_only_inputs_that_are_not_there_yet_go_on() -> None:
    budget, active = Budget(3, tolerance=0.1), []
    for count in budget.rounds(4):
        active.append((count, budget.active.tolist()))
        budget.report(np.array([0.05, 0.5 if len(active) < 2 else 0.0, 0.5 if len(active) < 3 else 0.0]))
    assert active == [(4, [0, 1, 2]), (4, [1, 2]), (8, [2])]
    assert budget.evaluations == 4 * 3 + 4 * 2 + 8


def test_an_unknown_error_is_not_small() -> None:
    budget = Budget(2, tolerance=0.1)
    for _ in budget.rounds(4):
        budget.report(np.array([np.nan, np.inf]) if budget.evaluations == 0 else np.zeros(2))
    assert (budget.evaluations, budget.stopped) == (16, "tolerance")


def test_a_tolerance_out_of_reach_ends_by_growth() -> None:
    for fresh, spent in ((False, GROWTH * 3), (True, 3 * sum(2**k for k in range(7)) + GROWTH * 3)):
        budget = Budget(1, tolerance=1e-9)
        made = played(budget, lambda _: [1], first=3, fresh=fresh)
        assert (made[-1] if fresh else sum(made)) == GROWTH * 3
        assert (budget.evaluations, budget.stopped) == (spent, "growth")


@pytest.mark.parametrize("fresh", [False, True])
def test_a_limit_ends_it_before_the_tolerance(fresh: bool) -> None:
    budget = Budget(2, tolerance=1e-9, max_evaluations=1001)
    made = played(budget, lambda _: [1, 1], first=7, fresh=fresh)
    assert budget.stopped == "max_evaluations"
    assert budget.evaluations == 2 * sum(made) <= 1001
    # What is left is spent, unless a fresh round with it would be coarser than the one before.
    assert 1001 - budget.evaluations < (2 * made[-1] + 2 if fresh else 2)


# -- seconds -------------------------------------------------------------------------------------------------


def test_no_round_begins_after_the_seconds_are_over(clock: list[float]) -> None:
    budget = Budget(1, max_seconds=10)
    made = []
    for count in budget.rounds(1000):
        made.append(count)
        clock[0] += count * 0.1
    assert made[0] == 8  # to learn how fast the network is
    assert 9 <= clock[0] <= 10
    assert budget.stopped == "max_seconds"
    assert budget.evaluations == sum(made)


def test_a_slow_first_round_is_the_last(clock: list[float]) -> None:
    budget = Budget(4, tolerance=0.01, max_seconds=1)
    made = []
    for count in budget.rounds(50):
        made.append(count)
        clock[0] += 100
        budget.report(np.ones(4))
    assert (made, budget.evaluations, budget.stopped) == ([8], 32, "max_seconds")


def test_with_time_enough_it_makes_what_was_asked_for(clock: list[float]) -> None:
    for fresh in (False, True):
        budget, made = Budget(1, max_seconds=100), []
        for count in budget.rounds(50, fresh=fresh):
            made.append(count)
            clock[0] += 0.01
        assert (made[-1] if fresh else sum(made)) == 50
        assert budget.stopped is None


# -- bad parameters ------------------------------------------------------------------------------------------


def test_too_few_evaluations_for_one_round_say_how_many_it_takes() -> None:
    budget = Budget(3, max_evaluations=11)
    with pytest.raises(tl.errors.MethodError, match=r"max_evaluations=11 is too few.*at least 12") as caught:
        list(budget.rounds(50, per_unit=2, minimum=2))
    assert "max_evaluations=12" in caught.value.cure


@pytest.mark.parametrize("name", ["tolerance", "max_evaluations", "max_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "much", [1], True])
def test_a_limit_must_be_above_zero(name: str, value: object) -> None:
    with pytest.raises(tl.errors.MethodError, match=name):
        Budget(1, **{name: value})


@pytest.mark.parametrize("value", [2.5, True])
def test_evaluations_are_counted_in_whole_numbers(value: object) -> None:
    with pytest.raises(tl.errors.MethodError, match="max_evaluations"):
        Budget(1, max_evaluations=value)  # type: ignore[arg-type]
