"""Random-CAM weights the channels with numbers that everybody can draw again."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import pictures
from .nets import activation_of, bilinear, pooled_net


def naive(a: np.ndarray, seed: int) -> np.ndarray:
    maps = np.zeros((len(a), *a.shape[2:]))
    for i in range(len(a)):
        generator = np.random.default_rng([seed, i])
        for k in range(a.shape[1]):
            weight = generator.uniform(-1, 1)
            for place in np.ndindex(*a.shape[2:]):
                maps[(i, *place)] += weight * a[(i, k, *place)]
    return maps


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("layer", ["conv1", "relu2"])
def test_it_is_the_sum_of_the_maps_with_weights_drawn_one_by_one(backend: Backend, layer: str, seed: int) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    expected = naive(activation_of(model, x, layer), seed)
    small = tl.explain(model, x, "randomcam", layer=layer, seed=seed, upsample=False)
    np.testing.assert_allclose(small.values[:, 0], expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    large = tl.explain(model, x, "randomcam", layer=layer, seed=seed)
    np.testing.assert_allclose(large.values[1, 0], bilinear(expected[1], 8, 8), rtol=1e-10, atol=1e-13)
    assert (small.values < 0).any()
    assert (small.values > 0).any()
    assert small.error is None
    assert small.target is None
    assert small.seed == seed


def test_other_seeds_and_other_samples_have_other_weights(backend: Backend) -> None:
    model, x = pooled_net(backend), np.repeat(pictures(1), 2, axis=0).astype(np.float64)
    found = tl.explain(model, x, "randomcam", layer="relu1").values
    again = tl.explain(model, x, "randomcam", layer="relu1").values
    other = tl.explain(model, x, "randomcam", layer="relu1", seed=1).values
    np.testing.assert_array_equal(found, again)
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found, other)


@pytest.mark.parametrize("size", [1, 2, 64])
def test_the_weights_are_those_of_the_place_in_the_batch_whatever_stands_beside(backend: Backend, size: int) -> None:
    model, x = pooled_net(backend), pictures(4).astype(np.float64)
    found = tl.explain(model, x, "randomcam", layer="relu1", batch_size=size).values
    beside = tl.explain(model, np.concatenate([50 * x[:1], x[1:3], x[:1]]), "randomcam", layer="relu1").values
    np.testing.assert_allclose(beside[1:3], found[1:3], rtol=1e-12, atol=1e-14)


def test_the_mean_over_many_seeds_is_near_zero(backend: Backend) -> None:
    """The variance of a weight is 1/3, and so the mean over n draws has that of Σ A² / 3n at each place."""
    model, x = pooled_net(backend), pictures(1).astype(np.float64)
    a, draws = activation_of(model, x, "relu1")[0], 400
    maps = np.stack([
        tl.explain(model, x, "randomcam", layer="relu1", seed=seed, upsample=False).values[0, 0]
        for seed in range(draws)
    ])  # fmt: skip
    deviation = np.sqrt((a**2).sum(axis=0) / 3)
    assert (np.abs(maps.mean(axis=0)) <= 5 * deviation / draws**0.5).all()
    # Places share the draws; 0.15 is four standard errors of a variance of 400 of them.
    shown = deviation > 0
    np.testing.assert_allclose(maps.std(axis=0)[shown], deviation[shown], rtol=0.15)


def test_no_class_is_explained(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3)
    maps = [tl.explain(model, x, "randomcam", target).values for target in (None, 0, [1, 2, 3], lambda s: s[:, 0])]
    for other in maps[1:]:
        np.testing.assert_array_equal(other, maps[0])
    with pytest.raises(tl.errors.TargetError, match="Target 4 does not exist"):
        tl.explain(model, x, "randomcam", 4)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "0", None])
def test_a_bad_seed_is_named(backend: Backend, seed: object) -> None:
    with pytest.raises(tl.errors.MethodError, match="is not a whole number from 0"):
        tl.explain(pooled_net(backend), pictures(1), "randomcam", seed=seed)
