"""Normalisations in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.protocol import Array
from .lab_elementwise import PLAIN

Values = Mapping[str, Any]


def normalised(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    """Mean 0 and variance 1 over some axes."""
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


def _scaled(x: Array, weights: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    weight, bias = weights.get("weight"), weights.get("bias")
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _channels(x: Array) -> tuple[int, ...]:
    return (1, -1) + (1,) * (x.ndim - 2)


def batch_norm(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """With the running statistics, or with those of the batch."""
    shape = _channels(x)
    if settings.get("statistics") == "batch":
        y = normalised(x, (0, *range(2, x.ndim)), settings["eps"])
    else:
        mean, variance = (weights[name].reshape(shape) for name in ("running_mean", "running_var"))
        y = (x - mean) / np.sqrt(variance + settings["eps"])
    y = _scaled(y, weights, shape)
    return PLAIN[settings["act"]](y) if settings.get("act") else y


def layer_norm(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Over the last axes."""
    shape = settings["normalized_shape"]
    y = normalised(x, tuple(range(x.ndim - len(shape), x.ndim)), settings["eps"])
    return _scaled(y, weights, shape)


def group_norm(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Over groups of channels."""
    grouped = x.reshape(len(x), settings["groups"], -1)
    return _scaled(normalised(grouped, (2,), settings["eps"]).reshape(x.shape), weights, _channels(x))


def instance_norm(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Over the positions of each channel."""
    own = {"weight": weights.get("weight", weights.get("scale")), "bias": weights.get("bias")}
    known = {name: array for name, array in own.items() if array is not None}
    return _scaled(normalised(x, tuple(range(2, x.ndim)), settings["eps"]), known, _channels(x))
