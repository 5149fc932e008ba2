"""Torch's constructors of tensors on Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .shapes import as_sizes
from .table import FUNCTIONS, dtype_name, function, paddle


def _filled(value: float) -> Any:
    def like(input: Any, *, dtype: str | None = None, **_placement: Any) -> Any:
        return paddle.full_like(input, value, dtype=dtype)

    def new(*size: Any, dtype: str | None = None, **_placement: Any) -> Any:
        return paddle.full(as_sizes(size), value, dtype=dtype or paddle.get_default_dtype())

    def of_type(input: Any, *size: Any, dtype: str | None = None, **_placement: Any) -> Any:
        return paddle.full(as_sizes(size), value, dtype=dtype or dtype_name(input))

    return like, new, of_type


for _name, _value in (("zeros", 0), ("ones", 1)):
    FUNCTIONS[f"{_name}_like"], FUNCTIONS[_name], FUNCTIONS[f"new_{_name}"] = _filled(_value)


@function()
def full(size: Any, fill_value: Any, *, dtype: str | None = None, **_placement: Any) -> Any:
    return paddle.full(as_sizes((size,)), fill_value, dtype=dtype or _type_of(fill_value))


@function()
def full_like(input: Any, fill_value: Any, *, dtype: str | None = None, **_placement: Any) -> Any:
    return paddle.full_like(input, fill_value, dtype=dtype)


@function()
def new_full(input: Any, size: Sequence[int], fill_value: Any, *, dtype: str | None = None, **_placement: Any) -> Any:
    return paddle.full(as_sizes((size,)), fill_value, dtype=dtype or dtype_name(input))


@function()
def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: str | None = None, **_placement: Any) -> Any:
    low, high = (0, start) if end is None else (start, end)
    whole = all_whole(low, high, step)
    return paddle.arange(low, high, step, dtype=dtype or ("int64" if whole else paddle.get_default_dtype()))


def all_whole(*numbers: Any) -> bool:
    """Whether all of them are whole numbers by type."""
    return not [n for n in numbers if not isinstance(n, int)]


@function()
def linspace(start: float, end: float, steps: int, *, dtype: str | None = None, **_placement: Any) -> Any:
    return paddle.linspace(start, end, steps, dtype=dtype or paddle.get_default_dtype())


@function()
def eye(n: int, m: int | None = None, *, dtype: str | None = None, **_placement: Any) -> Any:
    return paddle.eye(n, m, dtype=dtype or paddle.get_default_dtype())


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "int64" if isinstance(value, int) else str(paddle.get_default_dtype())
