"""Copies in float64 that compute in float64 throughout: what is left between two of them is no rounding.

Paddle computes a few things in single precision whatever the network's precision is: it keeps the epsilon of a batch
norm, the factor of its older dropout and what an ELU and its relatives are set to as a float32, gives the hard sigmoid
the slope 0.1666667, and spreads the gradient of an average over a window by a factor in float32. torch multiplies the
gradient of the hard sigmoid by a sixth in float32, and that of a CELU by 1 / alpha. Each moves scores or gradients by
1e-8 or so, as much as a small mistake does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..backends import Model, get_backend, wrap
from ..backends.protocol import Net
from .structure import kind


def exact(model: Model, rounded_settings: bool = False) -> Model:
    """A float64 copy of a model whose layers compute in float64 throughout.

    Parameters
    ----------
    model : Model
    rounded_settings : bool
        Whether layers keep the single-precision numbers that Paddle makes of what they are set to, for comparison with
        a network that was built with the same numbers.

    Notes
    -----
    For judging scores and gradients only: operations of such a copy cannot be intercepted where layers were replaced.
    """
    double = wrap(model.net, model.preprocess, model.labels, "float64", model.output, model.input_shape)
    double.name = model.name
    forwards = _FORWARDS.get(model.backend.name, {})
    for name, layer in model.backend.modules(double.net).items():
        what = kind(double, name)
        forward = forwards.get(what)
        if rounded_settings and what == "batch_norm":
            layer._epsilon = float(np.float32(layer._epsilon))
        elif rounded_settings and what in _SET:
            continue
        # An activation inside the layer is the layer's own business.
        if forward is not None and not getattr(layer, "_act", None):
            layer.forward = partial(forward, layer, layer.forward)
    return double


def _batch_norm(layer: Net, original: Callable[[Any], Any], x: Any) -> Any:
    from ..backends.torch_on_paddle.table import exactly

    if layer.weight is None or layer.bias is None:
        return original(x)
    shape = [1] * x.ndim
    shape[-1 if get_backend("paddle").has_channels_last(layer) else 1] = -1
    factor = layer.weight * (layer._variance + exactly(layer._epsilon, x)) ** -0.5
    return x * factor.reshape(shape) + (layer.bias - layer._mean * factor).reshape(shape)


def _hard_sigmoid(_layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    return (x + 3).clip(0, 6) / 6


def _leaky_relu(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    return (x >= 0).where(x, x * layer._negative_slope)


def _elu(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    below = (x > 0).where(x * 0, x)
    return (x > 0).where(x, (below.exp() - 1) * layer._alpha)


def _selu(layer: Net, original: Callable[[Any], Any], x: Any) -> Any:
    return _elu(layer, original, x) * layer._scale


def _celu(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    from paddle.nn import functional

    return functional.elu(x / layer._alpha) * layer._alpha


def _torch_celu(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    from torch.nn import functional

    return functional.elu(x / layer.alpha) * layer.alpha


def _softplus(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    steep = x * layer._beta
    linear = steep > layer._threshold
    return linear.where(x, (linear.where(x * 0, steep).exp() + 1).log() / layer._beta)


def _hardtanh(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    from ..backends.torch_on_paddle.activations import hardtanh

    return hardtanh(x, layer._min, layer._max)


def _softshrink(layer: Net, _original: Callable[[Any], Any], x: Any) -> Any:
    from ..backends.torch_on_paddle.activations import softshrink

    return softshrink(x, layer._threshold)


def _dropout(layer: Net, original: Callable[[Any], Any], x: Any) -> Any:
    return original(x) if layer.training or layer.mode != "downscale_in_infer" else x * (1 - layer.p)


def _average_pool(layer: Net, original: Callable[[Any], Any], x: Any) -> Any:
    import paddle
    from paddle.nn import functional

    if layer.ceil_mode or layer.divisor is not None or layer.data_format != "NCHW":
        return original(x)
    height, width = (layer.ksize,) * 2 if isinstance(layer.ksize, int) else layer.ksize
    options = {"stride": layer.stride or layer.ksize, "padding": layer.padding}
    window = paddle.ones([x.shape[1], 1, height, width], dtype=x.dtype)
    total = functional.conv2d(x, window, groups=x.shape[1], **options)
    if not layer.exclusive:
        return total / (height * width)
    return total / functional.conv2d(paddle.ones_like(x), window, groups=x.shape[1], **options)


_SET = frozenset({"dropout", "elu", "celu", "selu", "softplus", "hardtanh", "softshrink"})
"""Layers that Paddle computes in float64 but for the numbers that they are set to."""

_FORWARDS: dict[str, dict[str, Callable[..., Any]]] = {
    "torch": {"hardsigmoid": _hard_sigmoid, "celu": _torch_celu},
    "paddle": {
        "batch_norm": _batch_norm,
        "dropout": _dropout,
        "hardsigmoid": _hard_sigmoid,
        "leaky_relu": _leaky_relu,
        "elu": _elu,
        "celu": _celu,
        "selu": _selu,
        "softplus": _softplus,
        "hardtanh": _hardtanh,
        "softshrink": _softshrink,
        "avg_pool2d": _average_pool,
    },
}
