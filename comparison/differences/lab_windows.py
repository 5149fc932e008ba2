"""Convolution, pooling and padding in NumPy, for any number of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...backends.protocol import Array

Values = Mapping[str, Any]
Pairs = list[tuple[int, int]]
_PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def conv(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Cross-correlation with a weight (out, in / groups, ...)."""
    weight, groups = weights["weight"], settings["groups"]
    axes = weight.ndim - 2
    kernel, stride, dilation = weight.shape[2:], _each(settings["stride"], axes), _each(settings["dilation"], axes)
    sides = sides_of(settings["padding"], x.shape[2:], kernel, stride, dilation)
    x = _padded(x, sides, settings["padding_mode"])
    windows = _windows(x, kernel, stride, dilation)
    count = weight.shape[1]
    if windows.shape[1] != count * groups:
        raise ValueError("the weight takes another number of channels")
    outputs = len(weight) // groups
    over = [1, *range(2 + axes, 2 + 2 * axes)]
    parts = [
        np.tensordot(
            windows[:, g * count : (g + 1) * count],
            weight[g * outputs : (g + 1) * outputs],
            (over, [1, *range(2, 2 + axes)]),
        )
        for g in range(groups)
    ]
    y = np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)
    return y + weights["bias"].reshape((1, -1) + (1,) * axes) if "bias" in weights else y


def max_pool(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Largest value of each window; padding never wins."""
    # Where a window holds nothing else, it shows: Paddle's smallest number is that of float32.
    least = -float(np.finfo(np.float32).max) if settings.get("windows_in_padding") else -np.inf
    windows = _pooled(x, settings, least, least)
    return windows.max(axis=tuple(range(x.ndim, windows.ndim)))


def avg_pool(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Mean of each window, over its real elements alone or over the padding as well."""
    windows = _pooled(x, settings, 0.0, 0.0)
    over = tuple(range(x.ndim, windows.ndim))
    if settings.get("divisor"):
        return windows.sum(axis=over) / settings["divisor"]
    counted = np.ones((1, 1, *x.shape[2:]))
    return windows.sum(axis=over) / _pooled(counted, settings, float(settings["count_include_pad"]), 0.0).sum(axis=over)


def adaptive_pool(x: Array, settings: Values, reduce: Callable[..., Array]) -> Array:
    """Reduce as many windows as the output has elements, of nearly equal size."""
    sizes = _each(settings["output_size"], x.ndim - 2)
    sizes = tuple(n if size < 0 else size for size, n in zip(sizes, x.shape[2:], strict=True))
    y = np.empty((*x.shape[:2], *sizes))
    for place in product(*map(range, sizes)):
        window = x
        for axis, (i, n, size) in enumerate(zip(place, x.shape[2:], sizes, strict=True), 2):
            window = window.take(range(i * n // size, -(-(i + 1) * n // size)), axis=axis)
        here: Any = (..., *place)
        y[here] = reduce(window, axis=tuple(range(2, x.ndim)))
    return y


def pad(x: Array, settings: Values, weights: Mapping[str, Array]) -> Array:
    """Add a border; the amounts are those of the last axis first, as both frameworks take them."""
    amounts = settings["padding"]
    axes = x.ndim - 2
    if len(amounts) == 1:
        sides = [(amounts[0], amounts[0])] * axes
    else:
        sides = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)][::-1]
        sides = [(0, 0)] * (axes - len(sides)) + sides
    return _padded(x, sides, settings["padding_mode"], settings.get("value", 0.0))


def sides_of(
    padding: Any, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pairs:
    """How much is added before and after each axis."""
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding == "same":
        totals = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
        ]
        return [(total // 2, total - total // 2) for total in totals]
    return _pairs(padding, len(size))


def _pairs(padding: Any, axes: int) -> Pairs:
    if len(padding) == 2 * axes and axes > 1:
        return [(padding[i], padding[i + 1]) for i in range(0, 2 * axes, 2)]
    return [(amount, amount) for amount in _each(padding, axes)]


def _each(value: Any, axes: int) -> tuple[int, ...]:
    row = tuple(int(number) for number in np.ravel(value))
    return row * axes if len(row) == 1 else row


def _padded(x: Array, sides: Pairs, mode: str, value: float = 0.0) -> Array:
    if not any(map(any, sides)):
        return x
    widths = [(0, 0), (0, 0), *sides]
    if mode == "zeros":
        return np.pad(x, widths, constant_values=value)
    return np.pad(x, widths, mode=_PAD_MODES[mode])  # type: ignore[call-overload]


def _windows(x: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """All windows: the axes of the window stand behind those of the output."""
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = sliding_window_view(x, reach, axis=tuple(range(2, x.ndim)))
    strides = tuple(slice(None, None, s) for s in stride)
    steps = tuple(slice(None, None, d) for d in dilation)
    return windows[(slice(None), slice(None), *strides, *steps)]


def _pooled(x: Array, settings: Values, padding: float, completion: float) -> Array:
    """The windows of a pooling; a last one that reaches beyond the padding is completed."""
    axes = x.ndim - 2
    kernel, stride = _each(settings["kernel_size"], axes), _each(settings["stride"], axes)
    dilation = _each(settings.get("dilation", 1), axes)
    sides = sides_of(settings["padding"], x.shape[2:], kernel, stride, dilation)
    missing = []
    for n, (before, after), k, s, d in zip(x.shape[2:], sides, kernel, stride, dilation, strict=True):
        room = n + before + after - (k - 1) * d - 1
        count = (-(-room // s) if settings["ceil_mode"] else room // s) + 1
        if settings["ceil_mode"] and not settings.get("windows_in_padding") and (count - 1) * s >= n + before:
            count -= 1
        missing.append((0, max((count - 1) * s + (k - 1) * d + 1 - (n + before + after), 0)))
    x = np.pad(x, [(0, 0), (0, 0), *sides], constant_values=padding)
    return _windows(np.pad(x, [(0, 0), (0, 0), *missing], constant_values=completion), kernel, stride, dilation)
