"""Each rule integrates what it promises to."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.errors import MethodError
from twinlens.methods.quadrature import quadrature

RULES = ("gauss_legendre", "trapezoid", "midpoint", "left", "right")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [2, 3, 10, 64])
def test_the_weights_sum_to_one_and_the_points_lie_in_order_from_0_to_1(rule: str, steps: int) -> None:
    points, weights = quadrature(rule, steps)
    assert len(points) == len(weights) == steps
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-14)
    assert (weights > 0).all()
    assert (np.diff(points) > 0).all()
    assert points[0] >= 0
    assert points[-1] <= 1


@pytest.mark.parametrize(
    ("rule", "degree"), [("left", 0), ("right", 0), ("midpoint", 1), ("trapezoid", 1), ("gauss_legendre", 9)]
)
def test_polynomials_up_to_its_degree_are_exact_and_the_next_is_not(rule: str, degree: int) -> None:
    points, weights = quadrature(rule, 5)
    for power in range(degree + 1):
        np.testing.assert_allclose(weights @ points**power, 1 / (power + 1), rtol=1e-13)
    assert abs(weights @ points ** (degree + 1) - 1 / (degree + 2)) > 1e-7


@pytest.mark.parametrize(("rule", "order"), [("left", 1), ("right", 1), ("midpoint", 2), ("trapezoid", 2)])
def test_the_error_falls_with_the_order_of_the_rule(rule: str, order: int) -> None:
    def error(intervals: int) -> float:
        points, weights = quadrature(rule, intervals + 1 if rule == "trapezoid" else intervals)
        return float(abs(weights @ np.exp(points) - (np.e - 1)))

    assert error(64) / error(128) == pytest.approx(2**order, rel=0.02)


def test_gauss_legendre_converges_faster_than_any_order() -> None:
    points, weights = quadrature("gauss_legendre", 8)
    assert weights @ np.exp(points) == pytest.approx(np.e - 1, rel=1e-14)


@pytest.mark.parametrize("rule", ["left", "right", "midpoint", "gauss_legendre"])
def test_one_step_is_enough_for_all_but_the_trapezoid(rule: str) -> None:
    assert quadrature(rule, 1)[0] == {"left": 0, "right": 1}.get(rule, 0.5)
    with pytest.raises(MethodError, match="at least 2"):
        quadrature("trapezoid", 1)


@pytest.mark.parametrize("steps", [0, -1, 1.5, "5", None, True])
def test_steps_are_positive_whole_numbers(steps: object) -> None:
    with pytest.raises(MethodError, match="steps="):
        quadrature("midpoint", steps)  # type: ignore[arg-type]


def test_an_unknown_rule_lists_those_there_are() -> None:
    with pytest.raises(MethodError, match="gauss_legendre, trapezoid, midpoint, left, right"):
        quadrature("simpson", 4)  # type: ignore[arg-type]
