"""Integrated gradients: the gradient summed along the straight path from a baseline to the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..checks import baseline_like
from ..estimates import completeness
from ..explanation import Array
from ..evaluation import gradients_at, score
from ..quadrature import Rule, quadrature
from ..registry import Attribution, register


@register(
    "integrated_gradients",
    family="gradients",
    paper="Axiomatic Attribution for Deep Networks (Sundararajan et al., 2017, arXiv:1703.01365)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - score of the baseline)",
)
def integrated_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    steps: int = 50,
    baseline: Any = 0.0,
    rule: Rule = "gauss_legendre",
    of: Of = "logit",
    multiply_by_input: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``(x - baseline) · ∫₀¹ d score(baseline + α (x - baseline)) / d x  dα``.

    Parameters
    ----------
    steps : int
        Points on the path.
    baseline : number or array
        Where the path starts: one number, one sample, or one per sample. 0 is black.
    rule : {"gauss_legendre", "trapezoid", "midpoint", "left", "right"}
        How the integral is approximated.
    of : {"logit", "probability", "log_probability", "loss"}
    multiply_by_input : bool
        False leaves out the factor ``x - baseline``, as the course's code does: a mean gradient in the units of the
        gradient, without completeness.
    batch_size : int or "auto"
    """
    alphas, weights = quadrature(rule, steps)
    start = baseline_like(baseline, x)
    difference = x - start
    scored = score(model, x, target, of, batch_size)

    def path(sample: int, part: slice) -> Array:
        shape = (-1,) + (1,) * (x.ndim - 1)
        return start[sample] + alphas[part].astype(x.dtype).reshape(shape) * difference[sample]

    mean = np.zeros(x.shape)
    for sample, part, gradients in gradients_at(
        model, path, range(len(x)), len(alphas), x.shape[1:], scored.resolved, of, batch_size
    ):
        mean[sample] += np.tensordot(weights[part], gradients.astype(np.float64), axes=1)
    if not multiply_by_input:
        return Attribution(mean.astype(x.dtype), scored.scores, scored.target)
    values = difference * mean
    at_baseline = score(model, start, scored.resolved, of, batch_size).explained
    return Attribution(
        values.astype(x.dtype),
        scored.scores,
        scored.target,
        completeness(values, scored.explained - at_baseline),
    )
