"""XRAI: the regions cover the picture, the densest come first, and what they hold adds up."""

from __future__ import annotations

import math

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.gradient_based.regions import parts_of, ranked, regions_of

from ...nets import linear_net, pictures, segment_mean_net, small_net


def halves_and_quarters(size: int = 8) -> np.ndarray:
    rows, columns = np.indices((size, size))
    return 2 * (rows >= size // 2) + (columns >= size // 2)


# -- regions -------------------------------------------------------------------------------------------------


def test_parts_are_the_pixels_of_each_label() -> None:
    labels = halves_and_quarters() * 3 + 5  # neither from 0 nor without gaps
    parts = parts_of(labels)
    assert len(parts) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(64))
    for part in parts:
        assert len(set(labels.ravel()[part])) == 1


@pytest.mark.parametrize("margin", [1, 2, 5])
def test_a_margin_adds_the_pixels_that_are_near(rng: np.random.Generator, margin: int) -> None:
    labels = rng.integers(0, 3, (3, 4)).repeat(4, axis=0).repeat(4, axis=1)
    rows, columns = np.indices(labels.shape)
    for number, part in zip(np.unique(labels), parts_of(labels, margin), strict=True):
        own = np.argwhere(labels == number)
        near = ((rows[..., None] - own[:, 0]) ** 2 + (columns[..., None] - own[:, 1]) ** 2).min(axis=-1) <= margin**2
        np.testing.assert_array_equal(np.sort(part), np.flatnonzero(near))


def test_the_regions_of_a_picture_overlap_and_cover_it() -> None:
    picture = np.zeros((3, 60, 80))
    picture[:, 20:40, 30:50] = 1
    regions = regions_of(picture)
    counts = np.bincount(np.concatenate(regions), minlength=60 * 80)
    assert (counts >= 6).all()  # each of the six cuts covers every pixel
    middle = 30 * 80 + 40
    assert any(middle in region and len(region) < 800 for region in regions)


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_flat_picture_is_one_region(value: float) -> None:
    regions = regions_of(np.full((3, 16, 16), value, dtype=np.float32))
    assert all(len(region) == 256 for region in regions)


# -- their order ---------------------------------------------------------------------------------------------


def naive(attribution: np.ndarray, masks: list[np.ndarray], smallest: int) -> np.ndarray:
    covered, values = np.zeros(attribution.shape, bool), np.zeros(attribution.shape)
    while True:
        fresh = [mask & ~covered for mask in masks]
        fresh = [mask for mask in fresh if mask.sum() >= smallest]
        if not fresh:
            break
        best = max(fresh, key=lambda mask: attribution[mask].mean())
        values[best] = attribution[best].mean()
        covered |= best
    if not covered.all():
        values[~covered] = attribution[~covered].mean()
    return values


@pytest.mark.parametrize("smallest", [1, 4, 12])
def test_the_densest_rest_is_taken_first(rng: np.random.Generator, smallest: int) -> None:
    for _ in range(5):
        attribution = rng.normal(size=(9, 11))
        masks = [rng.random((9, 11)) < rng.uniform(0.05, 0.5) for _ in range(12)]
        values, order = ranked(attribution, [np.flatnonzero(mask) for mask in masks], smallest)
        np.testing.assert_allclose(values, naive(attribution, masks, smallest), atol=1e-12)
        np.testing.assert_allclose(values.sum(), attribution.sum(), atol=1e-10)
        means = [values[order == rank].mean() for rank in range(order.max() + 1)]
        assert means == sorted(means, reverse=True)


def test_without_regions_the_picture_is_one(rng: np.random.Generator) -> None:
    attribution = rng.normal(size=(4, 4))
    values, order = ranked(attribution, [])
    np.testing.assert_allclose(values, attribution.mean())
    assert not order.any()


def test_the_order_is_the_saliency_packages(rng: np.random.Generator) -> None:
    xrai = pytest.importorskip("saliency.core.xrai")
    attribution = rng.normal(size=(20, 20))
    masks = [rng.random((20, 20)) < rng.uniform(0.1, 0.4) for _ in range(15)]
    expected, ranks = xrai.XRAI._xrai(attribution, masks, min_pixel_diff=5)
    values, order = ranked(attribution, [np.flatnonzero(mask) for mask in masks], 5)
    np.testing.assert_allclose(values, expected, atol=1e-10)
    # Theirs puts the uncovered rest last whatever it holds.
    assert len(np.unique(order)) == len(np.unique(ranks))


# -- the method ----------------------------------------------------------------------------------------------


def test_a_region_that_alone_counts_is_found(backend: Backend) -> None:
    cut = halves_and_quarters()
    x = pictures(2)
    found = tl.explain(segment_mean_net(backend, cut, 2), x, "xrai", 1, segments=cut, baseline=0.0)
    assert found.values.shape == (2, 1, 8, 8)
    means = x[:, :, cut == 2].mean(axis=(1, 2)) * 4 / (cut == 2).sum()
    for i in range(2):
        np.testing.assert_allclose(found.values[i, 0][cut == 2], means[i], rtol=1e-6)
        np.testing.assert_allclose(found.values[i, 0][cut != 2], 0, atol=1e-9)
        assert (found.extras["segments"][i][cut == 2] == 0).all()


def test_it_adds_up_to_the_mean_over_black_and_white(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    found = tl.explain(model, x, "xrai", [0, 1, 2], steps=30)
    by_ig = tl.explain(model, x, "integrated_gradients", [0, 1, 2], steps=30, baseline=[0.0, 1.0])
    np.testing.assert_allclose(found.extras["pixels"], by_ig.values, rtol=1e-12)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2, 3)), by_ig.values.sum(axis=(1, 2, 3)), rtol=1e-10)
    np.testing.assert_allclose(found.error.values, by_ig.error.values, rtol=1e-10)
    assert found.evaluations == by_ig.evaluations == 3 * 30 * 2


def test_neither_black_nor_white_is_passed_over(backend: Backend) -> None:
    cut = halves_and_quarters()
    x = np.zeros((1, 3, 8, 8))
    x[:, :, cut == 1] = 1
    for planted in (0, 1):  # a black quarter, then the white one
        model = segment_mean_net(backend, cut, planted, slope=4.0 if planted else -4.0)
        found = tl.explain(model, x, "xrai", 1, segments=cut)
        assert found.values[0, 0][cut == planted].min() > 0.01


def test_every_channel_counts(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(2, 192)), pictures(1)
    found = tl.explain(linear_net(backend, weights), x, "xrai", 0, segments="grid", baseline=0.0)
    np.testing.assert_allclose(found.values.sum(), weights[0] @ x.ravel(), rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_any_channels_are_cut(backend: Backend, channels: int) -> None:
    model, x = small_net(backend, channels=channels), pictures(1, shape=(channels, 8, 8))
    found = tl.explain(model, x, "xrai", 0, steps=3)
    assert found.values.shape == (1, 1, 8, 8)
    assert math.isclose(found.values.sum(), found.extras["pixels"].sum(), rel_tol=1e-4, abs_tol=1e-5)


def test_segments_must_be_of_pixels(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="channels of a pixel"):
        tl.explain(small_net(backend), pictures(1), "xrai", 0, segments=np.arange(192).reshape(3, 8, 8))
    with pytest.raises(tl.errors.TwinlensError):
        tl.explain(small_net(backend), pictures(1), "xrai", 0, segments=np.zeros((4, 4), int))


def test_tables_are_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="xrai"):
        tl.explain(linear_net(backend, np.ones((2, 4))), np.ones((1, 4)), "xrai", 0)
