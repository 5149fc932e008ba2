"""Paddle's operators whose gradients are wrong or missing where explanations need them, made right.

Each replacement computes the same function:

- ``layer_norm`` (up to 3.3.1, on a CPU) leaves its weight out of the gradient wherever the weight's own gradient is not
  asked for: with frozen parameters, and with ``paddle.grad`` to the input alone.
- ``group_norm`` (3.3.1, on a CPU) has a wrong gradient without a weight.
- ``batch_norm`` has a wrong gradient in evaluation mode with the statistics of the batch. It also moves the running
  statistics there, which belong to the user.
- ``rnn``, behind LSTM, GRU and SimpleRNN, has none; see `recurrent`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .paddle_import import import_paddle
from .paddle_recurrent import recurrent

paddle = import_paddle()

_NAMES = ("layer_norm", "group_norm", "batch_norm", "rnn")
_ORIGINALS: dict[str, Any] = {name: getattr(paddle._C_ops, name) for name in _NAMES}
_users = 0
_lock = threading.Lock()


def _layer_norm(x: Any, weight: Any, bias: Any, epsilon: float, first_axis: int) -> Any:
    out = _ORIGINALS["layer_norm"](x, None, None, epsilon, first_axis)
    shape = x.shape[first_axis:]
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def _group_norm(x: Any, weight: Any, bias: Any, epsilon: float, groups: int, layout: str) -> Any:
    if weight is None:
        weight = paddle.ones([x.shape[_channel_axis(x, layout)]], x.dtype)
    return _ORIGINALS["group_norm"](x, weight, bias, epsilon, groups, layout)


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
    if not (is_test and trainable_statistics and not use_global_stats):
        rest = (is_test, momentum, epsilon, layout, use_global_stats, trainable_statistics)
        return _ORIGINALS["batch_norm"](x, mean, variance, weight, bias, *rest)
    channels = _channel_axis(x, layout)
    others = [axis for axis in range(x.ndim) if axis != channels]
    shape = [1 if axis in others else -1 for axis in range(x.ndim)]
    centred = x - x.mean(others, keepdim=True)
    out = centred * paddle.rsqrt((centred * centred).mean(others, keepdim=True) + epsilon)
    out = out if weight is None else out * weight.reshape(shape)
    out = out if bias is None else out + bias.reshape(shape)
    return out, mean, variance, None, None, None


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
