"""Paddle's operators that move, join, pick and make elements: in torch's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import torch_functions as own
from .from_paddle_entries import Unsupported, single, torch_dtype, wants_call
from .torch_lazily import F, torch

Entry = Callable[..., Any]


def _ints(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


@wants_call
def _reshape(call: Any, x: Any, shape: Any) -> Any:
    wanted = list(_ints(shape))
    for axis, length in enumerate(wanted):
        if isinstance(length, int) and length == 0 and call.x.size:  # 0 stands for "as it is"
            wanted[axis] = call.frame.size(call.x, axis)
    return x.reshape(tuple(wanted))


def _squeeze(x: Any, axis: Any = ()) -> Any:
    axes = _ints(axis) if axis is not None else ()
    return x.squeeze(axes if len(axes) > 1 else axes[0]) if axes else x.squeeze()


@wants_call
def _unsqueeze(call: Any, x: Any, axis: Any) -> Any:
    for each in _ints(axis):
        x = x.unsqueeze(each)
    return x


@wants_call
def _split(call: Any, x: Any, sections: Any, axis: Any = 0) -> Any:
    lengths = list(sections)
    rest = next((place for place, length in enumerate(lengths) if isinstance(length, int) and length == -1), None)
    if rest is not None:
        whole = call.frame.size(call.x, int(axis) % call.x.ndim)
        lengths[rest] = whole - sum(lengths[:rest] + lengths[rest + 1 :])
    return torch.split(x, lengths, dim=int(axis))


@wants_call
def _split_evenly(call: Any, x: Any, count: int, axis: Any = 0) -> Any:
    axis = int(axis)
    return torch.tensor_split(x, count, dim=axis)


@wants_call
def _slice(call: Any, x: Any, axes: Any, starts: Any, ends: Any, *settings: Any) -> Any:
    steps = [1] * len(axes)
    dropped = settings[1] if len(settings) > 1 else []
    return _sliced(call, x, axes, starts, ends, steps, dropped)


@wants_call
def _strided_slice(call: Any, x: Any, axes: Any, starts: Any, ends: Any, steps: Any) -> Any:
    return _sliced(call, x, axes, starts, ends, steps, [])


def _sliced(call: Any, x: Any, axes: Any, starts: Any, ends: Any, steps: Any, dropped: Any) -> Any:
    index: list[Any] = [slice(None)] * call.x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = _checked(slice(start, end, None if step == 1 else step))
    x = x[tuple(index)]
    for axis in sorted(dropped, reverse=True):
        x = x.squeeze(axis)
    return x


def _checked(index: Any) -> Any:
    """An index without what torch cannot do: going backwards."""
    if isinstance(index, tuple):
        return tuple(_checked(part) for part in index)
    if isinstance(index, slice) and isinstance(index.step, int) and index.step < 0:
        raise Unsupported("a slice that goes backwards (use paddle.flip)")
    return index


@wants_call
def _expand(call: Any, x: Any, shape: Any) -> Any:
    return x.expand(_ints(shape))


@wants_call
def _tile(call: Any, x: Any, repeats: Any) -> Any:
    return torch.tile(x, _ints(repeats))


def _roll(x: Any, shifts: Any, axis: Any = None) -> Any:
    axes = None if axis is None or axis == [] else _ints(axis)
    return torch.roll(x, _ints(shifts), axes)


@wants_call
def _gather(call: Any, x: Any, index: Any, axis: Any = 0) -> Any:
    return torch.index_select(x, int(axis), index.reshape(-1))


@wants_call
def _cast(call: Any, x: Any, dtype: Any = None) -> Any:
    return x.to(torch_dtype(call.result))


@wants_call
def _full(call: Any, shape: Any, value: Any, *settings: Any) -> Any:
    # A state that starts at zero is to follow the network into double precision; other numbers keep their rounding.
    like = call.frame.input_like(call.result) if isinstance(value, (int, float)) and single(value) == value else None
    dtype = torch_dtype(call.result) if like is None else like.dtype
    return call.frame.made(torch.full, _ints(shape), value, dtype=dtype)


@wants_call
def _full_like(call: Any, x: Any, value: Any, *settings: Any) -> Any:
    given = {} if call.result.dtype == call.x.dtype else {"dtype": torch_dtype(call.result)}
    return torch.full_like(x, value, **given)


@wants_call
def _arange(call: Any, start: Any = 0, end: Any = None, step: Any = 1, *settings: Any, **others: Any) -> Any:
    bounds = (start, end, step) if end is not None else (0, start, step)
    return call.frame.made(torch.arange, *bounds, dtype=torch_dtype(call.result))


@wants_call
def _literal(call: Any, data: Any, *settings: Any, **others: Any) -> Any:
    if hasattr(call.x, "inplace_version"):
        return data.clone()
    return call.frame.constant(call.result.numpy())


@wants_call
def _one_hot(call: Any, x: Any, classes: Any) -> Any:
    return F.one_hot(x, classes).to(torch_dtype(call.result))


@wants_call
def _transposed(call: Any, x: Any) -> Any:
    return x.permute(tuple(reversed(range(call.x.ndim))))


@wants_call
def _set_item(call: Any, x: Any, index: Any, value: Any) -> Any:
    return own.with_item(x, _checked(index), value)


SHAPES: dict[str, Entry] = {
    "reshape": _reshape,
    "view_shape": _reshape,
    "flatten": lambda x, start_axis=0, stop_axis=-1: torch.flatten(x, start_axis, stop_axis),
    "transpose": lambda x, perm: x.permute(tuple(perm)),
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "concat": lambda x, axis=0: torch.cat(list(x), dim=axis),
    "stack": lambda x, axis=0: torch.stack(list(x), dim=axis),
    "split": _split,
    "split_with_num": _split_evenly,
    "unbind": lambda x, axis=0: torch.unbind(x, axis),
    "unstack": lambda x, axis=0, num=None: torch.unbind(x, axis),
    "slice": _slice,
    "strided_slice": _strided_slice,
    "expand": _expand,
    "expand_as": lambda x, y=None, shape=(): x.expand(tuple(shape)) if y is None else x.expand_as(y),
    "tile": _tile,
    "flip": lambda x, axis: torch.flip(x, _ints(axis)),
    "roll": _roll,
    "gather": _gather,
    "index_select": lambda x, index, axis=0: torch.index_select(x, axis, index),
    "take_along_axis": lambda x, index, axis: torch.gather(x, axis, index),
    "tril": lambda x, diagonal=0: torch.tril(x, diagonal),
    "triu": lambda x, diagonal=0: torch.triu(x, diagonal),
    "meshgrid": lambda x: torch.meshgrid(*x, indexing="ij"),
    "repeat_interleave": lambda x, repeats, axis, *size: torch.repeat_interleave(x, repeats, dim=axis),
    "masked_fill": lambda x, mask, value: torch.masked_fill(x, mask, value),
    "cast": _cast,
    "assign": lambda x: x.clone(),
    "full": _full,
    "full_like": _full_like,
    "paddle.arange": _arange,
    "one_hot": _one_hot,
    "paddle.to_tensor": _literal,
    "Tensor.clone": lambda x: x.clone(),
    "Tensor.detach": lambda x: x.detach(),
    "Tensor.contiguous": lambda x: x.contiguous(),
    "Tensor._copy_to": lambda x, *settings: x,
    "Tensor._tensor_use_gpudnn": lambda x, use: x,
    "Tensor.T": _transposed,
    "Tensor.mT": lambda x: x.mT,
    "Tensor.__getitem__": lambda x, index: x[_checked(index)],
    "Tensor.__setitem__": _set_item,
}
