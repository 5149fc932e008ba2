"""DeepSHAP: DeepLIFT's contributions averaged over a background of references."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .contributions import against_background
from .multipliers import Rule


@register(
    "deepshap",
    family="backpropagation",
    paper="A Unified Approach to Interpreting Model Predictions (Lundberg and Lee, 2017, arXiv:1705.07874)",
    needs="gradient",
    error="completeness residual: sum of the contributions minus (score of x - mean score of the background)",
)
def deepshap(
    model: Model,
    x: Array,
    target: Target,
    *,
    background: Any,
    rule: Rule = "rescale",
    of: Of = "logit",
    tolerance: float | None = 0.2,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``mean over rows b of DeepLIFT(x, baseline=b)``, an estimate of SHAP values with absent features drawn from rows.

    Exact Shapley values for a linear network: ``w (x - mean b)``. ``extras["standard_error"]`` is, value by value, how
    far the mean would move with another background of the same size.

    Parameters
    ----------
    background : array (B, ...)
        Samples that stand for "feature absent", such as training pictures of all classes.
    rule : {"rescale", "reveal_cancel"}
        As for `deeplift`, whose conditions hold here too.
    of : {"logit", "probability", "log_probability", "loss"}
    tolerance : float or None
        Refuse a result whose residuals, summed over the batch, are a larger share of the score differences; None
        refuses none.
    batch_size : int or "auto"
        How many rows run at once: each pair of sample and background row is two (``reveal_cancel``: four).
    """
    return against_background(model, x, target, background, rule, of, tolerance, batch_size)
