"""Feature permutation: values from other samples, no donor twice, exact when all have given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.donors import drawn_rows, other_samples

from ...frameworks import need
from ...nets import linear_net, pictures, small_net

QUARTERS = {"segments": "grid", "segment_options": {"cells": 2}}


def test_with_all_donors_a_linear_network_gives_the_distance_from_the_others_mean(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.normal(size=(3, 5)), rng.normal(size=(6, 5))
    found = tl.explain(linear_net(backend, weights), x, "feature_permutation", 1, samples=5)
    others = (x.sum(axis=0) - x) / 5
    np.testing.assert_allclose(found.values, weights[1] * (x - others), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(found.error.values, 0)
    assert found.evaluations == 6 * 5 * 5
    more = tl.explain(linear_net(backend, weights), x, "feature_permutation", 1, samples=1000)
    np.testing.assert_allclose(more.values, found.values, rtol=1e-10)
    assert more.evaluations == found.evaluations


def test_with_a_background_the_donors_are_its_rows(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    weights, x, rows = rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rng.normal(size=(7, 4))
    model = linear_net(backend, weights)
    found = tl.explain(model, x, "feature_permutation", 0, samples=7, background=rows)
    np.testing.assert_allclose(found.values, weights[0] * (x - rows.mean(axis=0)), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(found.error.values, 0)
    one = tl.explain(model, x[:1], "feature_permutation", 0, samples=1, background=rows[:1])
    np.testing.assert_allclose(one.values, weights[0] * (x[:1] - rows[0]), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(one.error.values, 0)


def test_it_is_a_loop_over_parts_and_donors(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    labels = np.random.default_rng(2).integers(0, 3, (4, 8, 8))
    found = tl.explain(model, x, "feature_permutation", 2, samples=3, segments=labels)
    scores = model.forward(x)[:, 2]
    for i in range(4):
        for label in range(3):
            mixed = np.stack([np.where(labels[i] == label, x[j], x[i]) for j in range(4) if j != i])
            drop = scores[i] - model.forward(mixed)[:, 2].mean()
            np.testing.assert_allclose(found.values[i, 0][labels[i] == label], drop, rtol=1e-9, atol=1e-12)
    assert found.values.shape == (4, 1, 8, 8)
    assert found.extras["segments"].shape == (4, 8, 8)


def test_a_network_that_ignores_a_column_gives_it_zero(backend: Backend) -> None:
    weights = np.array([[1.0, 0.0, -2.0], [0.0, 0.0, 1.0]])
    found = tl.explain(linear_net(backend, weights), pictures(8, shape=(3,)), "feature_permutation", 0, samples=3)
    assert not found.values[:, 1].any()
    assert found.values[:, 0].any()


@pytest.mark.parametrize(("inputs", "samples"), [(2, 1), (5, 2), (5, 4), (8, 20)])
def test_every_draw_is_a_permutation_that_moves_every_sample(inputs: int, samples: int) -> None:
    donors = other_samples(inputs, samples, 1)
    assert donors.shape == (inputs, min(samples, inputs - 1))
    for draw in donors.T:
        assert sorted(draw) == list(range(inputs))
        assert (draw != np.arange(inputs)).all()
    assert all(len(set(row)) == len(row) for row in donors)


@pytest.mark.parametrize(("inputs", "rows", "samples"), [(1, 1, 3), (3, 8, 5), (9, 4, 4), (9, 4, 2)])
def test_no_row_of_the_background_is_drawn_twice(inputs: int, rows: int, samples: int) -> None:
    donors = drawn_rows(inputs, rows, samples, 1)
    assert donors.shape == (inputs, min(samples, rows))
    assert all(len(set(row)) == len(row) and set(row) <= set(range(rows)) for row in donors)


def test_donors_are_drawn_evenly() -> None:
    drawn = np.zeros((4, 4))
    for seed in range(600):
        for i, (donor,) in enumerate(other_samples(4, 1, seed)):
            drawn[i, donor] += 1
    assert not np.diag(drawn).any()
    assert (np.abs(drawn[~np.eye(4, dtype=bool)] - 200) < 60).all()


def test_the_standard_error_is_what_repetitions_show(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    model, x = linear_net(backend, rng.normal(size=(2, 3))), rng.normal(size=(2, 3))
    rows = rng.normal(size=(30, 3))
    exact = tl.explain(model, x, "feature_permutation", 0, samples=30, background=rows).values
    found = [
        tl.explain(model, x, "feature_permutation", 0, samples=12, background=rows, seed=seed) for seed in range(150)
    ]
    deviation = np.sqrt(np.mean([((one.values - exact) ** 2).sum(axis=1) for one in found], axis=0))
    stated = np.sqrt(np.mean([one.error.values**2 for one in found], axis=0))
    np.testing.assert_allclose(stated, deviation, rtol=0.15)


def test_a_sample_meets_the_same_rows_of_a_background_whoever_stands_beside_it(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    model, x, rows = linear_net(backend, rng.normal(size=(2, 3))), rng.normal(size=(4, 3)), rng.normal(size=(30, 3))
    call: dict[str, Any] = {"samples": 5, "background": rows}
    together = tl.explain(model, x, "feature_permutation", 0, **call)
    for count in (1, 2):
        found = tl.explain(model, x[:count], "feature_permutation", 0, **call)
        np.testing.assert_allclose(found.values, together.values[:count], rtol=1e-12)
        np.testing.assert_allclose(found.error.values, together.error.values[:count], rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 5, "auto"])
def test_the_standard_error_of_nearly_equal_drops_does_not_cancel(backend: Backend, batch_size: Any) -> None:
    rows = 1e-3 * np.random.default_rng(0).normal(size=(8, 2))
    model = linear_net(backend, np.array([[1.0, 0.0], [0.0, 1.0]]))
    found = tl.explain(
        model, np.full((1, 2), 1e6), "feature_permutation", 0, samples=4, background=rows, batch_size=batch_size
    )
    drawn = rows[drawn_rows(1, 8, 4, 0)[0], 0]
    np.testing.assert_allclose(found.error.values, drawn.std(ddof=1) * np.sqrt((1 - 4 / 8) / 4), rtol=1e-4)


def test_one_draw_has_no_known_error(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(3), "feature_permutation", 0, samples=1, **QUARTERS)
    assert np.isnan(found.error.values).all()


def test_the_seed_decides(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(6)
    found = [
        tl.explain(model, x, "feature_permutation", 0, samples=2, seed=seed, **QUARTERS).values for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_batch_size_does_not_matter(backend: Backend, dtype: str) -> None:
    model, x = small_net(backend, dtype=dtype), pictures(4)
    call: dict[str, Any] = {"samples": 2, **QUARTERS}
    found = [
        tl.explain(model, x, "feature_permutation", [0, 1, 2, 3], batch_size=size, **call)
        for size in (1, 7, 1000, "auto")
    ]
    rtol = 1e-4 if dtype == "float32" else 1e-10
    for other in found[1:]:
        np.testing.assert_allclose(other.values, found[0].values, rtol=rtol, atol=1e-6)
        np.testing.assert_allclose(other.error.values, found[0].error.values, rtol=rtol)
    assert found[0].values.dtype == dtype


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    for dtype, rtol, atol in (("float64", 1e-10, 1e-12), ("float32", 1e-4, 1e-5)):
        torch, paddle = (
            tl.explain(small_net(b, dtype=dtype), pictures(5), "feature_permutation", samples=2, of="probability")
            for b in both
        )
        np.testing.assert_allclose(torch.values, paddle.values, rtol=rtol, atol=atol)


def test_it_is_captums_with_the_same_donors() -> None:
    attr = pytest.importorskip("captum.attr")
    model, x = small_net(need("torch"), dtype="float64"), pictures(5)
    labels = np.random.default_rng(2).integers(0, 4, (8, 8))
    native = model.tensor(x.astype(np.float64))

    def expected(draw: np.ndarray) -> np.ndarray:
        permuted = attr.FeaturePermutation(
            model.net.eval(), lambda inputs, mask: mask * inputs[draw] + ~mask * inputs
        ).attribute(native, target=1, feature_mask=need("torch").asarray(labels)[None, None])
        return np.asarray(permuted.detach().numpy())

    draws = other_samples(5, 3, 7).T
    found = tl.explain(model, x, "feature_permutation", 1, samples=3, seed=7, segments=labels)
    mean = np.mean([expected(draw) for draw in draws], axis=0)
    np.testing.assert_allclose(np.broadcast_to(found.values, x.shape), mean, rtol=1e-6, atol=1e-8)


def test_a_batch_of_one_has_nothing_to_shuffle(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="batch of one"):
        tl.explain(small_net(backend), pictures(1), "feature_permutation", 0)


def test_bad_input_is_an_error(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    for samples in (0, -1, 2.5, True, None, "10"):
        with pytest.raises(tl.errors.MethodError, match="samples="):
            tl.explain(model, x, "feature_permutation", 0, samples=samples)
    for background in (np.zeros((2, 3, 4, 4)), np.zeros((0, 3, 8, 8)), np.full((2, 3, 8, 8), np.nan), "rows", 0):
        with pytest.raises(tl.errors.InputError, match="background"):
            tl.explain(model, x, "feature_permutation", 0, background=background)
    with pytest.raises(tl.errors.MethodError, match="seed"):
        tl.explain(model, x, "feature_permutation", 0, seed=None)
