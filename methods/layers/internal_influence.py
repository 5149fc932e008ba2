"""Internal influence: the mean gradient at a layer along the path of inputs."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..explanation import Array, ErrorEstimate
from ..quadrature import Rule, quadrature
from ..registry import Attribution, register
from .path import gradients_on_path, path_start
from .units import observe, settle


@register(
    "internal_influence",
    family="layers",
    paper="Influence-Directed Explanations for Deep Convolutional Networks (Leino et al., 2018, arXiv:1802.03788)",
    needs="gradient",
    error="path residual: the same gradients times the steps of the activations, minus the score difference that they "
    "should add up to",
)
def internal_influence(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    steps: int = 50,
    baseline: Baseline = 0.0,
    rule: Rule = "gauss_legendre",
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``∫₀¹ d score / d y  at  baseline + α (x - baseline)  dα`` for every unit y of a layer.

    A mean gradient in the units of the gradient: nothing multiplies it, so it has no completeness. The distribution of
    interest is uniform on the straight path. The values have the shape of the layer's output.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    steps : int
        Points on the path.
    baseline : number, array, {"blur", "mean", "noise"}
        Where the path starts: one number, one sample, one per sample, or made of the input. 0 is black.
    rule : {"gauss_legendre", "trapezoid", "midpoint", "left", "right"}
        How the integral is approximated.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the noise baseline.
    batch_size : int or "auto"
    """
    alphas, weights = quadrature(rule, steps)
    start = path_start(baseline, x, seed)
    (scores, low_scores), (high, low) = (
        np.split(seen, 2) for seen in observe(model, np.concatenate([x, start]), layer, batch_size)
    )
    scored = settle(model, scores, target, of)
    promised = scored.explained - settle(model, low_scores, scored.resolved, of).explained.astype(np.float64)
    values, flow = np.zeros(high.shape), np.zeros(len(x))
    last = low[0], low[0]
    for seen in gradients_on_path(model, layer, start, x - start, alphas, scored.resolved, of, batch_size):
        sample, y, g = seen.sample, seen.activations.astype(np.float64), seen.gradients.astype(np.float64)
        values[sample] += np.tensordot(weights[seen.numbers], g, axes=1)
        if seen.numbers.start == 0:
            # To the ends of the path reach the gradients of its first and its last point.
            last = low[sample], g[0]
        y, g = (np.concatenate([before[None], now]) for before, now in zip(last, (y, g), strict=True))
        flow[sample] += np.sum((g[1:] + g[:-1]) / 2 * np.diff(y, axis=0))
        last = y[-1], g[-1]
        if seen.numbers.stop == len(alphas):
            flow[sample] += np.sum(g[-1] * (high[sample] - y[-1]))
    return Attribution(
        values.astype(high.dtype),
        scored.scores,
        scored.target,
        ErrorEstimate(
            "path residual",
            flow - promised,
            "The gradients times the steps of the activations, minus the score difference (the scale): how well the "
            "points resolve the path, and what goes around the layer. More steps make the first smaller.",
            promised,
        ),
    )
