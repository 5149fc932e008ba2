"""Inputs that are made up to watch a network run, and the comparison of what two networks return."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backends import Model
from ..backends.protocol import Array
from .structure import Part, parts, run

_SIDES = (32, 64, 28, 224, 16, 8, 4, 96, 128, 48, 256, 299)


def example_input(first: Model, second: Model) -> Array | None:
    """Two random samples that both networks take, or None where none is found.

    The shape is that of `Model.input_shape`, or else guessed from the first layer that holds weights.
    """
    shapes = dict.fromkeys(model.input_shape for model in (first, second) if model.input_shape is not None)
    guesses = (_random((2, *shape)) for shape in shapes) if shapes else _guesses(first)
    return next((x for x in guesses if run(first, x) is not None and run(second, x) is not None), None)


def difference(first: list[Array] | None, second: list[Array] | None) -> float:
    """Largest difference of what two networks returned, relative to the first's largest value; inf if not alike."""
    if first is None or second is None or [a.shape for a in first] != [b.shape for b in second]:
        return float("inf")
    return max((relative(a, b) for a, b in zip(first, second, strict=True)), default=float("inf"))


def relative(a: Array, b: Array, least: float = 0.0) -> float:
    """Largest difference of two arrays, relative to the first's largest value, or to `least` where that is larger."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = np.abs(a).max(initial=least)
    gap = np.abs(a - b).max(initial=0.0)
    if gap == 0:
        return 0.0
    ratio = float(gap / scale) if scale else float("inf")
    return ratio if np.isfinite(ratio) else float("inf")


def _guesses(model: Model) -> Iterator[Array]:
    held = parts(model)
    if not held:
        return
    first = held[0]
    if first.kind == "embedding":
        yield np.random.default_rng(0).integers(len(first.arrays["weight"]), size=(2, 8))
    for shape in _shapes(model, first):
        yield _random((2, *shape))


def _shapes(model: Model, part: Part) -> Iterator[tuple[int, ...]]:
    weight = next(iter(part.arrays.values()))
    layer: Any = dict(model.backend.modules(model.net)).get(part.name)
    channels = weight.shape[-1] if weight.ndim < 3 else weight.shape[1] * _groups(layer)
    if part.kind in ("linear", "layer_norm", "batch_norm", "own"):
        yield (channels,)
    if part.kind in ("linear", "layer_norm", "multihead_attention", "lstm", "gru", "rnn", "own"):
        yield (5, channels)
    if part.kind == "conv1d":
        yield from ((channels, side) for side in _SIDES)
    if part.kind in ("conv2d", "batch_norm", "own"):
        yield from ((channels, side, side) for side in _SIDES)


def _random(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).random(shape)


def _groups(layer: Any) -> int:
    return int(getattr(layer, "groups", getattr(layer, "_groups", 1)))
