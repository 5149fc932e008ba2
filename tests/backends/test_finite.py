"""Arrays with anything but numbers are told from others, whatever their size and wherever it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.backends.finite import _LARGE, all_finite


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 7, _LARGE - 1, _LARGE, 3 * _LARGE + 5])
def test_one_value_that_is_no_number_is_enough(rng: np.random.Generator, dtype: str, size: int) -> None:
    array = rng.normal(size=size).astype(dtype)
    assert all_finite(array)
    for value in (np.nan, np.inf, -np.inf):
        for place in {0, size // 2, size - 1}:
            spoilt = array.copy()
            spoilt[place] = value
            assert not all_finite(spoilt)
            spoilt[-1 - place] = -spoilt[place]
            assert not all_finite(spoilt)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_numbers_are_numbers(dtype: Any) -> None:
    array = np.full(2 * _LARGE, np.finfo(dtype).max, dtype)
    array[::2] *= -1
    assert all_finite(array)
    assert all_finite(array.reshape(2, -1)[:, ::3])
    assert all_finite(array[:0])
    assert all_finite(np.arange(2 * _LARGE))


def test_a_leaf_shares_its_memory_only_where_it_is_asked_to(backend: Backend) -> None:
    t = backend.asarray(np.ones((1, 2)), "float32")
    leaf, shared = backend.leaf(t), backend.leaf(t, copied=False)
    assert all(backend.takes_gradient(each) for each in (leaf, shared))
    assert not backend.takes_gradient(t)
    (gradient,) = backend.grad(backend.sum(shared * shared), [shared])
    np.testing.assert_array_equal(backend.numpy(gradient), [[2, 2]])
    with backend.no_grad():
        t.add_(t)
    np.testing.assert_array_equal(backend.numpy(leaf), [[1, 1]])
    np.testing.assert_array_equal(backend.numpy(shared), [[2, 2]])
