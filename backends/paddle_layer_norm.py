"""Paddle's layer norm with the right gradient.

Up to Paddle 3.3.1 the gradient of ``layer_norm`` on a CPU leaves the weight out wherever the weight's own gradient is
not asked for: with frozen parameters, and with ``paddle.grad`` to the input alone. Explanations ask for just that.
Normalising without the weight, and multiplying by it afterwards, is the same function with the right gradient.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .paddle_import import import_paddle

paddle = import_paddle()

_original: Any = paddle._C_ops.layer_norm
_users = 0
_lock = threading.Lock()


def _layer_norm(x: Any, weight: Any, bias: Any, epsilon: float, first_axis: int) -> Any:
    out = _original(x, None, None, epsilon, first_axis)
    shape = x.shape[first_axis:]
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


@contextmanager
def right_layer_norm() -> Iterator[None]:
    """Compute layer norms so that their gradients are right; contexts nest."""
    global _users
    with _lock:
        _users += 1
        paddle._C_ops.layer_norm = _layer_norm
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                paddle._C_ops.layer_norm = _original
