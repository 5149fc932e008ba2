"""Integrals of one quantity over another: polynomials are exact, and the cut into parts does not matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import twinlens as tl
from twinlens.methods.layers.path import StieltjesSum, pieces


def integral(
    y: Callable[[np.ndarray], np.ndarray], g: Callable[[np.ndarray], np.ndarray], steps: int, cut: int = 1000
) -> float:
    path = pieces(steps)
    total = StieltjesSum(path)
    for first in range(0, steps + 1, cut):
        alphas = path.alphas[first : first + cut]
        total.feed(y(alphas), g(alphas))
    return float(total.total)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 8, 50])
def test_points_go_from_0_to_1_and_weights_sum_to_1(steps: int) -> None:
    path = pieces(steps)
    assert len(path.alphas) == len(path.weights) == steps + 1
    assert path.alphas[0] == 0
    assert path.alphas[-1] == 1
    assert (np.diff(path.alphas) > 0).all()
    assert path.weights.sum() == pytest.approx(1, abs=1e-14)


def test_one_step_is_the_trapezoid_and_two_are_simpsons_rule() -> None:
    np.testing.assert_allclose(pieces(1).weights, [1 / 2, 1 / 2])
    np.testing.assert_allclose(pieces(2).weights, [1 / 6, 4 / 6, 1 / 6], atol=1e-15)
    np.testing.assert_allclose(pieces(1).matrices[0], [[-1 / 2, 1 / 2], [-1 / 2, 1 / 2]], atol=1e-15)


@pytest.mark.parametrize("degree", range(8))
def test_ordinary_integrals_of_degree_7_are_exact(degree: int) -> None:
    path = pieces(4)
    assert path.weights @ path.alphas**degree == pytest.approx(1 / (degree + 1), rel=1e-13)


@pytest.mark.parametrize("steps", [4, 5, 8, 11])
def test_a_constant_gradient_makes_the_difference_of_the_ends(steps: int) -> None:
    def kinked(a: np.ndarray) -> np.ndarray:
        return np.abs(a - 0.317) + (a > 0.61)

    assert integral(kinked, lambda a: np.full_like(a, 2.5), steps) == pytest.approx(2.5 * (0.683 + 1 - 0.317))


@pytest.mark.parametrize(("power_y", "power_g"), [(1, 4), (4, 1), (4, 4), (3, 2), (0, 4)])
def test_polynomials_of_degree_4_are_exact(power_y: int, power_g: int) -> None:
    expected = power_y / (power_y + power_g) if power_y else 0
    assert integral(lambda a: a**power_y, lambda a: a**power_g, 4) == pytest.approx(expected, abs=1e-13)


def test_smooth_integrals_gain_much_more_than_the_square_of_the_steps() -> None:
    exact = (np.e * (np.sin(3) - 3 * np.cos(3)) + 3) / 10
    errors = [abs(integral(np.exp, lambda alpha: np.sin(3 * alpha), steps) - exact) for steps in (4, 8, 16)]
    assert errors[1] < errors[0] / 100
    assert errors[2] < errors[1] / 100
    # Rules that are symmetric about the middle have this one exactly.
    assert abs(integral(np.exp, np.exp, 16) - (np.exp(2) - 1) / 2) < 1e-14


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6])
def test_the_parts_it_is_fed_do_not_matter(cut: int) -> None:
    assert integral(np.sin, np.cos, 10, cut) == integral(np.sin, np.cos, 10)


@pytest.mark.parametrize("steps", [0, -1, 2.0, True, None])
def test_steps_that_are_no_count_are_named(steps: object) -> None:
    with pytest.raises(tl.errors.MethodError, match="steps="):
        pieces(steps)  # type: ignore[arg-type]
