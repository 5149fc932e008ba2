"""Torch's functions that join tensors and take them apart, on Paddle."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from .shapes import as_sizes
from .table import cast, dtype_name, function, is_tensor, paddle, promoted


@function("concat")
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    return paddle.concat(promoted(*tensors), axis=dim)


@function()
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    return paddle.stack(promoted(*tensors), axis=dim)


@function()
def hstack(tensors: Sequence[Any]) -> Any:
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@function()
def split(input: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """By the size of the parts; Paddle's own counts parts."""
    length = input.shape[dim]
    if isinstance(split_size, int):
        sizes = [builtins.min(split_size, length - start) for start in range(0, length, split_size)]
    else:
        sizes = as_sizes((split_size,))
    return tuple(paddle.split(input, sizes, axis=dim)) if len(sizes) > 1 else (input,)


@function()
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    return split(input, -(-input.shape[dim] // chunks), dim)


@function()
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    return tuple(paddle.unbind(input, axis=dim))


@function()
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    return paddle.slice(input, [dim % input.ndim], [start], [start + length])


@function()
def select(input: Any, dim: int, index: int) -> Any:
    return paddle.squeeze(narrow(input, dim, index % input.shape[dim], 1), axis=dim % input.ndim)


@function()
def index_select(input: Any, dim: int, index: Any) -> Any:
    return paddle.index_select(input, index, axis=dim)


@function()
def gather(input: Any, dim: int, index: Any) -> Any:
    if all(
        i <= n for axis, (i, n) in enumerate(zip(index.shape, input.shape, strict=True)) if axis != dim % input.ndim
    ):
        input = input[
            tuple(
                builtins.slice(None) if a == dim % input.ndim else builtins.slice(n) for a, n in enumerate(index.shape)
            )
        ]
    return paddle.take_along_axis(input, index, axis=dim)


@function()
def getitem(input: Any, index: Any) -> Any:
    if not is_tensor(input):
        return input[index]
    kept = index if isinstance(index, tuple) else (index,)
    # A view of everything has nothing to compute, and Paddle refuses an empty index.
    return input[kept if len(kept) > 1 else kept[0]] if kept else input


@function()
def setitem(input: Any, index: Any, value: Any) -> Any:
    """A copy of the tensor with other values in one place."""
    copied = input.clone()
    copied[index] = cast(value, dtype_name(input)) if is_tensor(value) else value
    return copied
