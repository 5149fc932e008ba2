"""Captum as a second opinion on torch, where it computes the same thing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import need
from ...nets import pictures, small_net
from .nets import inputs, tanh_net

attr: Any = pytest.importorskip("captum.attr")
pytestmark = pytest.mark.filterwarnings("ignore:.*[Ss]etting.*hooks.*:UserWarning")

LAYER = "4"


@pytest.fixture
def torch_backend() -> Backend:
    return need("torch")


def ours(method: str, target: int | None, **params: Any) -> np.ndarray:
    model = small_net(need("torch"), dtype="float64")
    return tl.explain(model, pictures(3), method, target, layer=LAYER, **params).values


def theirs(kind: str, **arguments: Any) -> np.ndarray:
    backend = need("torch")
    model = small_net(backend, dtype="float64")
    method = getattr(attr, kind)(model.net.eval(), backend.modules(model.net)[LAYER])
    x = backend.asarray(pictures(3), "float64").requires_grad_()
    return backend.numpy(backend.detach(method.attribute(x, **arguments)))


# Captum keeps points and weights of the path in float32.
FLOAT32_WEIGHTS = 2e-7


def same(mine: np.ndarray, other: np.ndarray, rtol: float = 1e-10) -> None:
    np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol * np.abs(other).max())


def test_layer_activation(torch_backend: Backend) -> None:
    same(ours("layer_activation", None), theirs("LayerActivation"))


def test_layer_gradient_x_activation(torch_backend: Backend) -> None:
    same(ours("layer_gradient_x_activation", 2), theirs("LayerGradientXActivation", target=2))


def test_layer_integrated_gradients(torch_backend: Backend) -> None:
    found = ours("layer_integrated_gradients", 2, steps=20)
    same(found, theirs("LayerIntegratedGradients", target=2, n_steps=20), FLOAT32_WEIGHTS)


def test_internal_influence(torch_backend: Backend) -> None:
    found = ours("internal_influence", 2, steps=20)
    same(found, theirs("InternalInfluence", target=2, n_steps=20), FLOAT32_WEIGHTS)


def test_neuron_gradient(torch_backend: Backend) -> None:
    same(ours("neuron_gradient", None, neuron=(3, 1, 2)), theirs("NeuronGradient", neuron_selector=(3, 1, 2)))


def test_neuron_integrated_gradients(torch_backend: Backend) -> None:
    same(
        ours("neuron_integrated_gradients", None, neuron=(3, 1, 2), steps=20),
        theirs("NeuronIntegratedGradients", neuron_selector=(3, 1, 2), n_steps=20),
        FLOAT32_WEIGHTS,
    )


def test_neuron_guided_backprop(torch_backend: Backend) -> None:
    same(
        ours("neuron_guided_backprop", None, neuron=(3, 1, 2)),
        theirs("NeuronGuidedBackprop", neuron_selector=(3, 1, 2)),
    )


def smooth(kind: str, **arguments: Any) -> np.ndarray:
    backend = need("torch")
    model = tanh_net(backend)
    method = getattr(attr, kind)(model.net.eval(), backend.modules(model.net)["units"])
    x = backend.asarray(inputs()).requires_grad_()
    return backend.numpy(backend.detach(method.attribute(x, target=1, **arguments)))


def test_layer_conductance(torch_backend: Backend) -> None:
    found = tl.explain(tanh_net(torch_backend), inputs(), "layer_conductance", 1, layer="units", steps=40).values
    # Captum's sum is of first order: its error halves as its steps double, towards ours.
    errors = [np.abs(smooth("LayerConductance", n_steps=n) - found).max() for n in (500, 1000)]
    assert errors[1] < 5e-3
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.05)


def test_neuron_conductance(torch_backend: Backend) -> None:
    model = tanh_net(torch_backend)
    found = tl.explain(model, inputs(), "neuron_conductance", 1, layer="units", neuron=2, steps=60).values
    best = smooth("NeuronConductance", neuron_selector=2, n_steps=60, method="gausslegendre")
    same(found, best, FLOAT32_WEIGHTS)
    # The weights of its default rule sum to 1 - 1 / n, and the conductance is too small by as much; ours is not.
    default = smooth("NeuronConductance", neuron_selector=2, n_steps=60)
    np.testing.assert_allclose(default / best, 59 / 60, rtol=1e-3)
