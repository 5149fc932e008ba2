"""Paddle's operators whose gradients are wrong or missing where explanations need them, made right.

Each replacement computes the same function:

- ``layer_norm`` (up to 3.3.1, on a CPU) leaves its weight out of the gradient wherever the weight's own gradient is not
  asked for: with frozen parameters, and with ``paddle.grad`` to the input alone.
- ``group_norm`` (3.3.1, on a CPU) has a wrong gradient without a weight.
- ``batch_norm`` has a wrong gradient in evaluation mode with the statistics of the batch. It also moves the running
  statistics there, which belong to the user.
- ``rnn``, behind LSTM, GRU and SimpleRNN, has none; see `recurrent`.
- The gradients of ``layer_norm``, ``group_norm`` and, in evaluation mode, ``batch_norm`` have none (3.3.1, on a CPU).
  Where these are asked for, see `paddle_second_formulas`, the norms are made of operators that have them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .paddle_import import import_paddle
from .paddle_recurrent import recurrent

paddle = import_paddle()

_NAMES = ("layer_norm", "group_norm", "batch_norm", "rnn")
_ORIGINALS: dict[str, Any] = {name: getattr(paddle._C_ops, name) for name in _NAMES}
_users = 0
_lock = threading.Lock()

twice: ContextVar[bool] = ContextVar("twice", default=False)
"""Whether gradients are to have gradients: see `paddle_second_derivatives`."""


def wants_twice(*args: Any) -> bool:
    """Whether what is computed of these arguments is to be differentiated twice."""
    if not twice.get() or not paddle.is_grad_enabled():
        return False
    flat = [item for value in args for item in (value if isinstance(value, (list, tuple)) else [value])]
    tensors = [item for item in flat if isinstance(item, paddle.Tensor)]
    return any(not t.stop_gradient for t in tensors) and tensors[0].dtype in (paddle.float32, paddle.float64)


class _Numbers(paddle.autograd.PyLayer):  # type: ignore[name-defined]
    @staticmethod
    def forward(ctx: Any, made: Any, numbers: Any) -> Any:
        return numbers.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> tuple[Any, None]:
        return gradient, None


def with_numbers(made: Any, numbers: Any) -> Any:
    """What is made of other operators, to the last digit as the original computes it."""
    return _Numbers.apply(made, numbers.detach())


def _layer_norm(x: Any, weight: Any, bias: Any, epsilon: float, first_axis: int) -> Any:
    out = _ORIGINALS["layer_norm"](x, None, None, epsilon, first_axis)
    if wants_twice(x, weight, bias):
        out = with_numbers(_standardised(x, [*range(first_axis, x.ndim)], float(np.float32(epsilon))), out)
    shape = x.shape[first_axis:]
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def _group_norm(x: Any, weight: Any, bias: Any, epsilon: float, groups: int, layout: str) -> Any:
    if weight is None:
        weight = paddle.ones([x.shape[_channel_axis(x, layout)]], x.dtype)
    original = _ORIGINALS["group_norm"](x, weight, bias, epsilon, groups, layout)
    if wants_twice(x, weight, bias):
        channels = _channel_axis(x, layout)
        split = [*x.shape[:channels], groups, -1, *x.shape[channels + 1 :]]
        others = [axis for axis in range(1, x.ndim + 1) if axis != channels]
        out = _standardised(x.reshape(split), others, epsilon).reshape(x.shape)
        return with_numbers(_scaled(out, weight, bias, channels), original)
    return original


def _batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any,
    bias: Any,
    is_test: bool,
    momentum: float,
    epsilon: float,
    layout: str,
    use_global_stats: bool,
    trainable_statistics: bool,
) -> Any:
    channels = _channel_axis(x, layout)
    rest = (is_test, momentum, epsilon, layout, use_global_stats, trainable_statistics)
    if (use_global_stats or (is_test and not trainable_statistics)) and wants_twice(x, weight, bias):
        original = _ORIGINALS["batch_norm"](x.detach(), mean, variance, weight, bias, *rest)
        scale = paddle.rsqrt(variance + float(np.float32(epsilon)))
        scale = scale if weight is None else scale * weight
        shift = -mean * scale if bias is None else bias - mean * scale
        return with_numbers(_scaled(x, scale, shift, channels), original[0]), *original[1:]
    if not (is_test and trainable_statistics and not use_global_stats):
        return _ORIGINALS["batch_norm"](x, mean, variance, weight, bias, *rest)
    others = [axis for axis in range(x.ndim) if axis != channels]
    out = _scaled(_standardised(x, others, float(np.float32(epsilon))), weight, bias, channels)
    return out, mean, variance, None, None, None


def _standardised(x: Any, axes: list[int], epsilon: float) -> Any:
    centred = x - x.mean(axes, keepdim=True)
    return centred * paddle.rsqrt((centred * centred).mean(axes, keepdim=True) + epsilon)


def _scaled(x: Any, weight: Any, bias: Any, channels: int) -> Any:
    shape = [-1 if axis == channels else 1 for axis in range(x.ndim)]
    out = x if weight is None else x * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def _rnn(
    x: Any,
    states: Any,
    weights: Any,
    lengths: Any,
    mask: Any,
    dropout: float,
    bidirectional: bool,
    features: int,
    hidden: int,
    layers: int,
    mode: str,
    seed: int,
    is_test: bool,
) -> Any:
    if is_test and not all(tensor.stop_gradient for tensor in (x, *states)):
        output, last = recurrent(x, states, weights, lengths, bidirectional, layers, mode)
        return output, mask, last
    rest = (bidirectional, features, hidden, layers, mode, seed, is_test)
    return _ORIGINALS["rnn"](x, states, weights, lengths, mask, dropout, *rest)


_REPLACEMENTS = {"layer_norm": _layer_norm, "group_norm": _group_norm, "batch_norm": _batch_norm, "rnn": _rnn}


def _channel_axis(x: Any, layout: str) -> int:
    return 1 if layout.startswith("NC") else x.ndim - 1


@contextmanager
def right_gradients() -> Iterator[None]:
    """Compute these operators so that their gradients are right; contexts nest."""
    global _users
    with _lock:
        _users += 1
        for name, replacement in _REPLACEMENTS.items():
            setattr(paddle._C_ops, name, replacement)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                for name, original in _ORIGINALS.items():
                    setattr(paddle._C_ops, name, original)
