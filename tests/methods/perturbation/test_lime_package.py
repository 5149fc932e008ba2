"""LIME by its paper's package: its regression, on every superpixel, reproducible, on both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.segments import superpixels

from ...nets import linear_net, pictures, segment_mean_net, small_net

pytest.importorskip("lime")
pytest.importorskip("skimage")

GRID = {"segments": "grid", "segment_options": {"cells": 4}}


def grid(size: int = 8, cells: int = 4) -> np.ndarray:
    return superpixels(np.zeros((3, size, size)), "grid", cells=cells)


def ridge_weights(
    model: Model, picture: np.ndarray, cut: np.ndarray, label: int, samples: int, seed: int, hide: float | None
) -> tuple[np.ndarray, float, float]:
    """LIME as the paper's package defines it, in closed form: weights by segment, intercept, R²."""
    count = int(cut.max()) + 1
    shown = np.random.RandomState(seed).randint(0, 2, (samples, count))
    shown[0] = 1
    picture = picture.astype(np.float64)
    hidden = np.full_like(picture, 0 if hide is None else hide)
    if hide is None:
        for segment in range(count):
            hidden[:, cut == segment] = picture[:, cut == segment].mean(axis=1, keepdims=True)
    batch = np.where(shown[:, cut][:, None] == 1, picture, hidden)
    y = model.probabilities(batch)[:, label].astype(np.float64)
    cosine_distance = 1 - shown.sum(axis=1) / np.sqrt(np.maximum(shown.sum(axis=1), 1) * count)
    weight = np.sqrt(np.exp(-(cosine_distance**2) / 0.25**2))
    centre, level = np.average(shown, axis=0, weights=weight), np.average(y, weights=weight)
    rows = shown - centre
    found = np.linalg.solve(rows.T @ (weight[:, None] * rows) + np.eye(count), rows.T @ (weight * (y - level)))
    intercept = level - centre @ found
    residual = y - intercept - shown @ found
    return found, intercept, 1 - (weight * residual**2).sum() / (weight * (y - level) ** 2).sum()


@pytest.mark.parametrize("hide", [None, 0.0, 0.7])
def test_it_is_a_weighted_ridge_regression(backend: Backend, hide: float | None) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "lime_package", 1, samples=80, seed=3, hide_colour=hide, **GRID)
    for i in range(2):
        weights, intercept, fit = ridge_weights(model, x[i], grid(), 1, 80, 3, hide)
        np.testing.assert_allclose(found.values[i, 0], weights[grid()], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.extras["intercept"][i], intercept, rtol=1e-8)
        np.testing.assert_allclose(found.extras["local_prediction"][i], intercept + weights.sum(), rtol=1e-8)
        np.testing.assert_allclose(found.error.values[i], fit, rtol=1e-7)


@pytest.mark.parametrize("planted", [0, 5, 15])
def test_the_only_superpixel_that_counts_gets_the_largest_weight(backend: Backend, planted: int) -> None:
    # 15 is the last one, which never hides where superpixels are numbered from 1.
    model = segment_mean_net(backend, grid(), planted)
    found = tl.explain(model, pictures(1) + 0.5, "lime_package", 1, samples=200, hide_colour=0.0, **GRID)
    weights = found.values[0, 0]
    assert (weights[grid() == planted] > 0.1).all()
    assert (np.abs(weights[grid() != planted]) < 0.02).all()


def test_slics_last_superpixel_is_hidden_too(backend: Backend) -> None:
    picture = np.zeros((3, 16, 16), np.float32)
    picture[0, :8, :8], picture[1, :8, 8:], picture[2, 8:, :8], picture[:, 8:, 8:] = 1, 1, 1, 0.9
    options = {"n_segments": 4, "sigma": 0.0}
    cut = superpixels(picture, "slic", **options)
    assert cut.max() == 3
    model = segment_mean_net(backend, cut, 3)
    found = tl.explain(model, picture[None], "lime_package", 1, samples=60, hide_colour=0.0, segment_options=options)
    assert (found.values[0, 0][cut == 3] > 0.1).all()
    assert (np.abs(found.values[0, 0][cut != 3]) < 0.02).all()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("slic", {"n_segments": 12}),
        ("quickshift", {"max_dist": 4, "kernel_size": 2}),
        ("felzenszwalb", {"scale": 1, "min_size": 4}),
        ("grid", {"cells": 3}),
    ],
)
def test_a_superpixel_has_one_weight(backend: Backend, kind: str, options: dict[str, object]) -> None:
    model, x = small_net(backend), pictures(2)
    found = tl.explain(model, x, "lime_package", 0, samples=40, segments=kind, segment_options=options)
    assert found.values.shape == (2, 1, 8, 8)
    for values, cut, picture in zip(found.values[:, 0], found.extras["segments"], x, strict=True):
        np.testing.assert_array_equal(cut, superpixels(picture, kind, **options))
        for segment in range(cut.max() + 1):
            assert len(np.unique(values[cut == segment])) == 1


