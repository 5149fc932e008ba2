"""Torch's pooling, padding and resizing on Paddle tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .paddle_function_layers import Sizes, pad_zeros, per_axis
from .paddle_functions import FUNCTIONS, LIMITS, dtype_name, function, paddle

functional = paddle.nn.functional
Matrix = npt.NDArray[np.float64]


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
            beyond = [
                _windows(*along, True)[1] for along in zip(lengths, kernels, strides, paddings, strict=True)
            ]
            sides = [side for ends in zip(reversed(paddings), reversed(beyond), strict=True) for side in ends]
            input, paddings = pad_zeros(input, sides, -math.inf), [0] * axes
        return pool(input, kernels, strides, paddings)

    return max_pool


def _average_pool(axes: int) -> Any:
    pool = getattr(functional, f"avg_pool{axes}d")

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
        if not ceil_mode and divisor_override is None:
            return pool(input, kernels, strides, paddings, exclusive=not count_include_pad)
        along = list(zip(input.shape[-axes:], kernels, strides, paddings, strict=True))
        beyond = [_windows(*sizes, ceil_mode)[1] for sizes in along]
        sides = [side for ends in zip(reversed(paddings), reversed(beyond), strict=True) for side in ends]
        totals = pool(pad_zeros(input, sides), kernels, strides, 0) * float(math.prod(kernels))
        if divisor_override is not None:
            return totals / divisor_override
        return totals / paddle.to_tensor(_counts(along, count_include_pad), dtype=input.dtype)

    return avg_pool


def _counts(along: Sequence[tuple[int, int, int, int]], padded: bool) -> Matrix:
    """How many elements each window averages."""
    found = np.ones(())
    for length, kernel, stride, padding in along:
        starts = np.arange(_windows(length, kernel, stride, padding, True)[0]) * stride - padding
        low, high = (-padding, length + padding) if padded else (0, length)
        found = np.multiply.outer(found, np.minimum(starts + kernel, high) - np.maximum(starts, low))
    return found


def _adaptive(kind: str, axes: int) -> Any:
    pool = getattr(functional, f"adaptive_{kind}_pool{axes}d")

    def adaptive(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        wanted = [output_size] * axes if output_size is None or isinstance(output_size, int) else list(output_size)
        wanted = wanted * axes if len(wanted) == 1 else wanted
        lengths = input.shape[-axes:]
        sizes = [int(n) if size is None else int(size) for size, n in zip(wanted, lengths, strict=True)]
        return pool(input, sizes[0] if axes == 1 else sizes)

    return adaptive


for _axes in (1, 2, 3):
    FUNCTIONS[f"max_pool{_axes}d"] = _max_pool(_axes)
    LIMITS[f"max_pool{_axes}d"] = {"return_indices": (False,), "dilation": (1, (1,) * _axes, [1] * _axes)}
    FUNCTIONS[f"avg_pool{_axes}d"] = _average_pool(_axes)
    FUNCTIONS[f"adaptive_avg_pool{_axes}d"] = _adaptive("avg", _axes)
    FUNCTIONS[f"adaptive_max_pool{_axes}d"] = _adaptive("max", _axes)
    LIMITS[f"adaptive_max_pool{_axes}d"] = {"return_indices": (False,)}


# -- padding ---------------------------------------------------------------------------------------------------


@function(mode=("constant", "reflect", "replicate", "circular"))
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    for i, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        if before < 0 or after < 0:
            axis = input.ndim - 1 - i
            input = paddle.slice(input, [axis], [max(-before, 0)], [input.shape[axis] - max(-after, 0)])
    sides = [max(side, 0) for side in pad]
    if mode == "constant":
        return pad_zeros(input, sides, value or 0.0)
    for i, (before, after) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        axis = input.ndim - 1 - i
        length = input.shape[axis]
        places = _PLACES[mode](np.arange(-before, length + after), length)
        if before or after:
            input = paddle.index_select(input, paddle.to_tensor(places, place=input.place), axis=axis)
    return input


_PLACES = {
    "reflect": lambda places, length: length - 1 - np.abs(length - 1 - np.abs(places)),
    "replicate": lambda places, length: np.clip(places, 0, length - 1),
    "circular": lambda places, length: places % length,
}


# -- resizing --------------------------------------------------------------------------------------------------

_LINEAR = ("linear", "bilinear", "trilinear")


@function("upsample", mode=("nearest", "nearest-exact", *_LINEAR, "bicubic", "area"), antialias=(False,))
def interpolate(
    input: Any,
    size: Sizes | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """By one matrix for each axis: Paddle's own rounds its weights to single precision."""
    axes = input.ndim - 2
    if scale_factor is None:
        assert size is not None
        outputs, factors = per_axis(size, axes), [None] * axes
    else:
        listed = [scale_factor] * axes if isinstance(scale_factor, (int, float)) else list(scale_factor)
        outputs = [math.floor(n * factor) for n, factor in zip(input.shape[2:], listed, strict=True)]
        factors = [None] * axes if recompute_scale_factor else listed
    if mode == "area":
        return FUNCTIONS[f"adaptive_avg_pool{axes}d"](input, outputs)
    for axis, (length, factor) in enumerate(zip(outputs, factors, strict=True), start=2):
        weights = _weights(input.shape[axis], length, mode, bool(align_corners), factor)
        matrix = paddle.to_tensor(weights, dtype=dtype_name(input), place=input.place)
        if axis == input.ndim - 1:
            input = paddle.matmul(input, matrix, transpose_y=True)
        else:
            rows = paddle.reshape(input, [*input.shape[: axis + 1], -1])
            input = paddle.reshape(paddle.matmul(matrix, rows), [*input.shape[:axis], length, *input.shape[axis + 1 :]])
    return input


