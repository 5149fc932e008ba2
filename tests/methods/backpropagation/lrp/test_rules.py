"""Every rule equals its formula written as two loops, on linear layers and convolutions of either framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from . import naive
from .nets import COMPOSITES, close, sequential

SHARED = {"gamma": naive.GAMMA, "alpha": naive.ALPHA, "beta": naive.BETA}
ONE_FOR_ALL = ("zero", "epsilon", "gamma", "plus", "alpha_beta", "excitation_backprop")
# Rules of the first layer, of convolutions, of linear layers.
RULES = {
    "epsilon_gamma_box": ("box", "gamma", "epsilon"),
    "epsilon_plus": ("plus", "plus", "epsilon"),
    "epsilon_plus_flat": ("flat", "plus", "epsilon"),
    "epsilon_alpha2_beta1": ("alpha2_beta1", "alpha2_beta1", "epsilon"),
    "epsilon_alpha2_beta1_flat": ("flat", "alpha2_beta1", "epsilon"),
} | {name: (name,) * 3 for name in ONE_FOR_ALL}


def convolutional(backend: Backend, bias: bool = True) -> tuple[Model, list[Any]]:
    nn = backend.nn
    model = sequential(
        backend,
        nn.Conv2d(2, 3, 3, padding=1, bias=bias),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2, stride=1, padding=1, bias=bias),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 3, bias=bias),
    )
    state = model.state()
    zeros = {"0.bias": np.zeros(3), "3.bias": np.zeros(4), "6.bias": np.zeros(3)}
    state = zeros | state
    layers = [
        naive.convolution(state["0.weight"], state["0.bias"], 4, padding=1),
        naive.relu,
        naive.MaxPool(4),
        naive.convolution(state["3.weight"], state["3.bias"], 2, padding=1),
        naive.relu,
        naive.dense(state["6.weight"], state["6.bias"]),
    ]
    return model, layers


def twin(layers: list[Any], rules: list[str], x: np.ndarray, epsilon: float) -> np.ndarray:
    """The sum of the relevance of class 1 over a batch, by loops."""
    return np.stack([naive.propagated(layers, rules, row.ravel(), 1, epsilon)[0].reshape(row.shape) for row in x])


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_convolutional_network_equals_two_loops_per_layer(
    backend: Backend, rng: np.random.Generator, composite: str
) -> None:
    model, layers = convolutional(backend)
    x = rng.random((2, 2, 4, 4))
    first, convolution, linear = RULES[composite]
    for epsilon in (0.0, 0.1):
        result = tl.explain(model, x, "lrp", 1, composite=composite, epsilon=epsilon, **SHARED)
        assert close(result.values, twin(layers, [first, convolution, linear], x, epsilon))


@pytest.mark.parametrize("first", ["box", "flat", "w_squared"])
def test_the_first_layer_may_have_another_rule(backend: Backend, rng: np.random.Generator, first: str) -> None:
    model, layers = convolutional(backend, bias=False)
    x = rng.random((2, 2, 4, 4))
    x[:, :, :2] = 0
    result = tl.explain(model, x, "lrp", 1, composite="plus", first=first, epsilon=0.05)
    assert close(result.values, twin(layers, [first, "plus", "plus"], x, 0.05))
    # These rules give relevance to what is 0.
    assert np.abs(result.values[:, :, :2]).max() > 0


@pytest.mark.parametrize("composite", ONE_FOR_ALL)
def test_inputs_of_both_signs_equal_two_loops_per_layer(
    backend: Backend, rng: np.random.Generator, composite: str
) -> None:
    nn = backend.nn
    model = sequential(backend, nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 5), nn.Linear(5, 3))
    state = model.state()
    numbers = [name.partition(".")[0] for name in state if name.endswith("weight")]
    first, second, third = (naive.dense(state[f"{n}.weight"], state[f"{n}.bias"]) for n in numbers)
    layers = [first, np.tanh, second, third]
    x = rng.normal(size=(3, 6))
    result = tl.explain(model, x, "lrp", 1, composite=composite, epsilon=0.02, **SHARED)
    assert close(result.values, twin(layers, [composite] * 3, x, 0.02))


def test_the_gamma_rule_lies_between_lrp_0_and_z_plus(backend: Backend, rng: np.random.Generator) -> None:
    model, _ = convolutional(backend)
    x = rng.random((2, 2, 4, 4))

    def relevance(composite: str, **params: Any) -> np.ndarray:
        return tl.explain(model, x, "lrp", 1, composite=composite, epsilon=0, **params).values

    assert close(relevance("gamma", gamma=0), relevance("zero"))
    assert close(relevance("alpha_beta", alpha=1, beta=0), relevance("plus"))


def test_relevance_is_nothing_where_a_denominator_is_nothing(backend: Backend) -> None:
    nn = backend.nn
    model = sequential(backend, nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    for composite in COMPOSITES:
        result = tl.explain(model, np.zeros((1, 3)), "lrp", 0, composite=composite, epsilon=0)
        assert np.isfinite(result.values).all()
