"""Means, variances and their errors are those of the textbook, however the draws are cut."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.methods.gradient_based.moments import Moments


def filled(draws: np.ndarray, sizes: list[int], powers: int = 4) -> Moments:
    moments = Moments((1, *draws.shape[1:]), powers)
    start = 0
    for size in sizes:
        moments.add(0, draws[start : start + size])
        start += size
    assert start == len(draws)
    return moments


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 1, 6]])
def test_mean_and_variance_are_numpys(rng: np.random.Generator, sizes: list[int]) -> None:
    draws = rng.normal(3, 2, (12, 2, 5))
    moments = filled(draws, sizes)
    np.testing.assert_allclose(moments.mean[0], draws.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.variance[0], draws.var(axis=0, ddof=1), rtol=1e-12)
    by_value = draws.std(axis=0, ddof=1) / 12**0.5
    np.testing.assert_allclose(moments.mean_error().values, [np.linalg.norm(by_value)], rtol=1e-12)
    np.testing.assert_allclose(moments.mean_error().scale, [np.linalg.norm(draws.mean(axis=0))], rtol=1e-12)


def test_the_variances_error_is_its_formula_and_its_scatter(rng: np.random.Generator) -> None:
    n, draws = 40, rng.exponential(2, (500, 40, 6))
    fourth = ((draws[0] - draws[0].mean(axis=0)) ** 4).mean(axis=0)
    variance = draws[0].var(axis=0, ddof=1)
    expected = np.sqrt(((n * fourth - variance**2 * (n**2 - 3) / n) / ((n - 2) * (n - 3))).sum())
    np.testing.assert_allclose(filled(draws[0], [n]).variance_error().values, [expected], rtol=1e-10)
    # Of many repetitions, the mean square of the estimate is near the square of what the variances really scatter by.
    claimed = np.mean([filled(each, [n]).variance_error().values[0] ** 2 for each in draws])
    scatter = draws.var(axis=1, ddof=1).var(axis=0).sum()
    assert 0.7 < claimed / scatter < 1.3


@pytest.mark.parametrize("n", [4, 6, 12])
def test_the_variances_error_is_no_smaller_than_its_scatter_of_few_draws(rng: np.random.Generator, n: int) -> None:
    draws = rng.normal(size=(4000, n, 3))
    claimed = np.mean([filled(each, [n]).variance_error().values[0] ** 2 for each in draws])
    # The variance of a variance of n normal draws is 2 / (n - 1); 12000 of them tell it to a few hundredths.
    assert 0.9 < claimed / (3 * 2 / (n - 1)) < 1.3


def test_draws_that_take_two_values_equally_often_do_not_hide_the_variances_error() -> None:
    # The unbiased estimate of its square is below 0 here.
    assert filled(np.array([[0.0], [1.0], [1.0], [0.0]]), [4]).variance_error().values[0] > 0.07
    assert filled(np.zeros((4, 1)), [4]).variance_error().values[0] == 0


def test_the_fourth_moment_of_three_draws_is_not_known(rng: np.random.Generator) -> None:
    for n in (2, 3):
        moments = filled(rng.normal(size=(n, 2)), [n])
        assert np.isfinite(moments.variance).all()
        assert np.isnan(moments.variance_error().values).all()


@pytest.mark.parametrize(("offset", "scale"), [(1e6, 1e-3), (0, 1e-30), (1e-20, 1e-25)])
def test_neither_a_large_common_part_nor_tiny_draws_lose_digits(
    rng: np.random.Generator, offset: float, scale: float
) -> None:
    noise = rng.normal(size=(50, 4))
    moments = filled(offset + scale * noise, [20, 30])
    np.testing.assert_allclose(moments.variance[0], (offset + scale * noise).var(axis=0, ddof=1), rtol=1e-6)


def test_inputs_may_have_different_numbers_of_draws(rng: np.random.Generator) -> None:
    draws = rng.normal(size=(9, 3))
    moments = Moments((2, 3))
    moments.add(0, draws)
    moments.add(1, draws[:4])
    for i, part in enumerate((draws, draws[:4])):
        np.testing.assert_allclose(moments.mean[i], part.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(moments.variance[i], part.var(axis=0, ddof=1), rtol=1e-12)


def test_one_draw_has_a_mean_and_nothing_more() -> None:
    moments = filled(np.array([[1.0, 2.0]]), [1])
    np.testing.assert_array_equal(moments.mean[0], [1, 2])
    assert np.isnan(moments.variance).all()
    assert np.isnan(moments.mean_error().values).all()
    assert np.isnan(moments.variance_error().values).all()
