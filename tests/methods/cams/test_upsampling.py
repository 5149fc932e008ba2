"""Maps are enlarged bilinearly, with pixel centres at half integers."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.methods.cams.upsampling import resized

from .nets import bilinear

SIZES = [(4, 4), (8, 8), (9, 13), (3, 5), (2, 2), (1, 1), (1, 7), (224, 3)]


@pytest.mark.parametrize("size", SIZES)
def test_it_is_bilinear_pixel_by_pixel(rng: np.random.Generator, size: tuple[int, int]) -> None:
    maps = rng.normal(size=(2, 3, 4, 5))
    large = resized(maps, size)
    assert large.shape == (2, 3, *size)
    np.testing.assert_allclose(large[1, 2], bilinear(maps[1, 2], *size), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_frameworks_own(backend: Backend, rng: np.random.Generator, size: tuple[int, int]) -> None:
    maps = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    native = backend.numpy(backend.resize(backend.asarray(maps), size))
    np.testing.assert_allclose(resized(maps, size), native, rtol=1e-5, atol=1e-5)


def test_the_same_size_and_a_constant_stay_as_they_are(rng: np.random.Generator) -> None:
    maps = rng.normal(size=(1, 3, 4))
    np.testing.assert_array_equal(resized(maps, (3, 4)), maps)
    np.testing.assert_allclose(resized(np.full((1, 3, 4), 7.0), (11, 6)), 7, rtol=1e-14)
    np.testing.assert_array_equal(resized(np.full((1, 1, 1), 7.0), (4, 5)), np.full((1, 4, 5), 7.0))
