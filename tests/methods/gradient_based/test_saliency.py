"""Saliency is the exact gradient of what `of` names."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import CLASSES, PICTURE, linear_net, pictures, power_net, small_net

ALL_OF = ("logit", "probability", "log_probability", "loss")


def explained_number(model: Model, x: np.ndarray, target: np.ndarray, of: str) -> np.ndarray:
    scores = model.forward(x).astype(np.float64)
    rows = np.arange(len(x))
    if of == "logit":
        return scores[rows, target]
    log_probability = scores[rows, target] - np.log(np.exp(scores).sum(axis=1))
    return {"probability": np.exp(log_probability), "log_probability": log_probability, "loss": -log_probability}[of]


def test_of_a_linear_network_it_is_the_row_of_weights(backend: Backend, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(4, 12))
    model = linear_net(backend, weights, rng.normal(size=4))
    found = tl.explain(model, rng.random((3, 12)), "saliency", target=[2, 0, 3])
    np.testing.assert_allclose(found.values, weights[[2, 0, 3]], rtol=1e-14)


@pytest.mark.parametrize("of", ALL_OF)
def test_of_a_linear_network_softmax_mixes_the_rows(backend: Backend, rng: np.random.Generator, of: str) -> None:
    weights, x = rng.normal(size=(4, 6)), rng.random((2, 6))
    powers = np.exp(x @ weights.T)
    p = powers / powers.sum(axis=1, keepdims=True)
    log_gradient = weights[1] - p @ weights
    expected = {
        "logit": np.broadcast_to(weights[1], x.shape),
        "probability": p[:, 1:2] * log_gradient,
        "log_probability": log_gradient,
        "loss": -log_gradient,
    }
    found = tl.explain(linear_net(backend, weights), x, "saliency", target=1, of=of)
    np.testing.assert_allclose(found.values, expected[of], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("of", ALL_OF)
def test_it_equals_finite_differences(backend: Backend, of: str) -> None:
    model = small_net(backend, dtype="float64")
    x = pictures(1).astype(np.float64)
    step = 1e-6 * np.eye(x.size).reshape(x.size, *PICTURE)
    target = np.full(x.size, 3)
    slopes = (explained_number(model, x + step, target, of) - explained_number(model, x - step, target, of)) / 2e-6
    found = tl.explain(model, x, "saliency", target=3, of=of)
    np.testing.assert_allclose(found.values.ravel(), slopes, rtol=1e-6, atol=1e-8)


def test_without_a_target_the_predicted_class_is_explained_and_recorded(backend: Backend) -> None:
    model, x = small_net(backend), pictures(4)
    found = tl.explain(model, x, "saliency")
    predicted = model.forward(x).argmax(axis=1)
    np.testing.assert_array_equal(found.target, predicted)
    np.testing.assert_array_equal(found.values, tl.explain(model, x, "saliency", predicted.tolist()).values)


def test_a_function_of_the_scores_is_a_target(backend: Backend, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(3, 5))
    found = tl.explain(linear_net(backend, weights), rng.random((2, 5)), "saliency", lambda s: s[:, 0] - 2 * s[:, 2])
    np.testing.assert_allclose(found.values, np.tile(weights[0] - 2 * weights[2], (2, 1)), rtol=1e-13)
    assert found.target is None


def test_the_sign_is_kept_and_the_shape_is_the_inputs(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    found = tl.explain(model, x, "saliency", target=0)
    assert found.values.shape == x.shape
    assert found.values.dtype == np.float32
    assert (found.values < 0).any()
    assert (found.values > 0).any()
    assert found.error is None
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_sample_does_not_feel_its_batch(backend: Backend, size: int) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(5)
    targets = [0, 1, 2, 3, 4]
    alone = [tl.explain(model, x[i : i + 1], "saliency", i, of="loss").values[0] for i in targets]
    found = tl.explain(model, x, "saliency", targets, of="loss", batch_size=size)
    np.testing.assert_allclose(found.values, alone, rtol=1e-12, atol=1e-15)


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    x = pictures(3)
    for of in ALL_OF:
        torch, paddle = (tl.explain(small_net(b, dtype="float64"), x, "saliency", 2, of=of) for b in both)
        np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-10, atol=1e-14)


def test_a_saturated_class_has_a_zero_map(backend: Backend) -> None:
    model = power_net(backend, np.ones((2, 4)), 2)
    found = tl.explain(model, np.zeros((1, 4)), "saliency", target=0)
    assert not found.values.any()


@pytest.mark.parametrize("target", [CLASSES, -1, [0, CLASSES], [0], [0, 1, 2], 1.5, "cat", [0.0, 1.0], [[0, 1]]])
def test_a_target_that_does_not_exist_is_refused(backend: Backend, target: object) -> None:
    with pytest.raises(tl.errors.TargetError):
        tl.explain(small_net(backend), pictures(2), "saliency", target)


def test_a_target_function_must_return_one_number_per_sample(backend: Backend) -> None:
    for wrong in (lambda s: s, lambda s: s.sum(), lambda s: 1.0):
        with pytest.raises(tl.errors.TargetError, match="one number per sample"):
            tl.explain(small_net(backend), pictures(2), "saliency", wrong)


def test_an_unknown_quantity_is_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="logits"):
        tl.explain(small_net(backend), pictures(1), "saliency", of="logits")
