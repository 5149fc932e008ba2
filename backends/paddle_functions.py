"""Torch's functions and tensor methods on Paddle tensors: torch's names, arguments and meaning.

One table serves functions, methods and operators, which torch names alike: ``torch.add``, ``x.add`` and ``x + y`` are
``add``, and ``add_`` is ``add`` in place. Functions here never work in place. Where Paddle's function of that name
means something else, another one is composed; what no composition gives is in no table, or `limited`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import ModelError
from .paddle_import import import_paddle

paddle = import_paddle()

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""What computes each of torch's functions, by torch's name."""

LIMITS: dict[str, Mapping[str, tuple[Any, ...]]] = {}
"""The values of arguments that are supported, for the functions that do not take all."""

_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def function(*names: str, **limits: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function in the table under its own name and further ones.

    Parameters
    ----------
    *names : str
        Further names.
    **limits : tuple
        The supported values of an argument.
    """

    def enter(fn: Callable[..., Any]) -> Callable[..., Any]:
        for name in (fn.__name__.strip("_"), *names):
            FUNCTIONS[name] = fn
            if limits:
                LIMITS[name] = limits
        return fn

    return enter


def dtype_name(t: Any) -> str:
    """Type of a tensor's elements: ``"float32"``."""
    return str(t.dtype).removeprefix("paddle.")


def is_tensor(thing: Any) -> bool:
    """Whether it is a tensor of Paddle's and not a plain number."""
    return isinstance(thing, paddle.Tensor)


def is_floating(t: Any) -> bool:
    """Whether a tensor holds floating-point numbers."""
    return "float" in dtype_name(t)


def promoted(*values: Any) -> list[Any]:
    """Tensors cast to the type that torch computes them in together; plain numbers stay as they are."""
    tensors = [v for v in values if is_tensor(v)]
    wanted = max((_rank(t) for t in tensors), default=(0, False, 0))[0]
    # Among tensors of one category a scalar does not raise the others' type.
    kind = max(
        (_ORDER.index(dtype_name(t)) for t in tensors if t.ndim and _category(dtype_name(t)) == wanted),
        default=max((_ORDER.index(dtype_name(t)) for t in tensors), default=0),
    )
    name = _ORDER[kind]
    for v in values:
        if isinstance(v, float) and "float" not in name:
            name = paddle.get_default_dtype()
        elif isinstance(v, int) and not isinstance(v, bool) and name == "bool":
            name = "int64"
    return [v.astype(name) if is_tensor(v) and dtype_name(v) != name else v for v in values]


def _category(name: str) -> int:
    return 0 if name == "bool" else 1 if "int" in name else 2


def _rank(t: Any) -> tuple[int, bool, int]:
    return _category(dtype_name(t)), t.ndim > 0, _ORDER.index(dtype_name(t))


def as_tensors(*values: Any) -> list[Any]:
    """Numbers and tensors as tensors of one type and one device."""
    values = tuple(promoted(*values))
    first = next((v for v in values if is_tensor(v)), None)
    name = paddle.get_default_dtype() if first is None else dtype_name(first)
    return [v if is_tensor(v) else paddle.full([], v, dtype=name) for v in values]


# -- arithmetic ------------------------------------------------------------------------------------------------


@function("iadd")
def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    a, b = promoted(input, other)
    return a + b if alpha == 1 else a + alpha * b


@function("subtract", "isub")
def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    a, b = promoted(input, other)
    return a - b if alpha == 1 else a - alpha * b


@function()
def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    return sub(other, input, alpha=alpha)


@function("multiply", "imul")
def mul(input: Any, other: Any) -> Any:
    a, b = promoted(input, other)
    return a * b


@function("divide", "true_divide", "truediv", "itruediv", rounding_mode=(None, "floor", "trunc"))
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return floor_divide(input, other)
    a, b = promoted(input, other)
    if is_tensor(a) or is_tensor(b):
        a, b = (v.astype(paddle.get_default_dtype()) if is_tensor(v) and not is_floating(v) else v for v in (a, b))
    return paddle.trunc(a / b) if rounding_mode == "trunc" else a / b


@function("floordiv", "ifloordiv")
def floor_divide(input: Any, other: Any) -> Any:
    a, b = promoted(input, other)
    return a // b if not is_tensor(a) and not is_tensor(b) else paddle.floor_divide(*as_tensors(a, b))


@function("mod", "imod")
def remainder(input: Any, other: Any) -> Any:
    a, b = promoted(input, other)
    return a % b


@function("ipow")
def pow(input: Any, exponent: Any) -> Any:
    a, b = promoted(input, exponent)
    if is_tensor(a) and isinstance(b, float) and dtype_name(a) == "float64":
        b = paddle.full([], b, dtype="float64")  # Paddle would round a plain exponent to single precision
    return a**b


@function("mm", "bmm", "mv", "dot", "imatmul")
def matmul(input: Any, other: Any) -> Any:
    return paddle.matmul(*promoted(input, other))


@function()
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    return beta * input + alpha * paddle.matmul(mat1, mat2)


@function()
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    return beta * input + alpha * paddle.matmul(batch1, batch2)


@function()
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    return input + value * tensor1 * tensor2


@function()
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    return input + value * tensor1 / tensor2


@function()
def lerp(input: Any, end: Any, weight: Any) -> Any:
    return input + weight * (end - input)


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
            (input,) = (v for v in promoted(input, bound) if is_tensor(v))
            beyond = input < bound if limit is paddle.maximum else input > bound
            # Paddle's own clip rounds its bounds to single precision, and 2.6 stops the gradient at a bound.
            input = paddle.where(beyond, paddle.full_like(input, bound), input)
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
    return paddle.where(condition.astype("bool"), a, b)


@function()
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    filler = value.astype(input.dtype) if is_tensor(value) else paddle.full([], value, dtype=input.dtype)
    return paddle.where(mask.astype("bool"), filler, input)


@function()
def rsqrt(input: Any) -> Any:
    return paddle.rsqrt(_floating(input))


@function()
def sqrt(input: Any) -> Any:
    return paddle.sqrt(_floating(input)) if is_tensor(input) else math.sqrt(input)


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


def _floating(t: Any) -> Any:
    return t if not is_tensor(t) or is_floating(t) else t.astype(paddle.get_default_dtype())


def _unary(fn: Callable[..., Any], plain: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def call(input: Any) -> Any:
        return plain(input) if plain is not None and not is_tensor(input) else fn(_floating(input))

    return call


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(input: Any, other: Any) -> Any:
        return compare(*promoted(input, other)) if is_tensor(input) or is_tensor(other) else compare(input, other)

    return call


def _logical(both: Callable[[Any, Any], Any], plain: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(input: Any, other: Any) -> Any:
        if not is_tensor(input) and not is_tensor(other):
            return plain(input, other)
        a, b = (v if is_tensor(v) else paddle.full([], v) for v in (input, other))
        return both(a.astype("bool"), b.astype("bool")) if both in _ON_TRUTH else both(*promoted(a, b))

    return call


_ON_TRUTH = (paddle.logical_and, paddle.logical_or, paddle.logical_xor)

FUNCTIONS |= {
    name: _unary(getattr(paddle, name), getattr(math, name, None))
    for name in (
        *("exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh"),
        *("tanh", "erf", "reciprocal"),
    )
}
FUNCTIONS |= {
    "special_erf": FUNCTIONS["erf"],
    "arctan": FUNCTIONS["atan"],
    "abs": operator.abs,
    "absolute": operator.abs,
    "neg": operator.neg,
    "negative": operator.neg,
    "pos": operator.pos,
    "square": lambda input: input * input,
    "sign": paddle.sign,
    "floor": lambda input: paddle.floor(input) if is_tensor(input) else math.floor(input),
    "ceil": lambda input: paddle.ceil(input) if is_tensor(input) else math.ceil(input),
    "trunc": paddle.trunc,
    "isnan": paddle.isnan,
    "isfinite": paddle.isfinite,
    "isinf": paddle.isinf,
    "logical_not": paddle.logical_not,
    "bitwise_not": paddle.bitwise_not,
    "invert": paddle.bitwise_not,
    "not_": lambda input: not input,
    "atan2": lambda input, other: paddle.atan2(*promoted(input, other)),
}
FUNCTIONS |= {name: _compared(getattr(operator, name)) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
FUNCTIONS |= {
    "logical_and": _logical(paddle.logical_and, operator.and_),
    "logical_or": _logical(paddle.logical_or, operator.or_),
    "logical_xor": _logical(paddle.logical_xor, operator.xor),
    "and_": _logical(paddle.bitwise_and, operator.and_),
    "or_": _logical(paddle.bitwise_or, operator.or_),
    "xor": _logical(paddle.bitwise_xor, operator.xor),
    "bitwise_and": _logical(paddle.bitwise_and, operator.and_),
    "bitwise_or": _logical(paddle.bitwise_or, operator.or_),
}


@function()
def round(input: Any, *, decimals: int = 0) -> Any:
    # Torch rounds halves to the even neighbour, Paddle away from zero.
    scaled = input * 10**decimals
    below = paddle.floor(scaled)
    odd = paddle.floor(below / 2) * 2 != below
    up = (scaled - below > 0.5) | ((scaled - below == 0.5) & odd)
    return (below + up.astype(scaled.dtype)) / 10**decimals


@function()
def same(found: Any, expected: Any) -> None:
    """What the network decided by when it was traced must be so again."""
    if found != expected:
        raise ModelError(
            f"This network was converted for inputs of another shape: it decides by {found!r}, which was {expected!r}.",
            "Convert it again with x= of the shape that you use.",
        )


@function()
def _assert(condition: Any, message: str) -> None:
    if not bool(condition):
        raise ModelError(f"The network refuses its input: {message}.", "Check the input's shape.")


def single(value: float) -> bool:
    """Whether a number is one that single precision holds."""
    return float(np.float32(value)) == value
