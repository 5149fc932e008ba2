"""Networks whose layers are called and ordered as a test wants, on either framework."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from twinlens.backends import Backend, Model, wrap

from ..nets import random_state

Forward = Callable[[Any, Any], Any]
Layers = Mapping[str, Any]

_NAMES = {"conv": ("Conv2d", "Conv2D"), "norm": ("BatchNorm2d", "BatchNorm2D"), "pool": ("MaxPool2d", "MaxPool2D")}


def layer(backend: Backend, kind: str, *args: Any, **options: Any) -> Any:
    """A layer of the framework's own, with positional arguments that both spell alike."""
    nn = importlib.import_module(f"{backend.name}.nn")
    names = _NAMES.get(kind, (kind, kind))
    return getattr(nn, names[backend.name == "paddle"])(*args, **options)


def named_net(backend: Backend, layers: Layers, forward: Forward, dtype: str = "float64", seed: int = 0) -> Model:
    """A network with ``layers[name] = (kind, *args)`` as attributes, defined in this order, joined by `forward`.

    Its weights are drawn in the order of definition.
    """
    nn = importlib.import_module(f"{backend.name}.nn")
    base = nn.Module if backend.name == "torch" else nn.Layer

    class Net(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            for name, (kind, *args) in layers.items():
                setattr(self, name, layer(backend, kind, *args))

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    model = wrap(Net(), dtype=dtype)
    return randomised(model, seed)


def in_turn(*names: str) -> Forward:
    """A forward that calls the layers one after the other."""

    def forward(net: Any, x: Any) -> Any:
        for name in names:
            x = getattr(net, name)(x)
        return x

    return forward


def randomised(model: Model, seed: int = 0) -> Model:
    """The model with weights of moderate size, none of them as a framework would start them."""
    state = model.state()
    drawn = random_state({f"{index:04d}.{name}": a.shape for index, (name, a) in enumerate(state.items())}, seed)
    model.load_state({name.partition(".")[2]: array for name, array in drawn.items()})
    return model


def state_bytes(model: Model) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state().items()}


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)
