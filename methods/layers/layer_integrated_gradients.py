"""Layer integrated gradients: integrated gradients with a layer's output in the place of the input."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.layer_outputs import check_real
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..checks import finite_gradient
from ..estimates import completeness
from ..explanation import Array
from ..quadrature import Rule, quadrature
from ..registry import Attribution, register
from .path import path_start, straight_path
from .units import gradient_at_layer, observe, settle, targets_of


@register(
    "layer_integrated_gradients",
    family="layers",
    paper="Axiomatic Attribution for Deep Networks (Sundararajan et al., 2017, arXiv:1703.01365)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - score of the baseline); what goes around "
    "the layer is in extras['around']",
)
def layer_integrated_gradients(
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
    """``(y(x) - y(baseline)) · ∫₀¹ d score / d y  at  y(baseline) + α (y(x) - y(baseline))  dα``.

    The path is straight in the space of the layer's output y, not of the input: the network runs on `x` with the
    layer's output replaced. The values have the shape of that output. ``extras["around"]`` is the part of the score
    difference that reaches the score without passing the layer, 0 where all paths pass it.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    steps : int
        Points on the path.
    baseline : number, array, {"blur", "mean", "noise"}
        An input, not an activation: one number, one sample, one per sample, or made of the input. 0 is black.
    rule : {"gauss_legendre", "trapezoid", "midpoint", "left", "right"}
        How the integral is approximated.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the noise baseline.
    batch_size : int or "auto"
    """
    backend = model.backend
    alphas, weights = quadrature(rule, steps)
    both = np.concatenate([x, path_start(baseline, x, seed)])
    (scores, baseline_scores), (end, start) = (np.split(seen, 2) for seen in observe(model, both, layer, batch_size))
    check_real(str(end.dtype), layer)
    scored = settle(model, scores, target, of)
    at_baseline = settle(model, baseline_scores, scored.resolved, of).explained.astype(np.float64)
    difference = end - start

    mean, replaced = np.zeros(start.shape), np.zeros(len(x))
    with backend.frozen(model.net):
        for points, samples, spans in straight_path(model, start, difference, alphas, x.shape[1:], batch_size):
            chosen = targets_of(scored.resolved, samples)
            _, _, native = gradient_at_layer(model, model.tensor(x[samples]), layer, chosen, of, points)
            gradients = finite_gradient(backend.numpy(native)).astype(np.float64)
            for sample, rows, numbers in spans:
                mean[sample] += np.tensordot(weights[numbers], gradients[rows], axes=1)
        ends = np.zeros(1)
        for points, samples, _ in straight_path(model, start, difference, ends, x.shape[1:], batch_size):
            chosen = targets_of(scored.resolved, samples)
            explained, _, _ = gradient_at_layer(model, model.tensor(x[samples]), layer, chosen, of, points)
            replaced[samples] = backend.numpy(explained)
    values = difference * mean
    return Attribution(
        values.astype(start.dtype),
        scored.scores,
        scored.target,
        completeness(values, scored.explained - at_baseline),
        extras={"around": replaced - at_baseline},
    )
