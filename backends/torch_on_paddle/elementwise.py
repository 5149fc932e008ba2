"""Torch's functions of single elements, comparisons and logic on Paddle tensors and plain numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ...errors import ModelError
from .table import FUNCTIONS, cast, floating, function, is_tensor, paddle, promoted


@function()
def rsqrt(input: Any) -> Any:
    return paddle.rsqrt(floating(input))


@function()
def sqrt(input: Any) -> Any:
    return paddle.sqrt(floating(input)) if is_tensor(input) else math.sqrt(input)


def _unary(fn: Callable[..., Any], plain: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def call(input: Any) -> Any:
        return plain(input) if plain is not None and not is_tensor(input) else fn(floating(input))

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
        return both(cast(a, "bool"), cast(b, "bool")) if both in _ON_TRUTH else both(*promoted(a, b))

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
    "abs": lambda input: paddle.abs(input) if is_tensor(input) else abs(input),
    "absolute": paddle.abs,
    "neg": operator.neg,
    "negative": operator.neg,
    "pos": lambda input: input,
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
def _assert(condition: Any, message: str = "") -> None:
    """Torch's, which networks check their input with."""
    if not bool(condition):
        said = "" if "Proxy(" in message else f": {message.rstrip('. ')}"
        raise ModelError(f"The network refuses its input{said}.", "Check the input's shape.")
