"""Networks that the tests of this folder run, written natively for either framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend

from ..frameworks import paddle, torch


def native_nn(backend: Backend) -> Any:
    """The framework's own namespace of layers."""
    return torch.nn if backend.name == "torch" else paddle.nn


def layer_class(backend: Backend) -> Any:
    """The framework's own base class of networks."""
    return torch.nn.Module if backend.name == "torch" else paddle.nn.Layer


def need_keywords(backend: Backend) -> None:
    """Skip the test where hooks are told nothing of inputs that come by keyword: on older versions of Paddle."""
    if backend.name == "paddle":
        from twinlens.backends import paddle_backend

        if not (paddle_backend._PRE_SHOWS_KEYWORDS and paddle_backend._POST_SHOWS_KEYWORDS):
            pytest.skip("this version of Paddle does not show keyword inputs to hooks")


def build(backend: Backend, forward: Callable[[Any, Any], Any], **layers: Any) -> Any:
    """A user's own network class with the layers as attributes."""

    class Net(layer_class(backend)):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for name, layer in layers.items():
                setattr(self, name, layer)

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    return Net()


def linear(backend: Backend, inputs: int, outputs: int, seed: int = 0) -> Any:
    """The framework's own linear layer with weights from a seed."""
    return randomised(backend, backend.nn.Linear(inputs, outputs), seed)


def randomised(backend: Backend, net: Any, seed: int = 0) -> Any:
    """Weights and running statistics from one seed, the same on both frameworks."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, array in backend.state(net).items():
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 2.0, array.shape)
        else:
            state[name] = rng.normal(scale=0.5, size=array.shape)
    backend.load(net, {name: array.astype("float32") for name, array in state.items()})
    return net


def convolutional(backend: Backend, classes: int = 4, seed: int = 0) -> Any:
    """Convolution, batch norm, ReLU, pooling, dropout and two linear layers for pictures of 3 x 8 x 8."""
    nn = backend.nn
    layers = {
        "conv1": nn.Conv2d(3, 5, 3, padding=1),
        "norm1": nn.BatchNorm2d(5),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(5, 6, 3),
        "norm2": nn.BatchNorm2d(6),
        "relu2": nn.ReLU(),
        "flatten": nn.Flatten(),
        "fc1": nn.Linear(24, 7),
        "relu3": nn.ReLU(),
        "dropout": nn.Dropout(0.5),
        "fc2": nn.Linear(7, classes),
    }
    return randomised(backend, nn.Sequential(layers), seed)


def pictures(samples: int = 3, seed: int = 7) -> np.ndarray:
    """Random pictures for `convolutional`."""
    return np.random.default_rng(seed).normal(size=(samples, 3, 8, 8)).astype("float32")
