"""Split a batch so that it fits in memory; results do not depend on where it is cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ..errors import InputError
from .protocol import Array

if TYPE_CHECKING:
    from .model import Model

BatchSize: TypeAlias = int | Literal["auto"]

MEMORY_BUDGET = 1 << 30
"""Bytes that the activations of one chunk may take with ``batch_size="auto"``."""

MALLOC_LIMIT = 32 << 20
"""From this size on, the C library gives a block back to the system when it is freed, and gets every page anew."""

# Up to as many pixels as eight pictures of 224 x 224 the measurement of a gradient would cost more than it saves.
_FREE_ELEMENTS = 8 * 3 * 224 * 224
# Of `MALLOC_LIMIT`, what the largest output of a layer may take: others need a place beside it.
_SHARE = 0.8


class SampleBytes(NamedTuple):
    """What the outputs of all layers take for one sample: together, each tensor once, and the largest of them."""

    together: int
    largest: int


def chunk_size(
    model: Model,
    sample_shape: tuple[int, ...],
    samples: int,
    batch_size: BatchSize = "auto",
    held: int = 2,
) -> int:
    """How many samples to run at once.

    Parameters
    ----------
    model : Model
    sample_shape : tuple of int
        Shape of one input, without the batch axis.
    samples : int
        How many there are in all.
    batch_size : int or "auto"
        ``"auto"`` measures, once per model and input shape, how much one sample's activations take.
    held : int
        How many times as much as the outputs of all layers is held at once: 1 at most without a gradient; 2 with one,
        which keeps the outputs and may make as much again on the way back.
    """
    if not isinstance(batch_size, str) or batch_size != "auto":
        if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size < 1:
            raise InputError(f"batch_size={batch_size!r} is not a positive whole number.", 'Use a number or "auto".')
        return int(batch_size)
    small = max(1, _FREE_ELEMENTS // (max(1, math.prod(sample_shape)) * max(1, held // 2)))
    if samples <= min(small, 64):
        return max(1, samples)
    if sample_shape not in model.sample_bytes:
        model.sample_bytes[sample_shape] = _activation_bytes(model, sample_shape)
    together, largest = model.sample_bytes[sample_shape]
    fitting = MEMORY_BUDGET // (held * together)
    if model.device == "cpu":
        fitting = min(fitting, int(_SHARE * MALLOC_LIMIT) // largest)
    return max(1, min(samples, fitting))


def chunks(total: int, size: int) -> Iterator[slice]:
    """Slices that cover ``range(total)`` in order, each of at most `size`."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def _activation_bytes(model: Model, sample_shape: tuple[int, ...]) -> SampleBytes:
    backend = model.backend
    # Held, because what is computed in the place of a tensor that is gone may be taken for it.
    outputs: dict[int, Any] = {}

    def keep(_layer: Any, _inputs: Any, output: Any) -> None:
        # A container returns what its last layer did, and a layer may compute in the place of its input.
        for t in output if isinstance(output, (tuple, list)) else (output,):
            if backend.is_tensor(t):
                outputs[id(t)] = t

    x = np.zeros((1, *sample_shape))
    model.measure(x, dict.fromkeys(backend.modules(model.net).values(), keep))
    itemsize = np.dtype(model.dtype).itemsize
    sizes = [itemsize * math.prod(shape) for shape in (x.shape, *map(backend.shape, outputs.values()))]
    return SampleBytes(sum(sizes), max(sizes))


def joined(parts: Sequence[Array]) -> Array:
    """What was computed of the chunks as one array; of a single chunk it is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
