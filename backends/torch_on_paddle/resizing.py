"""Torch's padding, resizing and sampling of pictures on Paddle tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .table import FUNCTIONS, dtype_name, function, paddle
from .weighted import Sizes, pad_zeros, per_axis

functional = paddle.nn.functional
Matrix = npt.NDArray[np.float64]


@lru_cache(maxsize=64)
def adaptive_means(length: int, outputs: int) -> Matrix:
    order, places = np.arange(outputs)[:, None], np.arange(length)
    found = (places >= order * length // outputs) & (places < -(-(order + 1) * length // outputs))
    return found / found.sum(axis=1, keepdims=True)


def along_axes(x: Any, matrices: Sequence[Matrix]) -> Any:
    """Multiply each spatial axis by a matrix (outputs, inputs)."""
    for axis, weights in enumerate(matrices, start=2):
        matrix = paddle.to_tensor(weights, dtype=dtype_name(x), place=x.place)
        if axis == x.ndim - 1:
            x = paddle.matmul(x, matrix, transpose_y=True)
        else:
            rows = paddle.matmul(matrix, paddle.reshape(x, [*x.shape[: axis + 1], -1]))
            x = paddle.reshape(rows, [*x.shape[:axis], len(weights), *x.shape[axis + 1 :]])
    return x


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


_LINEAR = ("linear", "bilinear", "trilinear")


@function(mode=("nearest", "nearest-exact", *_LINEAR, "bicubic", "area"), antialias=(False,))
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
    factors: list[float | None] = [None] * axes
    if scale_factor is None:
        assert size is not None
        outputs = per_axis(size, axes)
    else:
        listed = [scale_factor] * axes if isinstance(scale_factor, (int, float)) else list(scale_factor)
        outputs = [math.floor(n * factor) for n, factor in zip(input.shape[2:], listed, strict=True)]
        if not recompute_scale_factor:
            factors = list(listed)
    pairs = list(zip(input.shape[2:], outputs, strict=True))
    if mode == "area":
        return along_axes(input, [adaptive_means(*pair) for pair in pairs])
    corners = bool(align_corners)
    return along_axes(
        input, [_weights(*pair, mode, corners, factor) for pair, factor in zip(pairs, factors, strict=True)]
    )


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
    return functional.affine_grid(theta, list(size), bool(align_corners))


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
FUNCTIONS |= {
    "pixel_shuffle": functional.pixel_shuffle,
    "pixel_unshuffle": functional.pixel_unshuffle,
    "channel_shuffle": functional.channel_shuffle,
}
