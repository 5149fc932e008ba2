"""Torch's functions that cut, join and rearrange, on Paddle tensors."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

from .paddle_functions import FUNCTIONS, dtype_name, function, is_floating, is_tensor, paddle, promoted

Axes = int | Sequence[int]


def as_sizes(sizes: tuple[Any, ...]) -> list[int]:
    """Sizes given one by one or as one list, as plain numbers."""
    listed = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes
    return [int(size) for size in listed]


def as_axes(dim: Axes) -> list[int]:
    """One axis or several as a list."""
    return [int(dim)] if isinstance(dim, int) else [int(axis) for axis in dim]


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
    return paddle.reshape(input, [*input.shape[:start], math.prod(input.shape[start : end + 1]), *input.shape[end + 1 :]])


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


@function("swapaxes", "swapdims")
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


@function("concat", "concatenate")
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    return paddle.concat(promoted(*tensors), axis=dim)


@function()
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    return paddle.stack(promoted(*tensors), axis=dim)


@function()
def hstack(tensors: Sequence[Any]) -> Any:
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


@function("split_with_sizes")
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
    if all(i <= n for axis, (i, n) in enumerate(zip(index.shape, input.shape, strict=True)) if axis != dim % input.ndim):
        input = input[tuple(builtins.slice(None) if a == dim % input.ndim else builtins.slice(n)
                            for a, n in enumerate(index.shape))]
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
    copied[index] = value.astype(input.dtype) if is_tensor(value) else value
    return copied


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
        axes = [1, 0, *range(2, a.ndim)]
        return tuple(paddle.transpose(grid, axes) for grid in (b, a, *rest))
    return tuple(paddle.meshgrid(*listed))


# -- sizes and types -------------------------------------------------------------------------------------------


@function()
def size(input: Any, dim: int | None = None) -> Any:
    return tuple(input.shape) if dim is None else input.shape[dim]


@function()
def to(input: Any, *args: Any, dtype: str | None = None, **_placement: Any) -> Any:
    wanted = dtype or next((a if isinstance(a, str) else dtype_name(a) for a in args if _names_type(a)), None)
    return input if wanted is None or wanted == dtype_name(input) else input.astype(wanted)


def _names_type(thing: Any) -> bool:
    return is_tensor(thing) or (isinstance(thing, str) and thing in TYPES)


TYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


@function("type")
def type_as(input: Any, other: Any) -> Any:
    return to(input, other)


@function("cpu", "cuda", "contiguous", "clone")
def identity(input: Any, *_device: Any, **_placement: Any) -> Any:
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
    "ndimension": lambda input: input.ndim,
    "numel": lambda input: math.prod(input.shape),
    "float": lambda input: to(input, "float32") if is_tensor(input) else builtins.float(input),
    "double": lambda input: to(input, "float64"),
    "int": lambda input: to(input, "int32"),
    "long": lambda input: to(input, "int64"),
    "bool": lambda input: to(input, "bool"),
    "is_floating_point": is_floating,
}