@lru_cache(maxsize=64)
def _weights(length: int, outputs: int, mode: str, corners: bool, factor: float | None) -> Matrix:
    """How much each of `length` elements counts in each of `outputs`."""
    places = np.arange(outputs)
    step = length / outputs if factor is None else 1 / factor
    found = np.zeros((outputs, length))
    if mode.startswith("nearest"):
        # In single precision, as torch reckons.
        half = np.float32(0.5 if mode == "nearest-exact" else 0)
        nearest = np.floor((places.astype(np.float32) + half) * np.float32(step)).astype(int)
        found[places, np.minimum(nearest, length - 1)] = 1
        return found
    if corners:
        sources = places * ((length - 1) / (outputs - 1) if outputs > 1 else 0.0)
    else:
        sources = (places + 0.5) * step - 0.5
    if mode in _LINEAR:
        sources = np.clip(sources, 0, None)
    first = np.floor(sources).astype(int)
    beyond = sources - first
    for offset, weight in _cubic(beyond) if mode == "bicubic" else ((0, 1 - beyond), (1, beyond)):
        np.add.at(found, (places, np.clip(first + offset, 0, length - 1)), weight)
    return found


def _cubic(t: Matrix, a: float = -0.75) -> list[tuple[int, Matrix]]:
    def near(d: Matrix) -> Matrix:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Matrix) -> Matrix:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [(-1, far(t + 1)), (0, near(t)), (1, near(1 - t)), (2, far(2 - t))]


@function(mode=("bilinear", "nearest"), padding_mode=("zeros", "border", "reflection"))
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    return functional.grid_sample(input, grid, mode, padding_mode, bool(align_corners))


@function()
def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    return functional.affine_grid(theta, [int(n) for n in size], bool(align_corners))


# -- windows ---------------------------------------------------------------------------------------------------


@function()
def unfold(input: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Any:
    kernels, steps, sides, gaps = (per_axis(value, 2) for value in (kernel_size, stride, padding, dilation))
    return functional.unfold(input, kernels, steps, sides, gaps)


@function()
def fold(
    input: Any, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Any:
    outputs, kernels, steps, sides, gaps = (
        per_axis(value, 2) for value in (output_size, kernel_size, stride, padding, dilation)
    )
    return functional.fold(input, outputs, kernels, steps, sides, gaps)


def _windows_along(input: Any, dimension: int, size: int, step: int) -> Any:
    axis = dimension % input.ndim
    starts = np.arange(0, input.shape[axis] - size + 1, step)
    places = (starts[:, None] + np.arange(size)).ravel()
    picked = paddle.index_select(input, paddle.to_tensor(places, place=input.place), axis=axis)
    parted = paddle.reshape(picked, [*input.shape[:axis], len(starts), size, *input.shape[axis + 1 :]])
    return paddle.moveaxis(parted, axis + 1, -1)


FUNCTIONS["Tensor.unfold"] = _windows_along
