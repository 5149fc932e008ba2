"""What stands for "nothing there": numbers, arrays, and what is made of the picture itself."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.baselines import NAMES, baselines

from ..nets import pictures


def one(baseline: object, x: np.ndarray, seed: int = 0) -> np.ndarray:
    (found,) = baselines(baseline, x, seed)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_an_array_of_one_sample_and_of_the_batch(dtype: type) -> None:
    x = pictures(2).astype(dtype)
    np.testing.assert_array_equal(one(0.5, x), 0.5)
    sample = pictures(1, seed=1)[0]
    np.testing.assert_array_equal(one(sample, x), np.stack([sample, sample]))
    batch = pictures(2, seed=2)
    np.testing.assert_array_equal(one(batch, x), batch)


def test_a_list_is_several_baselines_and_not_one_sample() -> None:
    table = np.zeros((2, 2))
    black, white = baselines([0.0, 1.0], table)
    np.testing.assert_array_equal(black, 0)
    np.testing.assert_array_equal(white, 1)
    mixed = baselines((0, "mean", pictures(1)[0], "noise"), pictures(2))
    assert [each.shape for each in mixed] == [(2, 3, 8, 8)] * 4


def test_the_mean_is_each_pictures_own_colour() -> None:
    x = pictures(3)
    expected = x.astype(np.float64).mean(axis=(2, 3))[..., None, None]
    np.testing.assert_allclose(one("mean", x), np.broadcast_to(expected, x.shape), rtol=1e-7)


def test_the_blur_is_a_wide_gaussian_that_mixes_no_channels_or_pictures() -> None:
    x = np.zeros((2, 3, 40, 60))
    x[0, 1, 20, 30] = 1
    blurred = one("blur", x)
    assert not blurred[1].any()
    assert not blurred[0, [0, 2]].any()
    rows, columns = (np.arange(n) - middle for n, middle in ((40, 20), (60, 30)))
    # Sigma is a tenth of the shorter side.
    gaussian = np.exp(-(rows[:, None] ** 2 + columns**2) / (2 * 4**2))
    np.testing.assert_allclose(blurred[0, 1], gaussian / gaussian.sum(), atol=1e-5)


def test_a_flat_picture_stays_flat_up_to_its_edges() -> None:
    x = np.full((1, 3, 16, 16), 0.25)
    for name in ("blur", "mean"):
        np.testing.assert_allclose(one(name, x), 0.25, rtol=1e-12)


def test_the_noise_is_uniform_over_the_range_of_each_sample() -> None:
    x = np.stack([np.linspace(0, 1, 3000), np.linspace(5, 7, 3000)])
    noise = one("noise", x)
    for sample, drawn in zip(x, noise, strict=True):
        assert sample.min() <= drawn.min()
        assert drawn.max() <= sample.max()
        counts, _ = np.histogram(drawn, bins=10, range=(sample.min(), sample.max()))
        assert (np.abs(counts - 300) < 80).all()
    expected = np.random.default_rng([4, 1]).uniform(5, 7, 3000)
    np.testing.assert_array_equal(one("noise", x, seed=4)[1], expected)


def test_the_noise_of_a_sample_does_not_depend_on_its_batch() -> None:
    x = pictures(3)
    np.testing.assert_array_equal(one("noise", x, seed=2)[:2], one("noise", x[:2], seed=2))
    assert not np.array_equal(one("noise", x, seed=2), one("noise", x, seed=3))


def test_the_input_is_not_changed() -> None:
    x = pictures(2)
    x.flags.writeable = False
    for name in NAMES:
        one(name, x)


@pytest.mark.parametrize("name", ["blur", "mean"])
def test_what_is_made_of_a_picture_needs_a_picture(name: str) -> None:
    with pytest.raises(tl.errors.InputError, match=f'baseline="{name}"'):
        baselines(name, np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("baseline", "named"),
    [
        ("blurr", "Did you mean 'blur'"),
        ("black", "blur, mean, noise"),
        ([], "empty"),
        ([0.0, "gray"], "'gray'"),
        ([0.0, None], "baseline None is neither a number"),
        ([[0.0, 1.0], 2.0], r"\(2,\)"),
        (np.zeros((4, 4)), r"\(4, 4\)"),
        (float("nan"), "NaN"),
        ({"a": 1}, "baseline"),
        (10**400, "neither a number"),
        (np.array(["0.5", "1"]), "neither a number"),
        (True, "holds bool"),
        (np.ones((3, 8, 8), dtype=bool), "holds bool"),
        (np.full((3, 8, 8), 255, dtype=np.uint8), "holds uint8"),
        (0.5 + 1j, "holds complex128"),
        (np.full((3, 8, 8), 1j), "holds complex128"),
        (np.zeros((3, 8, 8), dtype="datetime64[s]"), "holds datetime64"),
    ],
)
def test_a_baseline_that_is_none_is_refused(baseline: object, named: str) -> None:
    with pytest.raises(tl.errors.InputError, match=named):
        baselines(baseline, pictures(2))


@pytest.mark.parametrize(
    "half", [Fraction(1, 2), Decimal("0.5"), np.array([Fraction(1, 2)] * 192, object).reshape(3, 8, 8)]
)
def test_numbers_of_any_kind_are_baselines(half: object) -> None:
    np.testing.assert_array_equal(one(half, pictures(2)), 0.5)


def test_black_is_black_in_whole_numbers_too() -> None:
    np.testing.assert_array_equal(one(np.zeros((3, 8, 8), np.uint8), pictures(2)), 0)


def test_a_tensor_that_takes_a_gradient_is_refused_by_name(backend: Backend) -> None:
    native = backend.leaf(backend.asarray(np.zeros((3, 8, 8)), "float32"))
    if backend.name == "torch":
        with pytest.raises(tl.errors.InputError, match="neither a number nor an array"):
            one([native], pictures(2))
    else:
        np.testing.assert_array_equal(one([native], pictures(2)), 0)
