"""Cases of an assignment, drawn from a seed without any framework: pictures, weights, labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .protocol import Array, Arrays

Shape: TypeAlias = tuple[int, ...]
_Numbers: TypeAlias = npt.NDArray[np.float64]

SCALES = (0.2, 1.0, 3.0, 8.0)
"""How bright the pictures are: what treats a batch as one picture shows only where they differ."""


def draw_pictures(
    generator: np.random.Generator, height: int = 24, width: int = 32, scales: Sequence[float] = SCALES
) -> npt.NDArray[np.float32]:
    """One RGB picture per scale, in random order: coarse patches with fine texture.

    Parameters
    ----------
    generator : Generator
    height, width : int
        Should differ, so that swapping them shows.
    scales : sequence of float

    Returns
    -------
    ndarray (N, height, width, 3)
        Values from 0 to the scale.
    """
    patch = 4
    coarse = generator.random((len(scales), -(-height // patch), -(-width // patch), 3))
    coarse = coarse.repeat(patch, axis=1).repeat(patch, axis=2)[:, :height, :width]
    mixed = 0.7 * coarse + 0.3 * generator.random(coarse.shape)
    return (mixed * generator.permutation(scales)[:, None, None, None]).astype(np.float32)


def draw_weights(
    generator: np.random.Generator, shapes: Mapping[str, Shape], centred: bool = False
) -> dict[str, npt.NDArray[np.float32]]:
    """Weights that keep the size of what they are given, under canonical names.

    Parameters
    ----------
    generator : Generator
    shapes : mapping of str to tuple of int
        By canonical name: convolutions and linear layers have two axes or more, batch norms have ``running_mean`` and
        ``running_var``.
    centred : bool
        The kernels of convolutions sum to 0, so that what they put out is both positive and negative in every picture.
    """
    drawn = {name: _draw(generator, name, shape) for name, shape in shapes.items()}
    if centred:
        for values in drawn.values():
            if values.ndim == 4:
                values -= values.mean(axis=(2, 3), keepdims=True)
    return {name: values.astype(np.float32) for name, values in drawn.items()}


def convolution_shapes(name: str, inputs: int, outputs: int, size: int = 3, bias: bool = True) -> dict[str, Shape]:
    """The shapes of a square convolution's weights."""
    shapes: dict[str, Shape] = {f"{name}.weight": (outputs, inputs, size, size)}
    return shapes | {f"{name}.bias": (outputs,)} if bias else shapes


def batch_norm_shapes(name: str, channels: int) -> dict[str, Shape]:
    """The shapes of a batch norm's weights and running statistics."""
    return {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def linear_shapes(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    """The shapes of a linear layer's weights."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def labels_beside(generator: np.random.Generator, scores: Array) -> npt.NDArray[np.int64]:
    """One label per row of scores, neither the class with the highest score nor a neighbour of it.

    It is neither the first nor the last class, so that the classes before and after it exist, too.

    Parameters
    ----------
    generator : Generator
    scores : ndarray (N, classes)
        Of six classes or more.
    """
    classes = np.arange(1, scores.shape[1] - 1)
    return np.array([generator.choice(classes[abs(classes - best) > 1]) for best in scores.argmax(1)], np.int64)


def convolved(x: Array, weights: Arrays, name: str, stride: int = 1) -> _Numbers:
    """A convolution of pictures (N, C, H, W) with an odd kernel, padded by half of it."""
    kernel = np.asarray(weights[f"{name}.weight"], np.float64)
    size = kernel.shape[-1]
    around = size // 2
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), (0, 0), (around, around), (around, around)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    found: Any = np.einsum("nchwij,kcij->nkhw", windows, kernel, optimize=True)
    return found + _per_channel(weights[f"{name}.bias"]) if f"{name}.bias" in weights else found


def batch_normed(x: Array, weights: Arrays, name: str) -> _Numbers:
    """A batch norm in evaluation mode."""
    scale = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + 1e-5)
    return (x - _per_channel(weights[f"{name}.running_mean"])) * _per_channel(scale) + _per_channel(
        weights[f"{name}.bias"]
    )


def average_pooled(x: Array, size: int) -> _Numbers:
    """Means over squares of `size` by `size`, which have to cover the picture."""
    count, channels, height, width = x.shape
    found: _Numbers = x.reshape(count, channels, height // size, size, width // size, size).mean(axis=(3, 5))
    return found


def linear(x: Array, weights: Arrays, name: str) -> _Numbers:
    """A linear layer on what is flattened to one row per sample."""
    found: _Numbers = x.reshape(len(x), -1) @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]
    return found


def _per_channel(values: Array) -> _Numbers:
    return np.asarray(values, np.float64)[:, None, None]


def _draw(generator: np.random.Generator, name: str, shape: Shape) -> _Numbers:
    if name.endswith("running_var"):
        return generator.uniform(0.5, 2.0, shape)
    if name.endswith("running_mean"):
        return generator.normal(0.0, 0.3, shape)
    if len(shape) > 1:
        return generator.normal(0.0, 1.4 / np.sqrt(np.prod(shape[1:])), shape)
    if name.endswith("weight"):
        return generator.uniform(0.6, 1.4, shape)
    return generator.normal(0.0, 0.3, shape)
