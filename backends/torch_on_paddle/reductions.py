"""Torch's sums, extremes and other reductions on Paddle."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from .shapes import Axes, as_axes
from .table import cast, dtype_name, function, is_floating, is_tensor, paddle

Pair = namedtuple("Pair", "values indices")
"""What torch returns where it finds values and their places."""


def _axes(dim: Axes | None) -> list[int] | None:
    return None if dim is None or (not isinstance(dim, int) and not dim) else as_axes(dim)


@function()
def sum(input: Any, dim: Axes | None = None, keepdim: bool = False, *, dtype: str | None = None) -> Any:
    x = input if is_floating(input) and dtype is None else cast(input, dtype or _wider(input))
    return paddle.sum(x, axis=_axes(dim), keepdim=keepdim)


def _wider(t: Any) -> str:
    return dtype_name(t) if is_floating(t) else "int64"


@function()
def mean(input: Any, dim: Axes | None = None, keepdim: bool = False, *, dtype: str | None = None) -> Any:
    return paddle.mean(input if dtype is None else input.astype(dtype), axis=_axes(dim), keepdim=keepdim)


@function()
def prod(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return paddle.prod(input, axis=dim, keepdim=keepdim)


@function()
def amax(input: Any, dim: Axes | None = None, keepdim: bool = False) -> Any:
    return paddle.amax(input, axis=_axes(dim), keepdim=keepdim)


@function()
def amin(input: Any, dim: Axes | None = None, keepdim: bool = False) -> Any:
    return paddle.amin(input, axis=_axes(dim), keepdim=keepdim)


@function()
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if is_tensor(dim):
        return paddle.maximum(input, dim)
    return paddle.amax(input) if dim is None else _extreme(input, paddle.argmax, dim, keepdim)


@function()
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    if is_tensor(dim):
        return paddle.minimum(input, dim)
    return paddle.amin(input) if dim is None else _extreme(input, paddle.argmin, dim, keepdim)


def _extreme(x: Any, find: Any, dim: int, keepdim: bool) -> Pair:
    """Paddle's own returns values only, and shares the gradient among equal ones."""
    places = find(x, axis=dim, keepdim=True)
    values = paddle.take_along_axis(x, places, axis=dim)
    return Pair(*(t if keepdim else paddle.squeeze(t, axis=dim) for t in (values, places)))


@function()
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return paddle.argmax(input, axis=dim, keepdim=keepdim)


@function()
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return paddle.argmin(input, axis=dim, keepdim=keepdim)


@function()
def var(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> Any:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    taken = int(unbiased) if correction is None else correction
    axes = list(range(input.ndim)) if _axes(dim) is None else as_axes(dim)
    centred = input - paddle.mean(input, axis=axes, keepdim=True)
    count = 1
    for axis in axes:
        count *= input.shape[axis]
    return paddle.sum(centred * centred, axis=axes, keepdim=keepdim) / (count - taken)


@function()
def std(
    input: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> Any:
    return paddle.sqrt(var(input, dim, unbiased, keepdim, correction=correction))


@function("linalg_vector_norm", "linalg_norm", p=("fro", 1, 2, 1.0, 2.0, float("inf")))
def norm(input: Any, p: Any = "fro", dim: Axes | None = None, keepdim: bool = False, dtype: str | None = None) -> Any:
    x = input if dtype is None else input.astype(dtype)
    if p in (1, 1.0):
        return sum(paddle.abs(x), dim, keepdim)
    if p == float("inf"):
        return amax(paddle.abs(x), dim, keepdim)
    squares = sum(x * x, dim, keepdim)
    # The root's infinite gradient at zero is none, as in torch.
    zero = squares == 0
    return paddle.where(zero, squares * 0, paddle.sqrt(paddle.where(zero, paddle.ones_like(squares), squares)))


@function()
def logsumexp(input: Any, dim: Axes, keepdim: bool = False) -> Any:
    return paddle.logsumexp(input, axis=as_axes(dim), keepdim=keepdim)


@function()
def cumsum(input: Any, dim: int) -> Any:
    return paddle.cumsum(input, axis=dim)


@function()
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Pair:
    return Pair(*paddle.topk(input, k, axis=dim, largest=largest, sorted=sorted))


@function()
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Pair:
    places = paddle.argsort(input, axis=dim, descending=descending)
    return Pair(paddle.take_along_axis(input, places, axis=dim), places)


@function()
def argsort(input: Any, dim: int = -1, descending: bool = False) -> Any:
    return paddle.argsort(input, axis=dim, descending=descending)


@function()
def any(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return paddle.any(cast(input, "bool"), axis=dim, keepdim=keepdim)


@function()
def all(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    return paddle.all(cast(input, "bool"), axis=dim, keepdim=keepdim)
