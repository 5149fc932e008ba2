"""Conductance of the units of a layer: how much of the score difference flows through each of them."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..estimates import completeness
from ..explanation import Array
from ..registry import Attribution, register
from .path import StieltjesSum, gradients_on_path, path_start, pieces
from .units import observe, settle


@register(
    "layer_conductance",
    family="layers",
    paper="How Important Is a Neuron? (Dhamdhere et al., 2018, arXiv:1805.12233)",
    needs="gradient",
    error="completeness residual: sum over the layer's units minus (score of x - score of the baseline)",
)
def layer_conductance(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    steps: int = 50,
    baseline: Baseline = 0.0,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``∫₀¹ (d score / d y) (d y / d α) dα`` for every unit y, on the straight path from the baseline to x.

    Computed as ``∫ g dy``: gradient g and activation y are taken at the same points, and between them both are
    polynomials of degree 4. Where the score is linear in the layer's output any number of steps is exact, whatever lies
    below the layer. The values have the shape of the layer's output. The residual includes what reaches the score
    without passing the layer.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    steps : int
        Intervals of the path: there is one more point than steps.
    baseline : number, array, {"blur", "mean", "noise"}
        Where the path starts: one number, one sample, one per sample, or made of the input. 0 is black.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the noise baseline.
    batch_size : int or "auto"
    """
    path = pieces(steps)
    start = path_start(baseline, x, seed)
    scores, activations = observe(model, x, layer, batch_size)
    scored = settle(model, scores, target, of)
    sums = [StieltjesSum(path) for _ in x]
    at_baseline = np.zeros(len(x))
    for seen in gradients_on_path(model, layer, start, x - start, path.alphas, scored.resolved, of, batch_size):
        sums[seen.sample].feed(seen.activations, seen.gradients)
        if seen.numbers.start == 0:
            at_baseline[seen.sample] = seen.explained[0]
    values = np.stack([integral.total for integral in sums])
    return Attribution(
        values.astype(activations.dtype),
        scored.scores,
        scored.target,
        completeness(values, scored.explained - at_baseline),
    )
