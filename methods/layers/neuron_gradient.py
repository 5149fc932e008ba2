"""Neuron gradient: the saliency of one neuron inside the network."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.objective import Target
from ..checks import finite_gradient, finite_scores
from ..explanation import Array
from ..registry import Attribution, register
from .sample_axis import check_samples
from .units import Neuron, neuron_value, unit_index


@register(
    "neuron_gradient",
    family="layers",
    paper="Deep Inside Convolutional Networks (Simonyan et al., 2013, arXiv:1312.6034)",
    needs="gradient",
    error="none: the gradient is exact up to rounding",
    targeted=False,
)
def neuron_gradient(
    model: Model, x: Array, target: Target, *, layer: str, neuron: Neuron, batch_size: BatchSize = "auto"
) -> Attribution:
    """Gradient of one neuron with respect to every input value: ``d neuron / d x``.

    There is no target: the neuron takes its place. Its value for every sample is in ``extras["neuron"]``.

    Parameters
    ----------
    layer : str
    neuron : int or tuple of int
        Index into the layer's output without the batch axis. One that leaves axes over, such as the channel of a
        convolution, means the sum of all its units.
    batch_size : int or "auto"
    """
    backend = model.backend
    values, scores, neurons = [], [], []
    with backend.frozen(model.net):
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
            leaf = backend.leaf(model.tensor(x[part]))
            native, (activation,) = model.activations(leaf, [layer])
            check_samples(model, leaf, activation, layer)
            value = neuron_value(model, activation, unit_index(neuron, backend.shape(activation)[1:], layer))
            (gradient,) = backend.grad(backend.sum(value), [leaf])
            values.append(finite_gradient(backend.numpy(gradient)))
            neurons.append(finite_scores(backend.numpy(value), "activations"))
            scores.append(backend.numpy(native))
    return Attribution(
        np.concatenate(values),
        finite_scores(np.concatenate(scores)),
        None,
        extras={"neuron": np.concatenate(neurons)},
    )