def test_a_nearly_linear_model_is_fitted_well(backend: Backend, rng: np.random.Generator) -> None:
    weights = np.stack([np.zeros(192), rng.normal(0, 0.02, 192)])
    found = tl.explain(
        linear_net(backend, weights), pictures(1), "lime_package", 1, samples=300, hide_colour=0.0, **GRID
    )
    assert found.error.values[0] > 0.95
    np.testing.assert_allclose(found.extras["local_prediction"], found_probability(found), atol=0.02)


def found_probability(found: tl.Explanation) -> np.ndarray:
    powers = np.exp(found.scores)
    return powers[np.arange(len(powers)), found.target] / powers.sum(axis=1)


def test_the_seed_decides_and_the_chunk_size_does_not(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)

    def values(**params: object) -> np.ndarray:
        return tl.explain(model, x, "lime_package", 2, samples=50, **GRID, **params).values

    np.testing.assert_array_equal(values(seed=1), values(seed=1))
    np.testing.assert_allclose(values(seed=1), values(seed=1, batch_size=7), rtol=1e-8, atol=1e-11)
    assert not np.allclose(values(seed=1), values(seed=2))


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (
        tl.explain(small_net(b, dtype="float64"), pictures(2), "lime_package", [0, 3], samples=50, **GRID) for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-7, atol=1e-11)
    np.testing.assert_array_equal(torch.extras["segments"], paddle.extras["segments"])


def test_without_a_target_the_predicted_class_is_explained(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    found = tl.explain(model, x, "lime_package", samples=20, **GRID)
    np.testing.assert_array_equal(found.target, model.predict(x))


def test_grey_pictures_are_explained_as_they_are(backend: Backend) -> None:
    model, x = small_net(backend, channels=1), pictures(2, shape=(1, 8, 8))
    found = tl.explain(model, x, "lime_package", 0, samples=40, **GRID)
    expected = ridge_weights(model, x[1], grid(), 0, 40, 0, None)[0]
    np.testing.assert_allclose(found.values[1, 0], expected[grid()], rtol=1e-3, atol=1e-6)
    assert tl.explain(model, x, "lime_package", 0, samples=10, segment_options={"n_segments": 9}).values.shape == (
        2,
        1,
        8,
        8,
    )


def test_few_superpixels_are_all_weighed(backend: Backend) -> None:
    # The package selects features in another way when there are six or fewer.
    model, x = small_net(backend, dtype="float64"), pictures(1)
    found = tl.explain(model, x, "lime_package", 1, samples=40, segments="grid", segment_options={"cells": 2})
    expected = ridge_weights(model, x[0], grid(cells=2), 1, 40, 0, None)[0]
    np.testing.assert_allclose(found.values[0, 0], expected[grid(cells=2)], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"segments": "grid", "segment_options": {"cells": 1}}, "single superpixel"),
        ({"segments": "watershed"}, "watershed"),
        ({"segment_options": {"n_segmets": 5}}, "n_segmets"),
        ({"segment_options": {1: 2}}, "name 1"),
        ({"segment_options": {"kind": "grid"}}, "'kind'"),
        ({"segment_options": ["n_segments"]}, "not a mapping"),
        ({"samples": 0}, "samples=0"),
        ({"samples": 1}, "samples=1"),
        ({"seed": -3}, "seed=-3"),
        ({"hide_colour": "black"}, "hide_colour='black'"),
        ({"hide_colour": float("nan")}, "hide_colour=nan"),
    ],
)
def test_parameters_that_do_not_fit_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), "lime_package", 0, **({"samples": 10} | params))


def test_one_output_has_no_probability(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="one output"):
        tl.explain(linear_net(backend, np.ones((1, 192))), pictures(1), "lime_package", **GRID)


def test_it_explains_class_probabilities_of_pictures_only(backend: Backend, rng: np.random.Generator) -> None:
    with pytest.raises(tl.errors.MethodError, match="class number"):
        tl.explain(small_net(backend), pictures(1), "lime_package", lambda s: s[:, 0])
    with pytest.raises(tl.errors.MethodError, match="1 or 3 channels"):
        tl.explain(small_net(backend, channels=2), pictures(1, shape=(2, 8, 8)), "lime_package", 0)
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.eye(4)), rng.random((2, 4)), "lime_package", 0)
