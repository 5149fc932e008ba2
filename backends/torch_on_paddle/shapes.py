"""Torch's functions that rearrange elements, on Paddle tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .table import function, paddle

Axes = int | Sequence[int]


def as_sizes(sizes: tuple[Any, ...]) -> list[int]:
    """Sizes given one by one or as one list."""
    return list(sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes)


def as_axes(dim: Axes) -> list[int]:
    """One axis or several as a list."""
    return [dim] if isinstance(dim, int) else list(dim)


@function("view")
def reshape(input: Any, *shape: Any) -> Any:
    return paddle.reshape(input, as_sizes(shape))


@function("view_as")
def reshape_as(input: Any, other: Any) -> Any:
    return paddle.reshape(input, list(other.shape))


@function()
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if input.ndim == 0:
        return paddle.reshape(input, [1])
    start, end = start_dim % input.ndim, end_dim % input.ndim
    # By reshape, because Paddle's flatten has no second gradient.
    return paddle.reshape(
        input, [*input.shape[:start], math.prod(input.shape[start : end + 1]), *input.shape[end + 1 :]]
    )


@function()
def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    axis, shape = dim % input.ndim, list(input.shape)
    wanted = as_sizes((sizes,))
    known = math.prod(size for size in wanted if size != -1)
    wanted = [shape[axis] // known if size == -1 else size for size in wanted]
    return paddle.reshape(input, [*shape[:axis], *wanted, *shape[axis + 1 :]])


@function()
def permute(input: Any, *dims: Any) -> Any:
    return paddle.transpose(input, [axis % input.ndim for axis in as_sizes(dims)])


@function("swapaxes")
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    axes = list(range(input.ndim))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return paddle.transpose(input, axes)


@function()
def t(input: Any) -> Any:
    return transpose(input, 0, 1) if input.ndim == 2 else input


@function("moveaxis")
def movedim(input: Any, source: Axes, destination: Axes) -> Any:
    return paddle.moveaxis(input, as_axes(source), as_axes(destination))


@function()
def squeeze(input: Any, dim: Axes | None = None) -> Any:
    return paddle.squeeze(input) if dim is None else paddle.squeeze(input, axis=as_axes(dim))


@function()
def unsqueeze(input: Any, dim: int) -> Any:
    return paddle.unsqueeze(input, axis=dim)


@function()
def expand(input: Any, *size: Any) -> Any:
    sizes = as_sizes(size)
    new = len(sizes) - input.ndim
    return paddle.expand(input, [input.shape[i - new] if n == -1 else n for i, n in enumerate(sizes)])


@function()
def broadcast_to(input: Any, size: Sequence[int]) -> Any:
    return expand(input, size)


@function()
def expand_as(input: Any, other: Any) -> Any:
    return paddle.expand(input, list(other.shape))


@function("tile")
def repeat(input: Any, *repeats: Any) -> Any:
    counts = as_sizes(repeats)
    return paddle.tile(input, [1] * (input.ndim - len(counts)) + counts)


@function()
def repeat_interleave(input: Any, repeats: int, dim: int | None = None) -> Any:
    x, axis = (input.flatten(), 0) if dim is None else (input, dim % input.ndim)
    wider = paddle.expand(paddle.unsqueeze(x, axis + 1), [*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :]])
    return flatten(wider, axis, axis + 1)


@function()
def flip(input: Any, *dims: Any) -> Any:
    return paddle.flip(input, axis=as_sizes(dims))


@function()
def roll(input: Any, shifts: Axes, dims: Axes | None = None) -> Any:
    return paddle.roll(input, shifts, axis=dims)


@function()
def tril(input: Any, diagonal: int = 0) -> Any:
    return paddle.tril(input, diagonal)


@function()
def triu(input: Any, diagonal: int = 0) -> Any:
    return paddle.triu(input, diagonal)


@function()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    listed = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if indexing == "xy":
        a, b, *rest = paddle.meshgrid(listed[1], listed[0], *listed[2:])
        return b, a, *rest
    return tuple(paddle.meshgrid(*listed))
