"""Torch's pooling on Paddle tensors."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .resizing import Matrix, adaptive_means, along_axes
from .table import FUNCTIONS, LIMITS, paddle
from .weighted import Sizes, pad_zeros, per_axis

functional = paddle.nn.functional


def _windows(length: int, kernel: int, stride: int, padding: int, ceil: bool) -> tuple[int, int]:
    """How many windows torch lays along an axis, and by how much they exceed the padded axis."""
    over = length + 2 * padding - kernel
    count = (-(-over // stride) if ceil else over // stride) + 1
    if ceil and (count - 1) * stride >= length + padding:
        count -= 1  # a window must not begin in the padding at the end
    return count, max((count - 1) * stride + kernel - length - padding, 0)


def _max_pool(axes: int) -> Any:
    pool = getattr(functional, f"max_pool{axes}d")

    def max_pool(
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        kernels, paddings = per_axis(kernel_size, axes), per_axis(padding, axes)
        strides = per_axis(stride, axes) if stride else kernels
        if ceil_mode:
            lengths = input.shape[-axes:]
            beyond = [_windows(*along, True)[1] for along in zip(lengths, kernels, strides, paddings, strict=True)]
            sides = [side for ends in zip(reversed(paddings), reversed(beyond), strict=True) for side in ends]
            input, paddings = pad_zeros(input, sides, -math.inf), [0] * axes
        return pool(input, kernels, strides, paddings)

    return max_pool


def _average_pool(axes: int) -> Any:
    def avg_pool(
        input: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        kernels, paddings = per_axis(kernel_size, axes), per_axis(padding, axes)
        strides = per_axis(stride, axes) if stride else kernels
        if axes == 2 and not ceil_mode and divisor_override is None:
            return functional.avg_pool2d(input, kernels, strides, paddings, exclusive=not count_include_pad)
        sizes = zip(input.shape[2:], kernels, strides, paddings, strict=True)
        if divisor_override is None:
            return along_axes(input, [_means(*along, ceil_mode, count_include_pad) for along in sizes])
        totals = along_axes(input, [_means(*along, ceil_mode, None) for along in sizes])
        return totals / divisor_override

    return avg_pool


@lru_cache(maxsize=64)
def _means(length: int, kernel: int, stride: int, padding: int, ceil: bool, padded: bool | None) -> Matrix:
    """How much each element counts in the mean of each window; in its sum, if `padded` is None."""
    starts = np.arange(_windows(length, kernel, stride, padding, ceil)[0])[:, None] * stride - padding
    places = np.arange(length)
    found = ((places >= starts) & (places < starts + kernel)).astype(float)
    if padded is None:
        return found
    low, high = (-padding, length + padding) if padded else (0, length)
    return found / (np.minimum(starts + kernel, high) - np.maximum(starts, low))


def _adaptive(kind: str, axes: int) -> Any:
    pool = getattr(functional, f"adaptive_{kind}_pool{axes}d")

    def adaptive(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        listed = [output_size] if output_size is None or isinstance(output_size, int) else list(output_size)
        wanted = listed * axes if len(listed) == 1 else listed
        sizes = [n if size is None else size for size, n in zip(wanted, input.shape[2:], strict=True)]
        if kind == "avg" and axes != 2:
            return along_axes(input, [adaptive_means(*pair) for pair in zip(input.shape[2:], sizes, strict=True)])
        return pool(input, sizes[0] if axes == 1 else sizes)

    return adaptive


for _axes in (1, 2, 3):
    FUNCTIONS[f"max_pool{_axes}d"] = _max_pool(_axes)
    LIMITS[f"max_pool{_axes}d"] = {"return_indices": (False,), "dilation": (1, (1,) * _axes, [1] * _axes)}
    FUNCTIONS[f"avg_pool{_axes}d"] = _average_pool(_axes)
    FUNCTIONS[f"adaptive_avg_pool{_axes}d"] = _adaptive("avg", _axes)
    FUNCTIONS[f"adaptive_max_pool{_axes}d"] = _adaptive("max", _axes)
    LIMITS[f"adaptive_max_pool{_axes}d"] = {"return_indices": (False,)}
