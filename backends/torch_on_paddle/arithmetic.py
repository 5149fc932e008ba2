"""Torch's arithmetic on Paddle tensors and plain numbers."""

from __future__ import annotations

from typing import Any

from .table import as_tensors, cast, dtype_name, floating, function, is_floating, is_tensor, paddle, promoted


@function()
def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    a, b = promoted(input, other)
    return a + b if alpha == 1 else a + mul(b, alpha)


@function("subtract")
def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    a, b = promoted(input, other)
    return a - b if alpha == 1 else a - mul(b, alpha)


@function()
def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    return sub(other, input, alpha=alpha)


@function("multiply")
def mul(input: Any, other: Any) -> Any:
    a, b = promoted(input, other)
    return a * b


@function("divide", "true_divide", "truediv", rounding_mode=(None, "floor", "trunc"))
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return floor_divide(input, other)
    a, b = promoted(input, other)
    if is_tensor(a) or is_tensor(b):
        a, b = (floating(v) for v in (a, b))
    return paddle.trunc(a / b) if rounding_mode == "trunc" else a / b


@function("floordiv")
def floor_divide(input: Any, other: Any) -> Any:
    a, b = promoted(input, other)
    return a // b if not is_tensor(a) and not is_tensor(b) else paddle.floor_divide(*as_tensors(a, b))


@function("mod")
def remainder(input: Any, other: Any) -> Any:
    a, b = promoted(input, other)
    rest = a % b
    if not is_tensor(a) or not is_floating(a):
        return rest
    # Paddle 2.6 has no gradient of the remainder.
    times = ((a - rest) / b).detach()
    return a - times * b


@function()
def pow(input: Any, exponent: Any) -> Any:
    a, b = promoted(input, exponent)
    return a**b


@function("mm", "bmm", "mv", "dot")
def matmul(input: Any, other: Any) -> Any:
    return paddle.matmul(*promoted(input, other))


@function()
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    return add(mul(input, beta), mul(paddle.matmul(mat1, mat2), alpha))


@function()
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    return addmm(input, batch1, batch2, beta=beta, alpha=alpha)


@function()
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    return add(input, mul(tensor1 * tensor2, value))


@function()
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    return add(input, mul(tensor1 / tensor2, value))


@function()
def lerp(input: Any, end: Any, weight: Any) -> Any:
    return add(input, mul(end - input, weight))


@function()
def einsum(equation: str, *operands: Any) -> Any:
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    return paddle.einsum(equation, *tensors)


@function("clip")
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    for bound, limit in ((min, paddle.maximum), (max, paddle.minimum)):
        if is_tensor(bound):
            input = limit(*promoted(input, bound))
        elif bound is not None:
            input = promoted(input, bound)[0]
            # Paddle's own clip rounds its bounds to single precision, and 2.6 stops the gradient at a bound.
            edge = paddle.full_like(input, bound)
            input = paddle.where(input < edge if limit is paddle.maximum else input > edge, edge, input)
    return input


@function()
def clamp_min(input: Any, min: Any) -> Any:
    return clamp(input, min=min)


@function()
def clamp_max(input: Any, max: Any) -> Any:
    return clamp(input, max=max)


@function()
def maximum(input: Any, other: Any) -> Any:
    return paddle.maximum(*promoted(input, other))


@function()
def minimum(input: Any, other: Any) -> Any:
    return paddle.minimum(*promoted(input, other))


@function()
def where(condition: Any, input: Any, other: Any) -> Any:
    a, b = as_tensors(input, other)
    return paddle.where(cast(condition, "bool"), a, b)


@function()
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    filler = cast(value, dtype_name(input)) if is_tensor(value) else paddle.full([], value, dtype=input.dtype)
    return paddle.where(cast(mask, "bool"), filler, input)
