"""Networks whose inner layers have closed forms, or are awkward in one way each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import randomise

WEIGHTS = np.random.default_rng(3).normal(0, 0.6, (4, 6))
"""Of the layer ``hidden``: 4 units, 6 inputs."""
READOUT = np.random.default_rng(4).normal(0, 1, (4, 3))
"""From the units to 3 classes."""

LAYER_METHODS: dict[str, dict[str, Any]] = {
    "layer_activation": {},
    "layer_gradient_x_activation": {},
    "layer_integrated_gradients": {"steps": 6},
    "layer_conductance": {"steps": 6},
    "internal_influence": {"steps": 6},
    "layer_deeplift": {},
    "layer_deepshap": {},
    "layer_expected_gradients": {"samples": 6},
    "layer_feature_ablation": {},
    "layer_feature_permutation": {"samples": 2},
    "layer_lrp": {},
}
NEURON_METHODS: dict[str, dict[str, Any]] = {
    "neuron_gradient": {},
    "neuron_integrated_gradients": {"steps": 6},
    "neuron_conductance": {"steps": 6},
    "neuron_guided_backprop": {},
}
CONCEPT_METHODS: dict[str, dict[str, Any]] = {"tcav": {"runs": 2}}
"""Their values have a column per concept, not the shape of the layer."""
TARGETED = tuple(name for name in LAYER_METHODS if name != "layer_activation")
BY_REPLACING = ("layer_feature_ablation", "layer_feature_permutation")
"""They need no gradient."""


def explained(model: Model, x: np.ndarray, method: str, target: Any = None, **params: Any) -> tl.Explanation:
    """As `explain`; zeros are the background, and random numbers the examples, where a method needs them."""
    if method in ("layer_deepshap", "layer_expected_gradients"):
        params["background"] = 0 * x[:1]
    if method in CONCEPT_METHODS:
        many = np.random.default_rng(7).random((9, *x.shape[1:]))
        params |= {"concepts": {"first": many[:3]}, "random": many[3:]}
    return tl.explain(model, x, method, target, **params)


def inputs(samples: int = 2, features: int = 6) -> np.ndarray:
    return np.random.default_rng(9).normal(0, 1, (samples, features))


def native(backend: Backend, layers: dict[str, Any], forward: Callable[[Any, Any], Any]) -> Any:
    """A network with the layers given and ``forward(network, x)``."""
    nn = importlib.import_module(f"{backend.name}.nn")
    base = nn.Module if backend.name == "torch" else nn.Layer

    class Net(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    return Net()


def step(backend: Backend, formula: Callable[[Any], Any]) -> Any:
    """A layer without weights."""
    return native(backend, {}, lambda _net, x: formula(x))


def linear(backend: Backend, features: int, outputs: int) -> Any:
    return importlib.import_module(f"{backend.name}.nn").Linear(features, outputs)


def relu_(backend: Backend, x: Any) -> Any:
    """ReLU in place."""
    return importlib.import_module(f"{backend.name}.nn").functional.relu_(x)


def hidden_net(
    backend: Backend, squash: Callable[[Any], Any] = lambda y: y, power: int = 3, around: float = 0.0
) -> Model:
    """``scores = (squash(W x) ** power) @ V``; the layer ``units`` returns ``squash(W x)``.

    With `around`, so much of the first input reaches every score without passing the layer.
    """
    readout = backend.asarray(READOUT)

    def forward(net: Any, x: Any) -> Any:
        scores = (net.units(net.hidden(x)) ** power) @ readout
        return scores + around * x[:, :1] if around else scores

    layers = {"hidden": linear(backend, 6, 4), "units": step(backend, squash)}
    model = tl.wrap(native(backend, layers, forward), dtype="float64")
    model.load_state({"hidden.weight": WEIGHTS, "hidden.bias": np.zeros(4)})
    return model


def tanh_net(backend: Backend) -> Model:
    """``scores = tanh(tanh(W x) @ V)``: smooth everywhere; the layer ``units`` returns ``tanh(W x)``."""
    readout = backend.asarray(READOUT)
    layers = {"hidden": linear(backend, 6, 4), "units": step(backend, lambda y: y.tanh())}
    net = native(backend, layers, lambda net, x: (net.units(net.hidden(x)) @ readout).tanh())
    model = tl.wrap(net, dtype="float64")
    model.load_state({"hidden.weight": WEIGHTS, "hidden.bias": np.zeros(4)})
    return model


def product_net(backend: Backend) -> Model:
    """``score = y0 · y1`` with ``y0 = x, y1 = x²``: the path of the units is not straight."""
    layers = {"units": step(backend, lambda x: backend.concat([x, x**2], 1)), "scale": linear(backend, 1, 1)}
    net = native(backend, layers, lambda net, x: _product(net.units(net.scale(x))))
    model = tl.wrap(net, dtype="float64")
    model.load_state({"scale.weight": np.ones((1, 1)), "scale.bias": np.zeros(1)})
    return model


def _product(y: Any) -> Any:
    return y[:, :1] * y[:, 1:]


def token_net(backend: Backend) -> Model:
    """Inputs of 4 tokens with 3 features; the layer ``embed`` returns (N, 4, 5), and 2 classes read their squares."""
    layers = {"embed": linear(backend, 3, 5), "head": linear(backend, 5, 2)}
    net = native(backend, layers, lambda net, x: net.head((net.embed(x) ** 2).mean(1)))
    return randomise(tl.wrap(net, dtype="float64"))


def spelt_net(backend: Backend, spelling: str) -> Model:
    """Convolution ``conv``, batch norm ``norm`` and ReLU in one of three spellings, then a linear layer."""
    nn = importlib.import_module(f"{backend.name}.nn")
    torch = backend.name == "torch"
    relu: dict[str, Callable[[Any], Any]] = {
        "module": nn.ReLU(),
        "functional": nn.functional.relu,
        "in place": lambda y: relu_(backend, y),
    }
    layers = {
        "conv": (nn.Conv2d if torch else nn.Conv2D)(3, 4, 3),
        "norm": (nn.BatchNorm2d if torch else nn.BatchNorm2D)(4),
        "head": nn.Linear(144, 3),
    }
    if spelling == "module":
        layers["act"] = relu["module"]

    def forward(net: Any, x: Any) -> Any:
        return net.head(relu[spelling](net.norm(net.conv(x))).flatten(1))

    return randomise(tl.wrap(native(backend, layers, forward), dtype="float64"))


def awkward_net(backend: Backend) -> Model:
    """Layers that cannot be explained: used twice, never, without influence, returning a tuple or whole numbers."""
    layers = {
        "twice": linear(backend, 6, 6),
        "never": linear(backend, 6, 6),
        "aside": linear(backend, 6, 6),
        "pair": step(backend, lambda y: (y, y)),
        "folded": step(backend, lambda y: y.reshape((-1, 3))),
        "whole": step(backend, lambda y: y.argmax(1)),
        "head": linear(backend, 6, 3),
    }

    def forward(net: Any, x: Any) -> Any:
        net.aside(x)
        y = net.twice(net.twice(x))
        whole = net.whole(y)
        y = net.folded(net.pair(y)[0]).reshape((-1, 6))
        return net.head(y) + 0 * backend.asarray(backend.numpy(whole)[:, None].astype("float64"))

    return randomise(tl.wrap(native(backend, layers, forward), dtype="float64"))
