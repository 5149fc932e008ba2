"""Distances between arrays, in the corners too."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.comparison.differences.gap import Gap, gap, norm

INF = float("inf")
ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("a", "b", "max_abs", "relative"),
    [
        (ONES, ONES, 0, 0),
        (ONES, ONES * 2, 1, 0.5),
        (ONES, ONES * 0, 1, 1),
        (ONES * 0, ONES * 0, 0, 0),
        (None, None, 0, 0),
        (ONES, None, 1, 1),
        (None, ONES * 0, 0, 0),
        (ONES, np.ones((3, 2)), INF, INF),
        (ONES, ONES * np.nan, INF, INF),
        (ONES * INF, ONES, INF, INF),
        (ONES * INF, ONES * INF, 0, 0),
        (ONES * 1e-200, ONES * 2e-200, 1e-200, 0.5),
        (ONES * 1e200, ONES * 2e200, 1e200, 0.5),
        (np.array([1, 2]), np.array([1, 4]), 2, 2 / np.sqrt(17)),
        (np.array([True, False]), np.array([True, True]), 1, 1 / np.sqrt(2)),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0, 0),
    ],
)
def test_a_gap_is_what_the_formula_says(a: np.ndarray, b: np.ndarray, max_abs: float, relative: float) -> None:
    found = gap(a, b)
    np.testing.assert_allclose([found.max_abs, found.relative_l2], [max_abs, relative], rtol=1e-12)
    assert isinstance(found, Gap)


def test_the_same_nan_in_both_is_no_gap_but_the_rest_is() -> None:
    a, b = np.array([np.nan, 1.0]), np.array([np.nan, 2.0])
    assert gap(a, a).relative_l2 == 0
    assert gap(a, b) == Gap(1.0, 0.5)


def test_the_norm_is_numpys(rng: np.random.Generator) -> None:
    values = rng.normal(size=(5, 7))
    np.testing.assert_allclose(norm(values), np.linalg.norm(values))
