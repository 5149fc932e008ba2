"""Torch's activations on Paddle tensors."""

from __future__ import annotations

from typing import Any

from .arithmetic import clamp
from .table import FUNCTIONS, exactly, function, paddle, single

functional = paddle.nn.functional

FUNCTIONS |= {
    "sigmoid": functional.sigmoid,
    "tanhshrink": functional.tanhshrink,
    "softsign": functional.softsign,
    "logsigmoid": functional.log_sigmoid,
    "prelu": functional.prelu,
}


@function()
def relu(input: Any, inplace: bool = False) -> Any:
    return functional.relu(input)


@function()
def relu6(input: Any, inplace: bool = False) -> Any:
    return functional.relu6(input)


@function()
def silu(input: Any, inplace: bool = False) -> Any:
    return functional.silu(input)


@function()
def mish(input: Any, inplace: bool = False) -> Any:
    return functional.mish(input)


@function()
def hardswish(input: Any, inplace: bool = False) -> Any:
    return functional.hardswish(input)


@function()
def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    return functional.hardsigmoid(input, slope=1 / 6, offset=0.5)


@function()
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    return functional.leaky_relu(input, negative_slope)


@function()
def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    return functional.elu(input, alpha)


@function()
def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    return functional.celu(input, alpha)


@function()
def selu(input: Any, inplace: bool = False) -> Any:
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    scale, alpha = exactly(scale, input), exactly(alpha, input)
    return scale * paddle.where(input > 0, input, alpha * paddle.expm1(clamp(input, max=0.0)))


@function()
def gelu(input: Any, approximate: str = "none") -> Any:
    return functional.gelu(input, approximate=approximate == "tanh")


@function()
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return functional.softplus(input, beta, threshold)


@function()
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    if single(min_val) and single(max_val):
        return functional.hardtanh(input, min_val, max_val)
    return clamp(input, min_val, max_val)


@function()
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    return input * (paddle.abs(input) > lambd).astype(input.dtype)


@function()
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    return paddle.sign(input) * functional.relu(paddle.abs(input) - exactly(lambd, input))


@function()
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    return paddle.where(input > threshold, input, paddle.full_like(input, value))


@function()
def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    return functional.rrelu(input, lower, upper, training) if training else leaky_relu(input, (lower + upper) / 2)


@function()
def glu(input: Any, dim: int = -1) -> Any:
    first, second = paddle.split(input, 2, axis=dim)
    return first * functional.sigmoid(second)


@function()
def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: str | None = None) -> Any:
    return functional.softmax(input, axis=implicit_axis(input) if dim is None else dim, dtype=dtype)


@function()
def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: str | None = None) -> Any:
    return softmax(-input, dim, dtype=dtype)


@function()
def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: str | None = None) -> Any:
    # Paddle's own takes every score that is more than 64 below the highest to be 64 below.
    x = input if dtype is None else input.astype(dtype)
    axis = implicit_axis(x) if dim is None else dim
    shifted = x - paddle.amax(x.detach(), axis=axis, keepdim=True)
    return shifted - paddle.log(paddle.sum(paddle.exp(shifted), axis=axis, keepdim=True))


def implicit_axis(x: Any) -> int:
    """The axis that torch's softmax takes when none is named."""
    return 0 if x.ndim in (0, 1, 3) else 1
