"""Activations in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...backends.protocol import Array

_erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    """Logistic function."""
    return 1 / (1 + np.exp(-x))


def gelu(x: Array, approximate: str = "none") -> Array:
    """Exact, or with the hyperbolic tangent."""
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def softmax(x: Array, axis: int) -> Array:
    """Shares that sum to 1 along an axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _softplus(x: Array, beta: float) -> Array:
    return np.logaddexp(0, beta * x) / beta


def _prelu(x: Array, weight: Array) -> Array:
    slope = weight.reshape((1, -1) + (1,) * (x.ndim - 2)) if weight.size > 1 else weight.item()
    return np.where(x > 0, x, slope * x)


_SELU = (1.0507009873554805, 1.6732632423543772)

PLAIN: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": gelu,
    "gelu with tanh": lambda x: gelu(x, "tanh"),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: _elu(x, 1.0),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "softplus": lambda x: _softplus(x, 1.0),
    "selu": lambda x: _SELU[0] * _elu(x, _SELU[1]),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "absolute value": np.abs,
    "exponential": np.exp,
    "sign change": np.negative,
}
"""Activations that a network may call as a function, by name, with their usual parameters."""

Formula = Callable[[Array, Mapping[str, Any], Mapping[str, Array]], Array]


def _plain(fn: Callable[[Array], Array]) -> Formula:
    return lambda x, s, w: fn(x)


ELEMENTWISE: dict[str, Formula] = {name: _plain(fn) for name, fn in PLAIN.items()} | {
    "identity": lambda x, s, w: x,
    "gelu": lambda x, s, w: gelu(x, s["approximate"]),
    "leaky_relu": lambda x, s, w: np.where(x > 0, x, s["negative_slope"] * x),
    "elu": lambda x, s, w: _elu(x, s["alpha"]),
    "softplus": lambda x, s, w: _softplus(x, s["beta"]),
    "softmax": lambda x, s, w: softmax(x, s["dim"]),
    "log_softmax": lambda x, s, w: np.log(softmax(x, s["dim"])),
    "hardtanh": lambda x, s, w: np.clip(x, s["low"], s["high"]),
    "prelu": lambda x, s, w: _prelu(x, w["weight"]),
}
"""Layers without windows or statistics, by their settings."""
