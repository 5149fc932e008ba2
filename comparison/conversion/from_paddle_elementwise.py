"""Paddle's operators that work on each element, or on pairs of them, and reductions: in torch's terms.

Keys are the names of Paddle's compiled operators, values take what these take. ``relu_`` and its like are found under
``relu``: the rebuilt network computes out of place.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .from_paddle_entries import Unsupported, rrelu_slopes, single, softplus_number, wants_call
from .torch_lazily import F, torch

Entry = Callable[..., Any]


def _same(name: str) -> Entry:
    return lambda *inputs: getattr(torch, name)(*inputs)


def _functional(name: str, number: Callable[[float], float] = single) -> Entry:
    """A function of ``torch.nn.functional`` whose parameters are numbers, by default in single precision."""
    return lambda x, *given, **named: getattr(F, name)(
        x, *(number(value) for value in given), **{key: number(value) for key, value in named.items()}
    )


def _swapped(compute: Callable[[Any, Any], Any]) -> Entry:
    return lambda x, y: compute(y, x)


def _scale(x: Any, scale: Any = 1.0, bias: Any = 0.0, bias_after_scale: bool = True) -> Any:
    if not bias_after_scale:
        return (x + bias) * scale if bias != 0 else x * scale
    if scale == -1.0 and bias == 0:
        return -x
    product = x * scale if not isinstance(scale, (int, float)) or scale != 1 else x
    return product + bias if not isinstance(bias, (int, float)) or bias != 0 else product


def _hardsigmoid(x: Any, slope: float = 0.1666667, offset: float = 0.5) -> Any:
    if (round(slope, 7), offset) == (0.1666667, 0.5):
        return F.hardsigmoid(x)
    return torch.clamp(x * single(slope) + single(offset), 0.0, 1.0)


def _selu(x: Any, scale: float, alpha: float) -> Any:
    if (round(scale, 6), round(alpha, 6)) == (1.050701, 1.673263):
        return F.selu(x)
    return F.elu(x, single(alpha)) * single(scale)


@wants_call
def _prelu(call: Any, x: Any, weight: Any, data_format: str = "NCHW", mode: str = "all") -> Any:
    if mode == "channel" and data_format == "NHWC":
        return torch.where(x > 0, x, x * weight)
    if mode == "element":
        raise Unsupported("one slope per element")
    return F.prelu(x, weight)


@wants_call
def _maxout(call: Any, x: Any, groups: int, axis: int = 1) -> Any:
    at = axis % call.x.ndim
    return torch.amax(torch.unflatten(x, at, (-1, groups)), dim=at + 1)


def _rrelu(x: Any, lower: float, upper: float, is_test: bool) -> Any:
    if not is_test:
        raise Unsupported("random slopes")
    return (F.leaky_relu(x, sum(rrelu_slopes(lower, upper)) / 2),)


def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    return torch.clamp(x, low, high)


_ONE = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "sin", "sinh", "tan", "tanh"),
    *("exp", "expm1", "log", "log10", "log1p", "log2", "sqrt", "rsqrt", "square", "reciprocal", "sigmoid", "relu"),
    *("ceil", "floor", "trunc", "sign", "erf", "erfinv", "lgamma", "digamma"),
    *("isfinite", "isinf", "isnan", "logical_not", "bitwise_not"),
)
_TWO = (
    *("maximum", "minimum", "fmax", "fmin", "lerp", "bmm", "dot", "mv"),
    *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
)
_PLAIN = ("relu6", "silu", "hardswish", "softsign", "logsigmoid")
_WITH_NUMBERS = ("elu", "celu", "hardshrink", "softshrink", "hardtanh")

ELEMENTWISE: dict[str, Entry] = {name: _same(name) for name in (*_ONE, *_TWO)}
ELEMENTWISE |= {name: _functional(name) for name in (*_PLAIN, *_WITH_NUMBERS)}
ELEMENTWISE |= {
    "paddle.where": lambda condition, x, y: torch.where(condition, x, y),
    "paddle.atan2": lambda x, y: torch.atan2(x, y),
    "leaky_relu": lambda x, slope=0.01: F.leaky_relu(x, slope),
    "softplus": _functional("softplus", softplus_number),
    "tanh_shrink": _functional("tanhshrink"),
    "thresholded_relu": lambda x, threshold, value=0.0: F.threshold(x, single(threshold), single(value)),
    "swish": lambda x: F.silu(x),
    "mish": lambda x, threshold=20: F.mish(x),
    "gelu": lambda x, approximate=False: F.gelu(x, approximate="tanh" if approximate in (True, "tanh") else "none"),
    "softmax": lambda x, axis=-1: F.softmax(x, dim=axis),
    "log_softmax": lambda x, axis=-1: F.log_softmax(x, dim=axis),
    "stanh": lambda x, a, b: single(b) * torch.tanh(x * single(a)),
    "logit": lambda x, eps=0.0: torch.logit(x, eps or None),
    "hardsigmoid": _hardsigmoid,
    "selu": _selu,
    "prelu": _prelu,
    "maxout": _maxout,
    "rrelu": _rrelu,
    "clip": _clip,
    "scale": _scale,
}
_OPERATORS = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "matmul": operator.matmul,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
ELEMENTWISE |= {f"Tensor.__{name}__": compute for name, compute in _OPERATORS.items()}
ELEMENTWISE |= {f"Tensor.__r{name}__": _swapped(compute) for name, compute in _OPERATORS.items()}
ELEMENTWISE |= {"Tensor.__div__": operator.truediv, "Tensor.__rdiv__": _swapped(operator.truediv)}
ELEMENTWISE |= {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "elementwise_pow": operator.pow,
    "pow": operator.pow,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less_than": operator.lt,
    "less_equal": operator.le,
    "greater_than": operator.gt,
    "greater_equal": operator.ge,
}
