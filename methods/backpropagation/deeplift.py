"""DeepLIFT: the score's difference from that of a reference, shared out by following differences, not slopes."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .contributions import against_baseline
from .multipliers import Rule


@register(
    "deeplift",
    family="backpropagation",
    paper="Learning Important Features Through Propagating Activation Differences "
    "(Shrikumar et al., 2017, arXiv:1704.02685)",
    needs="gradient",
    error="completeness residual: sum of the contributions minus (score of x - score of the baseline)",
)
def deeplift(
    model: Model,
    x: Array,
    target: Target,
    *,
    baseline: Any = 0.0,
    rule: Rule = "rescale",
    of: Of = "logit",
    tolerance: float | None = 0.2,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``C = m (x - baseline)``, the multiplier m from the chain rule with ``Δy / Δx`` in place of ``dy / dx``.

    The contributions sum to the difference of the scores, up to rounding, for networks of linear and convolution
    layers, batch norm, max and average pooling of pictures, sums, products, softmax, and the usual activations, however
    they are written. Where the paper gives no rule: max pooling credits the place of the larger maximum; a softmax,
    also the one that ``of`` asks for, shares out its difference exactly; products take the mean of both sides.
    Operations beyond that (layer norm, LSTM and GRU, a ReLU written as clamp) take the mean of their gradients at both
    ends, and the completeness residual shows it.

    Parameters
    ----------
    baseline : number or array
        The reference: one number, one sample, or one per sample. 0 is black.
    rule : {"rescale", "reveal_cancel"}
        ``"reveal_cancel"`` sends the positive and the negative part of every difference through an activation one by
        one, in both orders, so that parts that cancel are seen. It refuses networks with products, layer norm or
        anything else that parts do not add up behind. Batch norm, pooling, sums and matrix products with constants
        carry the parts along; only linear and convolution layers (and functions) sort them anew.
    of : {"logit", "probability", "log_probability", "loss"}
    tolerance : float or None
        Refuse a result whose residuals, summed over the batch, are a larger share of the score differences; None
        refuses none.
    batch_size : int or "auto"
        How many rows run at once: each sample is two (``reveal_cancel``: four).
    """
    return against_baseline(model, x, target, baseline, rule, of, tolerance, batch_size)
