"""A layer norm has the same gradient on both frameworks, whatever else a gradient is asked for."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ..frameworks import need, paddle


def layer_norm_net(backend: Backend, rng: np.random.Generator, **options: Any) -> tl.Model:
    nn = importlib.import_module(f"{backend.name}.nn")
    model = tl.wrap(nn.Sequential(nn.LayerNorm(6, **options), nn.Linear(6, 3)), dtype="float64")
    model.load_state({name: rng.normal(size=array.shape) for name, array in model.state().items()})
    return model


def by_hand(state: dict[str, np.ndarray], x: np.ndarray, target: int) -> np.ndarray:
    """The gradient of one score by the textbook's formula."""
    centred = x - x.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    normal, g = centred / spread, state["1.weight"][target] * state["0.weight"]
    return (g - g.mean() - normal * (g * normal).mean(-1, keepdims=True)) / spread


def test_the_gradient_is_the_textbooks(backend: Backend, rng: np.random.Generator) -> None:
    model, x = layer_norm_net(backend, rng), rng.normal(size=(4, 6))
    np.testing.assert_allclose(model.gradient(x, 1), by_hand(model.state(), x, 1), rtol=1e-8, atol=1e-10)


def test_scores_do_not_change(rng: np.random.Generator) -> None:
    backend = need("paddle")
    model, x = layer_norm_net(backend, rng), rng.normal(size=(4, 6))
    np.testing.assert_allclose(model.forward(x), model.net(paddle.to_tensor(x)).numpy(), rtol=1e-12)


@pytest.mark.parametrize("options", [{"weight_attr": False}, {"bias_attr": False}, {"epsilon": 1e-3}])
def test_every_kind_of_layer_norm_runs(options: dict[str, Any], rng: np.random.Generator) -> None:
    model, x = layer_norm_net(need("paddle"), rng, **options), rng.normal(size=(4, 6))
    step, gradient = 1e-6, model.gradient(x, 1)
    for place in range(6):
        shift = np.eye(6)[place] * step
        slope = (model.forward(x + shift)[:, 1] - model.forward(x - shift)[:, 1]) / (2 * step)
        np.testing.assert_allclose(gradient[:, place], slope, rtol=1e-5, atol=1e-7)


def test_paddle_itself_is_left_alone(rng: np.random.Generator) -> None:
    model = layer_norm_net(need("paddle"), rng)
    operator = paddle._C_ops.layer_norm
    x = rng.normal(size=(4, 6))
    with model.backend.frozen(model.net):
        model.gradient(x, 1)
    threads = [threading.Thread(target=model.gradient, args=(x, 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(tl.errors.TwinlensError):
        model.gradient(x[:, :3], 1)
    assert paddle._C_ops.layer_norm is operator
