"""A network with overlapping pools and a sum, spelt in four ways, and the same network written in NumPy."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import randomise

SHAPE = (2, 6, 6)
SPELLINGS = ("layers", "functions", "in place", "reused")
Array = np.ndarray


def functional(backend: Backend) -> Any:
    return importlib.import_module(f"{backend.name}.nn").functional


def formula(backend: Backend, forward: Callable[[Any, Any], Any], **children: Any) -> Model:
    """A float64 network of layers from `backend.nn` joined by ``forward(net, x)``."""
    return randomise(tl.wrap(backend.nn.Module(forward, **children), dtype="float64"))


def spelt_net(backend: Backend, spelling: str = "layers", pool: bool = True, operation: str = "relu") -> Model:
    """``p = pool(f(conv x)); scores = linear(f(conv p + p))``, windows of 3 every 2 pixels.

    Without `pool` there is neither pooling nor the sum.
    """
    nn, f = backend.nn, functional(backend)
    size = 3 * (9 if pool else 36)
    children = {
        "first": nn.Conv2d(2, 3, 3, padding=1),
        "second": nn.Conv2d(3, 3, 3, padding=1),
        "head": nn.Linear(size, 4),
    }
    if spelling in ("layers", "reused"):
        layer = {"relu": "ReLU", "tanh": "Tanh"}[operation]
        children |= {"one": getattr(nn, layer)(), "two": getattr(nn, layer)(), "pool": nn.MaxPool2d(3, 2, padding=1)}
    function = getattr(f, operation, None) or getattr(importlib.import_module(backend.name), operation)

    def forward(net: Any, x: Any) -> Any:
        one, two = {
            "layers": lambda: (net.one, net.two),
            "reused": lambda: (net.one, net.one),
            "functions": lambda: (function, function),
            "in place": lambda: (overwrite, overwrite),
        }[spelling]()
        h = one(net.first(x))
        if not pool:
            return net.head(two(net.second(h)).flatten(1))
        p = net.pool(h) if spelling in ("layers", "reused") else f.max_pool2d(h, 3, 2, 1)
        k = net.second(p)
        if spelling == "in place":
            k += p
        else:
            k = k + p
        return net.head(two(k).flatten(1))

    def overwrite(h: Any) -> Any:
        (getattr(f, operation + "_", None) or (lambda t: t.tanh_()))(h)
        return h

    return formula(backend, forward, **children)


class Twin:
    """The same network on one sample, by matrices and loops; rules for its nonlinear parts are given as functions."""

    def __init__(self, model: Model, pool: bool = True, operation: Callable[[Array], Array] | None = None) -> None:
        state = model.state()
        self.pool = pool
        self.f = operation or (lambda z: np.maximum(z, 0))
        self.first = convolution(state["first.weight"], SHAPE)
        self.second = convolution(state["second.weight"], (3, 3, 3) if pool else (3, 6, 6))
        self.biases = [
            np.repeat(state[f"{n}.bias"], size) for n, size in (("first", 36), ("second", 9 if pool else 36))
        ]
        self.head, self.head_bias = state["head.weight"], state["head.bias"]

    def run(self, x: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Before and after the first activation, after pooling, before the second activation, scores."""
        z = self.first @ x.ravel() + self.biases[0]
        h = self.f(z)
        p = np.array([h[window].max() for window in windows()]) if self.pool else h
        k = self.second @ p + self.biases[1] + (p if self.pool else 0)
        return z, h, p, k, self.head @ self.f(k) + self.head_bias

    def backward(
        self,
        row: Array,
        activation: Callable[[Array, int], Array],
        unpool: Callable[[Array], Array],
    ) -> Array:
        """What arrives at the input; ``activation(signal, which)`` is the rule of the first (0) or second (1) one."""
        at_k = activation(row, 1)
        at_p = self.second.T @ at_k + at_k
        return (self.first.T @ activation(unpool(at_p), 0)).reshape(SHAPE)


def windows() -> list[Array]:
    """Places of the 27 windows in 3 maps of 6 x 6, those outside left out."""
    places = np.arange(108).reshape(3, 6, 6)
    return [
        places[c, max(0, 2 * i - 1) : 2 * i + 2, max(0, 2 * j - 1) : 2 * j + 2].ravel()
        for c in range(3)
        for i in range(3)
        for j in range(3)
    ]


def convolution(weight: Array, shape: tuple[int, int, int]) -> Array:
    """The matrix of a 3 x 3 convolution with padding 1."""
    channels, height, width = shape
    matrix = np.zeros((len(weight), height, width, channels, height, width))
    for i, j, di, dj in _reach(height, width):
        matrix[:, i, j, :, i + di, j + dj] = weight[:, :, di + 1, dj + 1]
    return matrix.reshape(len(weight) * height * width, -1)


def _reach(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    for i in range(height):
        for j in range(width):
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        yield i, j, di, dj
