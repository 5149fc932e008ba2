"""Agreement is what the formulas say, sample by sample, with zero maps and tiny numbers in their place."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from twinlens.comparison import agreement
from twinlens.errors import InputError, MissingPackageError

EQUAL = {"max_abs": 0, "relative_l2": 0, "cosine": 1, "spearman": 1, "sign": 1, "top_k": 1}


def some_maps() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 3, 5, 5))
    return a, a + 0.3 * rng.normal(size=a.shape)


def test_the_numbers_are_those_of_the_formulas() -> None:
    a, b = some_maps()
    found = agreement(a, b)
    for i in range(4):
        x, y = a[i].ravel(), b[i].ravel()
        assert found.max_abs[i] == np.abs(x - y).max()
        assert found.relative_l2[i] == pytest.approx(np.sqrt(((x - y) ** 2).sum() / (y**2).sum()), rel=1e-12)
        assert found.cosine[i] == pytest.approx((x @ y) / np.sqrt((x @ x) * (y @ y)), rel=1e-12)
        assert found.sign[i] == np.mean(x * y > 0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_rank_correlation_is_scipys(ties: bool) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = some_maps()
    if ties:
        a, b = a.round(), b.round()
    found = agreement(a, b).spearman
    expected = [stats.spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_equal_maps_agree_wholly() -> None:
    a, _ = some_maps()
    worst = agreement(a, a.copy(), ssim=True).worst()
    assert worst == pytest.approx(EQUAL | {"ssim": 1})


def test_opposite_maps_disagree_wholly() -> None:
    a, _ = some_maps()
    found = agreement(a, -a)
    np.testing.assert_allclose(found.relative_l2, 2)
    np.testing.assert_allclose(found.cosine, -1)
    np.testing.assert_allclose(found.spearman, -1)
    np.testing.assert_array_equal(found.sign, 0)


def test_two_zero_maps_agree_and_one_zero_map_agrees_with_nothing() -> None:
    zero, other = np.zeros((1, 6)), np.arange(6.0)[None] - 2
    both = agreement(zero, zero).worst()
    assert both == EQUAL
    first, second = agreement(zero, other), agreement(other, zero)
    assert first.relative_l2[0] == 1
    assert second.relative_l2[0] == np.inf
    for found in (first, second):
        assert found.cosine[0] == 0
        assert found.spearman[0] == 0
        assert found.top_k[0] == 0
        assert found.sign[0] == pytest.approx(1 / 6)


def test_the_worst_sample_is_reported() -> None:
    a = np.ones((3, 4))
    b = a.copy()
    b[1, 0] = -1
    worst = agreement(a, b).worst()
    assert worst["max_abs"] == 2
    assert worst["sign"] == 0.75
    assert worst["cosine"] == pytest.approx(0.5)


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e200])
def test_the_size_of_the_numbers_does_not_matter(factor: float) -> None:
    a, b = some_maps()
    expected, found = agreement(a, b), agreement(factor * a, factor * b)
    np.testing.assert_allclose(found.relative_l2, expected.relative_l2, rtol=1e-9)
    np.testing.assert_allclose(found.cosine, expected.cosine, rtol=1e-9)
    np.testing.assert_allclose(agreement(factor * a, b).cosine, expected.cosine, rtol=1e-9)
    np.testing.assert_array_equal(found.spearman, expected.spearman)


def test_float32_is_compared_in_float64() -> None:
    a = np.full((1, 3), 3e38, np.float32)
    found = agreement(a, -a)
    assert found.max_abs[0] == 2 * float(a[0, 0])
    assert found.cosine[0] == pytest.approx(-1)


def test_the_arrays_are_not_changed() -> None:
    a, b = some_maps()
    before = a.copy(), b.copy()
    agreement(a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones((2, 3)), np.ones((1, 3))),
        (np.ones((0, 3)), np.ones((0, 3))),
        (np.ones((2, 0)), np.ones((2, 0))),
        (np.array(1.0), np.array(1.0)),
        (np.ones((1, 3)), np.array([[1, np.nan, 2]])),
        (np.array([[1, np.inf, 2]]), np.ones((1, 3))),
        ([[1.0]], [[1.0]]),
        (None, None),
    ],
)
def test_what_cannot_be_compared_is_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(InputError):
        agreement(a, b)


@pytest.mark.parametrize("top", [0.01, 0.05, 0.3, 1.0])
def test_the_overlap_of_the_top_is_that_of_sets(top: float) -> None:
    a, b = some_maps()
    found = agreement(a, b, top=top).top_k
    for i in range(4):
        count = max(1, round(top * a[i].size))
        best = [set(np.argsort(-np.abs(m[i].ravel()))[:count].tolist()) for m in (a, b)]
        assert found[i] == len(best[0] & best[1]) / count


def test_values_as_large_as_the_last_of_the_top_count_in_and_zeros_never_do() -> None:
    a = np.array([[5.0, 1, 1, 1, 0, 0, 0, 0]])
    b = np.array([[5.0, 0, 0, 0, 0, 0, 0, 1]])
    # The top two: of a the 5 and all three ones, of b the 5 and its single one.
    assert agreement(a, b, top=0.25).top_k[0] == pytest.approx(1 / 4)
    # The top six: zeros do not fill the places.
    assert agreement(b, b.copy(), top=0.75).top_k[0] == 1
    assert agreement(a, b, top=0.75).top_k[0] == pytest.approx(1 / 4)


def test_the_sign_of_what_is_at_the_top_does_not_matter() -> None:
    a, _ = some_maps()
    np.testing.assert_array_equal(agreement(a, -a).top_k, 1)


@pytest.mark.parametrize("top", [0, -0.1, 1.5, True, "many", float("nan")])
def test_a_top_that_is_no_share_is_refused(top: float) -> None:
    with pytest.raises(InputError, match="top="):
        agreement(*some_maps(), top=top)


@pytest.mark.parametrize(
    ("shape", "window"), [((3, 16, 16), 7), ((1, 9, 30), 7), ((3, 5, 6), 5), ((2, 4, 8), 3), ((1, 3, 3), 3)]
)
def test_structural_similarity_is_scikit_images_on_the_scale_of_both_maps(shape: tuple[int, ...], window: int) -> None:
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, *shape))
    b = a + rng.normal(size=a.shape)
    found = agreement(a, b, ssim=True).ssim
    assert found is not None
    for x, y, value in zip(a, b, found, strict=True):
        reach = max(x.max(), y.max()) - min(x.min(), y.min())
        expected = metrics.structural_similarity(x, y, win_size=window, data_range=reach, channel_axis=0)
        assert value == pytest.approx(expected, rel=1e-9)
        assert -1 <= value < 1


def test_structural_similarity_of_equal_zero_tiny_and_flat_maps_is_finite() -> None:
    pytest.importorskip("skimage.metrics")
    a, b = some_maps()
    zero = np.zeros_like(a)
    for first, second in ((zero, zero), (zero + 2, zero + 2), (a, a)):
        np.testing.assert_allclose(agreement(first, second, ssim=True).ssim, 1)
    one_zero = agreement(a, zero, ssim=True).ssim
    assert np.isfinite(one_zero).all()
    assert (one_zero < 0.9).all()
    for factor in (1e-200, 1e200):
        expected = agreement(a, b, ssim=True).ssim
        np.testing.assert_allclose(agreement(factor * a, factor * b, ssim=True).ssim, expected, rtol=1e-6)


def test_structural_similarity_is_for_maps_alone_and_only_where_it_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    for shape in ((2, 8), (2, 3, 2, 9), (2, 3, 9, 1)):
        values = rng.normal(size=shape)
        found = agreement(values, values, ssim=True)
        assert found.ssim is None
        assert "ssim" not in found.worst()
    assert agreement(*some_maps()).ssim is None


def test_without_scikit_image_the_other_numbers_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    assert agreement(*some_maps()).cosine.shape == (4,)
    with pytest.raises(MissingPackageError, match="pip install scikit-image"):
        agreement(*some_maps(), ssim=True)
