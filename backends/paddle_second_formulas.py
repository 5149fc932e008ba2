"""Paddle's operators that have no second derivative, made of such as have one.

Paddle 3.3.1 on a CPU refuses to differentiate the gradient of flatten, maximum pooling, softmax, log_softmax, GELU,
ReLU6, hardtanh, hardswish, hardsigmoid, swish, dropout in evaluation mode and depthwise convolution; that of concat and
stack where one of the tensors takes no gradient; and that of batch norm in evaluation mode, layer norm and group norm,
which `paddle_gradients` replaces. Each replacement computes the same numbers to the last digit, and the same gradient
at kinks, bounds and ties. What it does not cover (other types than float32 and float64, training, an output tensor that
is handed in, windows of padding alone, ...) is left to the operator itself, which refuses. So do those that are not
here: resizing, maxima along axes, average pooling in 3-d, transposed convolution, PReLU, SELU, Mish, ``x[::2]``, roll,
pixel_shuffle, einsum, cumsum, prod, logsumexp and norms of vectors, among others.

Paddle does not refuse, but silently leaves a part of the second derivative out, for convolution in 2-d of a constant by
a kernel that takes a gradient, and for all operators of the older table, ``paddle._legacy_C_ops``, which the ``act`` of
``BatchNorm`` runs. After an error in the second derivative of put_along_axis it finds no gradient at all any more. All
these are refused here, but for activations without parameters.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MethodError
from .paddle_gradients import with_numbers
from .paddle_import import import_paddle
from .protocol import Tensor

paddle = import_paddle()


def _flattened(x: Tensor, start: int, stop: int) -> list[int]:
    first, last = (axis % max(x.ndim, 1) for axis in (start, stop))
    return [*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]]


def _flatten(x: Tensor, start: int, stop: int) -> Tensor:
    return x.reshape(_flattened(x, start, stop))


def _flatten_in_place(x: Tensor, start: int, stop: int) -> Tensor:
    return paddle._C_ops.reshape_(x, _flattened(x, start, stop))


def _dropout(
    x: Tensor, seed_tensor: Tensor | None, p: Any, is_test: bool, mode: str, seed: int, fix_seed: bool
) -> Tensor:
    if not is_test:
        return NotImplemented
    kept = 1.0 if mode == "upscale_in_train" else float(1 - np.float32(p))
    return x * kept


def _softmax(x: Tensor, axis: int = -1, out: Tensor | None = None) -> Tensor:
    if out is not None:
        return NotImplemented
    powers = paddle.exp(x - _peak(x, axis))
    return with_numbers(powers / powers.sum(axis, keepdim=True), paddle._C_ops.softmax(x.detach(), axis))


def _log_softmax(x: Tensor, axis: int) -> Tensor:
    shifted = x - _peak(x, axis)
    if (shifted < -64).any():  # where Paddle's own stops, with a gradient that goes on
        return NotImplemented
    made = shifted - paddle.log(paddle.exp(shifted).sum(axis, keepdim=True))
    return with_numbers(made, paddle._C_ops.log_softmax(x.detach(), axis))


def _peak(x: Tensor, axis: int) -> Tensor:
    return x.detach().max(axis, keepdim=True)


class _Erf(paddle.autograd.PyLayer):  # type: ignore[name-defined]
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return paddle.erf(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensor()
        return gradient * (2 / math.sqrt(math.pi)) * paddle.exp(-x * x)


def _gelu(x: Tensor, approximate: bool | str = False, name: str | None = None) -> Tensor:
    if approximate in (True, "tanh"):
        made = 0.5 * x * (1 + paddle.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    elif approximate in (False, "none"):
        made = 0.5 * x * (1 + _Erf.apply(x * math.sqrt(0.5)))
    else:
        return NotImplemented
    return with_numbers(made, paddle._C_ops.gelu(x.detach(), approximate))


def _swish(x: Tensor) -> Tensor:
    return with_numbers(paddle.nn.functional.silu(x), paddle._C_ops.swish(x.detach()))


def _hardtanh(x: Tensor, low: float, high: float) -> Tensor:
    low, high = (float(np.float32(bound)) for bound in (low, high))
    # clip has a second derivative, but lets gradients through at the bounds, where these operators do not.
    return paddle.where((x > low) & (x < high), x, x.detach().clip(low, high))


def _relu6(x: Tensor) -> Tensor:
    return _hardtanh(x, 0.0, 6.0)


def _hardsigmoid(x: Tensor, slope: float, offset: float) -> Tensor:
    slope, offset = (float(np.float32(number)) for number in (slope, offset))
    return _hardtanh(x * slope + offset, 0.0, 1.0)


def _hardswish(x: Tensor) -> Tensor:
    return x * _hardtanh(x + 3.0, 0.0, 6.0) / 6.0


def _depthwise_conv2d(
    x: Tensor,
    kernel: Tensor,
    strides: Sequence[int],
    paddings: Sequence[int],
    algorithm: str,
    groups: int,
    dilations: Sequence[int],
    layout: str,
) -> Tensor:
    made = paddle._C_ops.conv2d(x, kernel, strides, paddings, algorithm, dilations, groups, layout)
    rest = (strides, paddings, algorithm, groups, dilations, layout)
    return with_numbers(made, paddle._C_ops.depthwise_conv2d(x.detach(), kernel.detach(), *rest))


def _conv2d(x: Tensor, kernel: Tensor, *parameters: Any) -> Tensor:
    return refused("conv2d of a constant") if x.stop_gradient else NotImplemented


def _joined(name: str) -> Callable[..., Any]:
    def join(tensors: Sequence[Tensor], axis: Any, out: Tensor | None = None) -> Tensor:
        if out is not None or not any(t.stop_gradient for t in tensors):
            return NotImplemented
        return getattr(paddle._C_ops, name)([_taking_gradient(t) for t in tensors], axis)

    return join


def _taking_gradient(t: Tensor) -> Tensor:
    if t.stop_gradient:
        t = t.detach()
        t.stop_gradient = False
    return t


def _put_along_axis(*_args: Any, **_kwargs: Any) -> Tensor:
    return refused("put_along_axis")


def refused(name: str) -> Tensor:
    """Raise `MethodError` for an operator whose second derivative would be wrong, or would break Paddle."""
    raise MethodError(
        f"The network calls {name}, of whose gradient Paddle has no right gradient.",
        "Choose a layer behind it, a method that differentiates once, or the network in the other framework: "
        "twinlens.twin(model).",
    )


def _pool(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    paddings: Sequence[int],
    ceil_mode: bool,
    exclusive: bool,
    layout: str,
    kind: str,
    global_pooling: bool,
    adaptive: bool,
    algorithm: str,
) -> Tensor:
    if kind != "max" or global_pooling or adaptive:
        return NotImplemented
    axes = x.ndim - 2
    original = getattr(paddle._C_ops, f"pool{axes}d")
    rest = (ceil_mode, exclusive, layout, kind, global_pooling, adaptive, algorithm)
    expected = original(x.detach(), kernel, strides, paddings, *rest)
    last = not layout.startswith("NC")
    if last:
        x, expected = _channels_second(x), _channels_second(expected)
    around: list[int] = []
    for axis in reversed(range(axes)):
        size, window, stride = x.shape[axis + 2], kernel[axis], strides[axis]
        if algorithm == "SAME":
            before = max((math.ceil(size / stride) - 1) * stride + window - size, 0) // 2
        elif algorithm == "VALID":
            before = 0
        else:
            before = paddings[axis] if len(paddings) == axes else paddings[2 * axis]
        after = (expected.shape[axis + 2] - 1) * stride + window - before - size
        around += [before, max(after, 0)]
    padded = paddle.nn.functional.pad(x, around, value=-math.inf, data_format="NCHW" if axes == 2 else "NCDHW")
    indexed = getattr(paddle._C_ops, f"max_pool{axes}d_with_index")
    _, index = indexed(padded.detach(), kernel, strides, [0] * axes, False, False, False)
    picked = _picked(padded, index, expected)
    return _channels_last(picked) if last and picked is not NotImplemented else picked


def _pool_with_index(x: Tensor, *parameters: Any) -> tuple[Tensor, Tensor]:
    expected, index = getattr(paddle._C_ops, f"max_pool{x.ndim - 2}d_with_index")(x.detach(), *parameters)
    picked = _picked(x, index, expected)
    return (picked, index) if picked is not NotImplemented else NotImplemented


def _picked(x: Tensor, index: Tensor, expected: Tensor) -> Tensor:
    """The elements at an index of maxima, if they are the maxima: in a window of padding alone there is none."""
    if index.shape != expected.shape or (index < 0).any():
        return NotImplemented
    batch, channels = x.shape[:2]
    rows = paddle.take_along_axis(x.reshape([batch, channels, -1]), index.reshape([batch, channels, -1]), 2)
    picked = rows.reshape(index.shape)
    return picked if (picked.detach() == expected).all() else NotImplemented


def _channels_second(x: Tensor) -> Tensor:
    return x.transpose([0, x.ndim - 1, *range(1, x.ndim - 1)])


def _channels_last(x: Tensor) -> Tensor:
    return x.transpose([0, *range(2, x.ndim), 1])


def _in_place(formula: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(formula)
    def write(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.is_leaf and not x.stop_gradient:
            return NotImplemented
        result = formula(x.clone(), *args, **kwargs)
        if result is NotImplemented:
            return NotImplemented
        # Of the operators that write into a tensor this one has a second derivative; assign has none.
        return paddle._C_ops.where_(paddle.zeros(x.shape, "bool"), x, result)

    return write


FORMULAS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "flatten": (_flatten, ()),
    "flatten_": (_flatten_in_place, ()),
    "dropout": (_dropout, ()),
    "dropout_": (_in_place(_dropout), ()),
    "softmax": (_softmax, ("softmax",)),
    "softmax_": (_in_place(_softmax), ("softmax",)),
    "log_softmax": (_log_softmax, ()),
    "gelu": (_gelu, ("gelu",)),
    "swish": (_swish, ("silu",)),
    "hardtanh": (_hardtanh, ("relu6",)),
    "hardtanh_": (_in_place(_hardtanh), ("relu6",)),
    "relu6": (_relu6, ("relu6",)),
    "hardsigmoid": (_hardsigmoid, ("hardsigmoid",)),
    "hardswish": (_hardswish, ("hardswish",)),
    "conv2d": (_conv2d, ()),
    "depthwise_conv2d": (_depthwise_conv2d, ()),
    "concat": (_joined("concat"), ()),
    "stack": (_joined("stack"), ()),
    "put_along_axis": (_put_along_axis, ()),
    "put_along_axis_": (_put_along_axis, ()),
    "pool2d": (_pool, ("max_pool2d",)),
    "pool3d": (_pool, ()),
    "max_pool2d_with_index": (_pool_with_index, ("max_pool2d",)),
    "max_pool3d_with_index": (_pool_with_index, ()),
}
"""By compiled operator: what computes it, and the operations whose rules (see `intercept`) come first."""
