"""What a layer computes, the gradient at its output, and the choice of one neuron: shared by the methods for layers."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.layer_outputs import check_apart, check_real
from ...backends.model import Model
from ...backends.objective import Of, Target, class_targets
from ...backends.protocol import Tensor
from ...errors import LayerError
from ..checks import finite_scores
from ..evaluation import Scored
from ..explanation import Array
from .sample_axis import check_samples

Neuron: TypeAlias = int | tuple[int, ...]


def check_layer(model: Model, x: Array, layer: str) -> None:
    """Raise `LayerError` if the network runs a layer not once, or its output has no entry per sample or is overwritten.

    For methods that change what operations do, and must not see the runs that find it out: once per model and layer,
    on the first sample, twice, because networks that squeeze their axes take one sample for no batch at all. A network
    that refuses so many samples is run on all of them.
    """
    model.layer(layer)
    make_up = (*model.make_up(x.shape[1:]), layer)
    if make_up in model.apart and make_up in model.sample_first:
        return
    for samples in (x[[0, 0]], x):
        batch = model.tensor(samples)
        with model.unobserved():
            try:
                _, (activation,) = model.activations(batch, [layer])
            except LayerError:
                raise
            except Exception:  # whatever else is wrong is said of the user's own batch, by the run that follows
                continue
        check_samples(model, batch, activation, layer)
        check_apart(model, batch, layer)
        return


def observe(model: Model, x: Array, layer: str, batch_size: BatchSize) -> tuple[Array, Array]:
    """Scores and what the layer computes: (N, ...) each."""
    backend = model.backend
    scores, activations = [], []
    with backend.frozen(model.net), backend.no_grad():
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size, held=1)):
            batch = model.tensor(x[part])
            native, (activation,) = model.activations(batch, [layer])
            check_samples(model, batch, activation, layer)
            scores.append(backend.numpy(native))
            activations.append(backend.numpy(activation))
    return finite_scores(np.concatenate(scores)), finite_scores(np.concatenate(activations), "activations")


def settle(model: Model, scores: Array, target: Target, of: Of) -> Scored:
    """Settle the target by scores that are there already, and compute the number that is explained."""
    native = model.backend.asarray(scores, device=model.device)
    explained = model.backend.numpy(model.explained(native, target, of))
    classes = None if callable(target) else class_targets(target, len(scores), scores)
    return Scored(scores, classes, target if classes is None else classes, explained)


def gradient_at_layer(
    model: Model, x: Tensor, layer: str, target: Target, of: Of, activation: Array | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The explained number (M,), the layer's output, and the gradient of the one with respect to the other, native.

    Call it inside ``model.backend.frozen(model.net)``, for a layer that `observe` has accepted.

    Parameters
    ----------
    x : native tensor (M, ...)
    activation : ndarray (M, ...), optional
        What the layer is made to return; what it computes when left out.
    """
    backend = model.backend
    check_apart(model, x, layer)
    leaves: list[Tensor] = []

    def cut(_layer: Any, _inputs: Any, output: Tensor) -> Tensor:
        check_real(backend.dtype(output), layer)
        # The graph begins here: what lies before the layer needs none.
        leaves.append(backend.leaf(output if activation is None else backend.asarray(activation, device=model.device)))
        return leaves[0] * 1

    with model.hook(layer, post=cut):
        explained = model.explained(model.scores(x), target, of)
    (gradient,) = backend.grad(backend.sum(explained), leaves)
    return explained, leaves[0], gradient


def targets_of(target: Target, samples: Array) -> Target:
    """The settled target of each row of a batch that holds points of several samples."""
    return target if callable(target) else np.asarray(target)[samples]


def unit_index(neuron: Any, shape: tuple[int, ...], layer: str) -> tuple[int, ...]:
    """A neuron's index into the layer's output without the batch axis, or `LayerError` with the layer's shape."""
    index = whole_index(neuron)
    if index is None or len(index) > len(shape) or not all(i < n for i, n in zip(index, shape, strict=False)):
        ranges = ", ".join(f"0 to {n - 1}" for n in shape)
        raise LayerError(
            f"Neuron {neuron!r} does not exist: layer '{layer}' has the shape {shape}.",
            f"Pass one int, or a tuple of ints within ({ranges}).",
        )
    return index


def whole_index(neuron: Any) -> tuple[int, ...] | None:
    """A neuron as a tuple of whole numbers from 0, or None where it is something else."""
    index = tuple(neuron) if isinstance(neuron, (tuple, list)) else (neuron,)
    if all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) and i >= 0 for i in index):
        return tuple(int(i) for i in index)
    return None


def neuron_value(model: Model, activation: Tensor, index: tuple[int, ...]) -> Tensor:
    """One number per sample: the neuron, or the sum of the units of a channel: (M,)."""
    chosen = activation[(slice(None), *index)]
    axes = tuple(range(1, len(model.backend.shape(chosen))))
    return model.backend.sum(chosen, axes) if axes else chosen
