"""Layer gradient × activation: how much each unit of a layer adds to the score, to first order."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ..checks import finite_gradient, finite_scores
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .sample_axis import check_samples
from .units import settle


@register(
    "layer_gradient_x_activation",
    family="layers",
    paper="Not Just a Black Box: Learning Important Features Through Propagating Activation Differences "
    "(Shrikumar et al., 2016, arXiv:1605.01713)",
    needs="gradient",
    error="difference from the score: sum of the attributions minus the score; 0 where the layers above have no bias "
    "and no curvature",
)
def layer_gradient_x_activation(
    model: Model, x: Array, target: Target, *, layer: str, of: Of = "logit", batch_size: BatchSize = "auto"
) -> Attribution:
    """``y · d score / d y`` for every unit y of a layer.

    The values have the shape of the layer's output.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    of : {"logit", "probability", "log_probability", "loss"}
    batch_size : int or "auto"
    """
    backend = model.backend
    listed = per_sample(target, len(x))
    values, scores = [], []
    with backend.frozen(model.net):
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
            leaf = backend.leaf(model.tensor(x[part]))
            native, (activation,) = model.activations(leaf, [layer])
            check_samples(model, leaf, activation, layer)
            explained = model.explained(native, listed(part), of)
            (gradient,) = backend.grad(backend.sum(explained), [activation])
            seen = finite_scores(backend.numpy(activation), "activations")
            values.append(seen * finite_gradient(backend.numpy(gradient)))
            scores.append(backend.numpy(native))
    joined = np.concatenate(values)
    scored = settle(model, finite_scores(np.concatenate(scores)), target, of)
    total = joined.reshape(len(joined), -1).sum(axis=1, dtype=np.float64)
    return Attribution(
        joined,
        scored.scores,
        scored.target,
        ErrorEstimate(
            "difference from the score",
            total - scored.explained,
            "Sum of the attributions minus the score (the scale): what biases and curvature above the layer add, and "
            "paths around it. 0 for ReLU layers without bias.",
            scored.explained.astype(np.float64),
        ),
    )
