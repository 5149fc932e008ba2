"""Operations as Paddle defines them, written with torch's: for settings that torch's own operations do not have.

A rebuilt network calls them by name; how much they pad or crop depends on the size of their input, so they are looked
into neither when the network is rebuilt nor when ``torch.fx`` traces it again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .from_paddle_entries import single
from .torch_lazily import F, torch

Pairs = Sequence[tuple[int, int]]
"""Zeros before and after, for each spatial axis."""


def whole(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``torch.fx`` record a call of the function and nothing that happens inside it."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, torch.fx.Proxy):
                return value.tracer.create_proxy("call_function", call, args, kwargs)
        return fn(*args, **kwargs)

    return call


def _same(x: Any, kernel: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    totals = [
        max((-(-length // s) - 1) * s + k - length, 0) for length, k, s in zip(x.shape[2:], kernel, stride, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def padded(x: Any, pairs: Pairs, value: float = 0.0) -> Any:
    """Pad the spatial axes of an (N, C, ...) tensor."""
    amounts = [amount for pair in reversed(list(pairs)) for amount in pair]
    return F.pad(x, amounts, value=value) if any(amounts) else x


@whole
def same_padded(x: Any, kernel: Sequence[int], stride: Sequence[int]) -> Any:
    """Zeros so that the next operation has ``ceil(size / stride)`` outputs; an odd one goes to the end."""
    return padded(x, _same(x, kernel, stride))


def _missing(x: Any, kernel: Sequence[int], stride: Sequence[int], pairs: Pairs) -> list[tuple[int, int]]:
    """What is to be added at the end for the last window that begins in the tensor or its padding."""
    added = []
    for length, k, s, (before, after) in zip(x.shape[2:], kernel, stride, pairs, strict=True):
        outputs = -(-(length + before + after - k) // s) + 1
        added.append((0, max(0, (outputs - 1) * s + k - length - before - after)))
    return added


def _grown(
    x: Any, kernel: Sequence[int], stride: Sequence[int], padding: Pairs | str, ceil_mode: bool
) -> tuple[Pairs, Pairs]:
    """The padding, and what ``ceil_mode`` adds to it."""
    pairs = _same(x, kernel, stride) if isinstance(padding, str) else list(padding)
    return pairs, _missing(x, kernel, stride, pairs) if ceil_mode else [(0, 0)] * len(pairs)


@whole
def max_pool(
    x: Any, kernel: Sequence[int], stride: Sequence[int], padding: Pairs | str, ceil_mode: bool = False
) -> Any:
    """Max pooling of one to three spatial axes that keeps windows starting in the padding at the end."""
    lowest = max(torch.finfo(x.dtype).min, torch.finfo(torch.float32).min)
    for pairs in _grown(x, kernel, stride, padding, ceil_mode):
        x = padded(x, pairs, lowest)
    return _pool("max_pool", x.dim() - 2)(x, list(kernel), list(stride))


@whole
def avg_pool(
    x: Any,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Pairs | str,
    ceil_mode: bool = False,
    exclusive: bool = True,
) -> Any:
    """Average pooling with Paddle's windows; `exclusive` leaves the padding out of the average."""
    pool = _pool("avg_pool", x.dim() - 2)
    pairs, added = _grown(x, kernel, stride, padding, ceil_mode)
    # At the end of an axis Paddle counts as much padding as there is at its beginning.
    ends = [(before, min(before, after + more)) for (before, after), (_, more) in zip(pairs, added, strict=True)]
    rests = [(0, after + more - end) for (_, after), (_, more), (_, end) in zip(pairs, added, ends, strict=True)]
    counted = padded(padded(torch.ones_like(x[:1, :1]), ends, 0.0 if exclusive else 1.0), rests)
    x = padded(padded(x, pairs), added)
    return pool(x, list(kernel), list(stride)) / pool(counted, list(kernel), list(stride))


def _pool(name: str, axes: int) -> Callable[..., Any]:
    return getattr(F, f"{name}{axes}d")


@whole
def conv_transpose_to(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    output_size: Sequence[int],
) -> Any:
    """Transposed convolution to an output of the given size."""
    smallest = [
        (length - 1) * s - 2 * p + d * (k - 1) + 1
        for length, s, p, d, k in zip(x.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True)
    ]
    extra = [size - least for size, least in zip(output_size, smallest, strict=True)]
    convolve = getattr(F, f"conv_transpose{x.dim() - 2}d")
    return convolve(x, weight, bias, stride, padding, extra, groups, dilation)


@whole
def interpolated(x: Any, size: Any, mode: str) -> Any:
    """Linear resize that takes the first row or column, where it takes a single one; torch would take the middle."""
    sizes = [size] * (x.dim() - 2) if isinstance(size, int) else list(size)
    for axis, length in enumerate(sizes):
        if length == 1:
            x = x.narrow(axis + 2, 0, 1)
    return F.interpolate(x, size=sizes, mode=mode, align_corners=False)


@whole
def dropout(x: Any, p: float, training: bool, downscale: bool = False, axes: Sequence[int] | None = None) -> Any:
    """Dropout that may drop along some axes only, or scale by ``1 - p`` in evaluation instead of in training."""
    if not training:
        return x * single(1 - p) if downscale else x
    shape = [length if axes is None or axis in axes else 1 for axis, length in enumerate(x.shape)]
    kept = torch.rand(shape, dtype=x.dtype, device=x.device) >= p
    return x * kept if downscale or p == 1 else x * kept / (1 - p)


@whole
def with_item(x: Any, index: Any, value: Any) -> Any:
    """A copy of `x` in which ``x[index]`` is `value`."""
    changed = x.clone()
    changed[index] = value
    return changed


@whole
def embedding(ids: Any, weight: Any, padding_idx: int) -> Any:
    """Rows of a table; the padding index gives zeros, whatever its row holds."""
    rows = F.embedding(ids, weight, padding_idx)
    return rows.masked_fill((ids == padding_idx).unsqueeze(-1), 0.0)
