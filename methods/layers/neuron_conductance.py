"""Neuron conductance: how much of the score difference each input sends through one neuron."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..checks import finite_gradient, finite_scores
from ..estimates import completeness
from ..evaluation import score
from ..explanation import Array
from ..registry import Attribution, register
from .path import StieltjesSum, path_start, pieces, straight_path
from .sample_axis import check_samples
from .units import Neuron, targets_of, unit_index


@register(
    "neuron_conductance",
    family="layers",
    paper="How Important Is a Neuron? (Dhamdhere et al., 2018, arXiv:1805.12233)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus the neuron's layer conductance at the same points",
)
def neuron_conductance(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    neuron: Neuron,
    steps: int = 50,
    baseline: Baseline = 0.0,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``(x - baseline) · ∫₀¹ (d score / d y) (d y / d x) dα`` through one unit y of a layer.

    The attributions of the inputs add up to what ``layer_conductance`` gives the neuron; both use the same points on
    the straight path. Of several units, such as the channel of a convolution, the conductances are added.

    Parameters
    ----------
    layer : str
    neuron : int or tuple of int
        Index into the layer's output without the batch axis. One that leaves axes over, such as the channel of a
        convolution, means all its units.
    steps : int
        Intervals of the path: there is one more point than steps.
    baseline : number, array, {"blur", "mean", "noise"}
        Where the path starts: one number, one sample, one per sample, or made of the input. 0 is black.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the noise baseline.
    batch_size : int or "auto"
    """
    backend = model.backend
    path = pieces(steps)
    start = path_start(baseline, x, seed)
    scored = score(model, x, target, of, batch_size)
    mean, through = np.zeros(x.shape), [StieltjesSum(path) for _ in x]
    with backend.frozen(model.net):
        for points, samples, spans in straight_path(model, start, x - start, path.alphas, x.shape[1:], batch_size):
            leaf = backend.leaf(model.tensor(points))
            native, (activation,) = model.activations(leaf, [layer])
            check_samples(model, leaf, activation, layer)
            index = (slice(None), *unit_index(neuron, backend.shape(activation)[1:], layer))
            explained = model.explained(native, targets_of(scored.resolved, samples), of)
            (at_layer,) = backend.grad(backend.sum(explained), [activation])
            units, seeds = activation[index], at_layer[index]
            (native_gradient,) = backend.grad(units, [leaf], seeds)
            gradients = finite_gradient(backend.numpy(native_gradient)).astype(np.float64)
            y, g = finite_scores(backend.numpy(units), "activations"), finite_gradient(backend.numpy(seeds))
            for sample, rows, numbers in spans:
                mean[sample] += np.tensordot(path.weights[numbers], gradients[rows], axes=1)
                through[sample].feed(y[rows], g[rows])
    values = (x - start) * mean
    conductance = np.array([np.sum(integral.total) for integral in through])
    return Attribution(values.astype(x.dtype), scored.scores, scored.target, completeness(values, conductance))
