"""Backgrounds: what the model says of them on average."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.background import mean_worth, worth

from ..frameworks import need, torch
from ..nets import formula_net, linear_net, pictures


def double(backend: Backend) -> tl.Model:
    return linear_net(backend, np.array([[1.0, 2.0], [3.0, 4.0]]))


def test_each_sample_has_the_mean_of_its_own_target(backend: Backend) -> None:
    rows = np.array([[1.0, 0.0], [3.0, 2.0]])
    found = mean_worth(double(backend), rows, np.array([1, 0, 1]), 3, "logit", "auto")
    np.testing.assert_allclose(found, [10, 4, 10])
    of_both = mean_worth(double(backend), rows, lambda scores: scores[:, 0] + scores[:, 1], 3, "logit", "auto")
    np.testing.assert_allclose(of_both, [14, 14, 14])


def as_type(backend: Backend, t: Any, dtype: str) -> Any:
    return t.astype(dtype) if backend.name == "paddle" else t.to(getattr(torch, dtype))


@pytest.mark.parametrize("offset", [1e6, 1e39])
def test_scores_keep_the_precision_and_the_range_that_they_have(backend: Backend, offset: float) -> None:
    def formula(u: Any, w: Any) -> Any:
        return (1 + 1e-7 * as_type(backend, u @ w, "float64")) * offset

    model = formula_net(backend, formula, np.array([[1.0, 3.0], [2.0, 4.0]]), "float32")
    rows = np.array([[1.0, 0.0], [3.0, 2.0]], dtype=np.float32)
    found = mean_worth(model, rows, np.array([1, 0]), 2, "logit", "auto")
    np.testing.assert_allclose(found / offset, [1 + 10e-7, 1 + 4e-7], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e6, -1e6])
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("integrated_gradients", {"baseline": 0.5}),
        ("expected_gradients", {"background": pictures(1, seed=1), "samples": 3}),
    ],
)
def test_the_residual_is_as_precise_as_the_scores(
    backend: Backend, method: str, params: dict[str, Any], scale: float
) -> None:
    def formula(u: Any, w: Any) -> Any:
        return as_type(backend, u @ w, "float64") + scale

    weights = np.random.default_rng(0).normal(size=(192, 2))
    model, x = formula_net(backend, formula, weights, "float32"), pictures(2)
    found = tl.explain(model, x, method, 1, **params)
    start = np.broadcast_to(params.get("background", 0.5), x.shape)
    rise = (model.forward(x) - model.forward(start))[:, 1]
    np.testing.assert_allclose(found.error.scale, rise, rtol=1e-9)
    assert found.error.worst < 1e-5


@pytest.mark.parametrize("method", ["integrated_gradients", "blur_integrated_gradients", "guided_integrated_gradients"])
def test_the_residual_is_held_against_a_difference_that_the_scores_type_cannot_hold(method: str) -> None:
    # On the processor only torch computes in half precision.
    backend = need("torch")
    x = np.full((1, 3, 4, 4), -1.0, dtype=np.float32)
    x[..., :2] = 1
    # From -60000, of black and of the picture blurred to its mean, to 60000.
    model = formula_net(
        backend, lambda u, w: as_type(backend, 6e4 * (u @ w - 24).tanh(), "float16"), x.reshape(48, 1), "float32"
    )
    found = tl.explain(model, x, method, 0)
    np.testing.assert_array_equal(found.error.scale, [1.2e5])


@pytest.mark.parametrize("alike", [True, False])
def test_a_worth_that_is_not_finite_is_an_error(backend: Backend, alike: bool) -> None:
    model, baseline = double(backend), np.zeros((2, 2))
    baseline[1] = 0.0 if alike else 1.0

    def log(scores: Any) -> Any:
        return scores[:, 0].log()

    for call in (
        lambda: worth(model, baseline, log, "logit", "auto"),
        lambda: mean_worth(model, baseline, log, 2, "logit", "auto"),
    ):
        with pytest.raises(tl.errors.NonFiniteError):
            call()


@pytest.mark.parametrize("method", ["exact_shapley", "kernelshap", "integrated_gradients"])
def test_a_target_without_a_value_at_the_baseline_is_an_error(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.NonFiniteError):
        tl.explain(double(backend), np.ones((1, 2)), method, lambda scores: scores[:, 0].log())
