"""Feature ablation: one part away at a time, exact, and honest about what single parts cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.segments import superpixels

from ...frameworks import need
from ...nets import formula_net, linear_net, pictures, segment_mean_net, small_net

QUARTERS = {"segments": "grid", "segment_options": {"cells": 2}}


def test_on_a_linear_network_a_column_is_worth_its_weight(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    weights, x, baseline = rng.normal(size=(3, 5)), rng.normal(size=(4, 5)), rng.normal(size=5)
    found = tl.explain(linear_net(backend, weights), x, "feature_ablation", [2, 0, 1, 1], baseline=baseline)
    np.testing.assert_allclose(found.values, weights[[2, 0, 1, 1]] * (x - baseline), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
    assert found.extras == {}


def test_it_is_a_loop_over_the_parts(backend: Backend) -> None:
    model, x, start = small_net(backend, dtype="float64"), pictures(2), pictures(2, seed=1)
    labels = np.random.default_rng(2).integers(0, 4, (2, 8, 8)) * 10 - 5  # numbers need not count from 0
    found = tl.explain(model, x, "feature_ablation", [1, 4], segments=labels, baseline=start)
    for i, target in enumerate([1, 4]):
        for label in np.unique(labels[i]):
            away = np.where(labels[i] == label, start[i], x[i])
            drop = model.forward(x[i][None])[0, target] - model.forward(away[None])[0, target]
            np.testing.assert_allclose(found.values[i, 0][labels[i] == label], drop, rtol=1e-9, atol=1e-12)
    assert found.values.shape == (2, 1, 8, 8)
    assert found.extras["segments"].shape == (2, 8, 8)
    assert found.evaluations == 2 * (4 + 1)


def test_the_residual_is_the_interaction(backend: Backend) -> None:
    product = formula_net(backend, lambda u, w: (u[:, :1] * u[:, 1:2]) @ w, np.array([[1.0, 2.0]]))
    found = tl.explain(product, np.array([[3.0, 5.0]]), "feature_ablation", 1)
    np.testing.assert_allclose(found.values, [[30, 30]])  # without one the other is worth nothing
    np.testing.assert_allclose(found.error.values, [30])
    np.testing.assert_allclose(found.error.scale, [30])


@pytest.mark.parametrize("kind", ["slic", "quickshift", "felzenszwalb", "grid"])
def test_every_superpixel_is_reached_the_last_one_too(backend: Backend, kind: Any) -> None:
    options = {"slic": {"n_segments": 6}, "grid": {"cells": 3}}.get(kind, {})
    x = np.kron(pictures(1, shape=(3, 4, 4)), np.ones((4, 4), np.float32))
    cut = superpixels(x[0], kind, **options)
    for planted in {0, int(cut.max())}:
        model = segment_mean_net(backend, cut, planted)
        found = tl.explain(model, x, "feature_ablation", 1, segments=kind, segment_options=options)
        expected = np.where(cut == planted, 4 * x[0].astype(np.float64)[:, cut == planted].mean(), 0)
        np.testing.assert_allclose(found.values[0, 0], expected, atol=1e-12)
        np.testing.assert_array_equal(found.extras["segments"][0], cut)


def test_one_superpixel_is_the_whole_picture(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "feature_ablation", 3, segments="grid", segment_options={"cells": 1})
    drop = model.forward(x)[:, 3] - model.forward(np.zeros_like(x))[:, 3]
    np.testing.assert_allclose(found.values, np.broadcast_to(drop[:, None, None, None], (2, 1, 8, 8)), rtol=1e-9)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)


def test_no_superpixel_is_an_error(backend: Backend) -> None:
    for options in ({"n_segments": 0}, {"n_segments": -4}):
        with pytest.raises(tl.errors.MethodError):
            tl.explain(small_net(backend), pictures(1), "feature_ablation", 0, segment_options=options)
    for empty in ([], np.zeros((0, 0), int)):
        with pytest.raises(tl.errors.InputError, match="segments"):
            tl.explain(small_net(backend), pictures(1), "feature_ablation", 0, segments=empty)


def test_parts_that_are_at_the_baseline_are_not_run(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    x[0, :, :4] = 0.5
    x[1] = 0.5
    found = tl.explain(model, x, "feature_ablation", 0, baseline=0.5, **QUARTERS)
    assert found.evaluations == 2 + 0 + 2
    assert not found.values[0, 0, :4].any()
    assert found.values[0, 0, 4:].all()
    assert not found.values[1].any()
    assert found.error.relative[1] == 0


def test_channels_may_play_separately(backend: Backend) -> None:
    weights = np.random.default_rng(1).normal(size=(2, 192))
    x = pictures(2).astype(np.float64)
    channels = np.broadcast_to(np.arange(3)[:, None, None], (3, 8, 8))
    found = tl.explain(linear_net(backend, weights), x, "feature_ablation", 1, segments=channels)
    sums = (weights[1].reshape(3, 8, 8) * x).sum(axis=(2, 3))
    np.testing.assert_allclose(found.values, np.broadcast_to(sums[:, :, None, None], x.shape), rtol=1e-10)
    assert found.extras["segments"].shape == x.shape


def test_columns_may_play_together(backend: Backend) -> None:
    weights, x = np.arange(8.0).reshape(2, 4), np.random.default_rng(0).normal(size=(3, 4))
    found = tl.explain(linear_net(backend, weights), x, "feature_ablation", 1, segments=[0, 0, 1, 1])
    sums = (weights[1] * x).reshape(3, 2, 2).sum(axis=2)
    np.testing.assert_allclose(found.values, np.repeat(sums, 2, axis=1), rtol=1e-10, atol=1e-13)


def test_several_baselines_are_averaged(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    names = [0.0, "mean", "noise"]
    several = tl.explain(model, x, "feature_ablation", 0, baseline=names, seed=5, **QUARTERS)
    each = [tl.explain(model, x, "feature_ablation", 0, baseline=name, seed=5, **QUARTERS) for name in names]
    np.testing.assert_allclose(several.values, np.mean([one.values for one in each], axis=0), rtol=1e-9)
    np.testing.assert_allclose(several.error.values, np.mean([one.error.values for one in each], axis=0), rtol=1e-9)


def test_a_function_of_the_scores_can_be_explained(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "feature_ablation", lambda scores: scores[:, 3] - scores[:, 1], **QUARTERS)
    each = [tl.explain(model, x, "feature_ablation", target, **QUARTERS).values for target in (3, 1)]
    np.testing.assert_allclose(found.values, each[0] - each[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_batch_size_does_not_matter(backend: Backend, dtype: str) -> None:
    model, x = small_net(backend, dtype=dtype), pictures(3)
    found = [
        tl.explain(model, x, "feature_ablation", [0, 1, 2], batch_size=size).values for size in (1, 7, 1000, "auto")
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-6)
    assert found[0].dtype == dtype


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    for dtype, rtol, atol in (("float64", 1e-10, 1e-12), ("float32", 1e-4, 1e-5)):
        torch, paddle = (
            tl.explain(small_net(b, dtype=dtype), pictures(2), "feature_ablation", of="probability").values
            for b in both
        )
        np.testing.assert_allclose(torch, paddle, rtol=rtol, atol=atol)


def test_it_is_captums() -> None:
    attr = pytest.importorskip("captum.attr")
    model, x, start = small_net(need("torch"), dtype="float64"), pictures(3), pictures(3, seed=1)
    labels = np.random.default_rng(2).integers(0, 5, (3, 8, 8))
    native, native_start = (model.tensor(each.astype(np.float64)) for each in (x, start))
    expected = attr.FeatureAblation(model.net.eval()).attribute(
        native, baselines=native_start, target=[3, 0, 1], feature_mask=need("torch").asarray(labels)[None]
    )
    # One partition of the channels, said for each of the three pictures: (3, 8, 8) could be one for each picture.
    every = np.broadcast_to(labels, x.shape)
    found = tl.explain(model, x, "feature_ablation", [3, 0, 1], segments=every, baseline=start)
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=1e-6, atol=1e-8)


def test_bad_input_is_an_error(backend: Backend) -> None:
    model, x = small_net(backend), pictures(1)
    for bad in (
        {"segments": np.zeros((4, 4), int)},
        {"segments": np.zeros((8, 8))},
        {"baseline": np.inf},
        {"baseline": "black"},
        {"baseline": []},
        {"of": "score"},
    ):
        with pytest.raises(tl.errors.InputError):
            tl.explain(model, x, "feature_ablation", 0, **bad)
    for bad in ({"segments": "squares"}, {"segment_options": 3}, {"segment_options": {"size": 3}}, {"seed": 0.5}):
        with pytest.raises(tl.errors.MethodError):
            tl.explain(model, x, "feature_ablation", 0, **bad)
    with pytest.raises(tl.errors.InputError, match="cuts pictures"):
        tl.explain(linear_net(backend, np.eye(4)), np.ones((2, 4)), "feature_ablation", 0, segments="slic")
