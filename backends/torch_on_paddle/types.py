"""Sizes, types and attributes of tensors as torch tells them, on Paddle."""

from __future__ import annotations

import builtins
import math
from typing import Any

from .shapes import transpose
from .table import FUNCTIONS, cast, dtype_name, function, is_floating, is_tensor, paddle


@function()
def size(input: Any, dim: int | None = None) -> Any:
    return tuple(input.shape) if dim is None else input.shape[dim]


@function()
def to(input: Any, *args: Any, dtype: str | None = None, **_placement: Any) -> Any:
    wanted = dtype or next((a if isinstance(a, str) else dtype_name(a) for a in args if _names_type(a)), None)
    return input if wanted is None else cast(input, wanted)


def _names_type(thing: Any) -> bool:
    return is_tensor(thing) or (isinstance(thing, str) and thing in TYPES)


TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


@function("type")
def type_as(input: Any, other: Any) -> Any:
    return to(input, other)


@function("cpu", "contiguous")
def clone(input: Any, **_placement: Any) -> Any:
    """The same: nothing here works in place."""
    return input


def getattribute(input: Any, name: str) -> Any:
    """An attribute of a tensor as torch means it."""
    if not is_tensor(input):
        return builtins.getattr(input, name)
    return _ATTRIBUTES[name](input)


_ATTRIBUTES = {
    "shape": lambda x: tuple(x.shape),
    "dtype": dtype_name,
    "device": lambda x: None,
    "ndim": lambda x: x.ndim,
    "T": lambda x: paddle.transpose(x, list(range(x.ndim))[::-1]),
    "mT": lambda x: transpose(x, -2, -1),
    "data": lambda x: x.detach(),
    "is_cuda": lambda x: x.place.is_gpu_place(),
}
ATTRIBUTES = frozenset(_ATTRIBUTES)
"""The attributes of tensors that networks may read."""

FUNCTIONS |= {
    "copy": lambda input, src, non_blocking=False: paddle.expand(to(src, input), input.shape),
    "fill": lambda input, value: paddle.full_like(input, value),
    "zero": lambda input: paddle.zeros_like(input),
    "Tensor.where": lambda input, condition, other: FUNCTIONS["where"](condition, input, other),
    "getattr": getattribute,
    "detach": lambda input: input.detach(),
    "dim": lambda input: input.ndim,
    "len": len,
    "numel": lambda input: math.prod(input.shape),
    "float": lambda input: to(input, "float32") if is_tensor(input) else builtins.float(input),
    "double": lambda input: to(input, "float64"),
    "int": lambda input: to(input, "int32"),
    "long": lambda input: to(input, "int64"),
    "bool": lambda input: to(input, "bool"),
    "is_floating_point": is_floating,
}
