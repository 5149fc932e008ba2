"""DeepSHAP: DeepLIFT's contributions averaged over a background of references."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..background import background_rows
from ..evaluation import score
from ..explanation import Array
from ..registry import Attribution, register
from .contributions import contributions, judged
from .multipliers import Rule, layout_of


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
    layout = layout_of(rule)
    rows = background_rows(model, background, x)
    scored = score(model, x, target, of, batch_size)

    def pairs(part: slice) -> tuple[Array, Array, Target]:
        sample, row = np.divmod(np.arange(part.start, part.stop), len(rows))
        chosen = scored.resolved
        return x[sample], rows[row], chosen if callable(chosen) else np.asarray(chosen)[sample]

    total, squares, promised = np.zeros(x.shape), np.zeros(x.shape), np.zeros(len(x))
    for part, found in contributions(model, pairs, len(x) * len(rows), x.shape[1:], of, layout, batch_size):
        sample = np.arange(part.start, part.stop) // len(rows)
        values = found.values.astype(np.float64)
        np.add.at(total, sample, values)
        np.add.at(squares, sample, values**2)
        np.add.at(promised, sample, found.explained - found.reference)
    mean = total / len(rows)
    error = judged(mean, promised / len(rows), scored.explained, float(np.finfo(x.dtype).eps), tolerance)
    spread = np.maximum(squares / len(rows) - mean**2, 0) / max(1, len(rows) - 1)
    known = np.sqrt(spread) if len(rows) > 1 else np.full(x.shape, np.nan)
    return Attribution(
        mean.astype(x.dtype), scored.scores, scored.target, error, {"standard_error": known.astype(x.dtype)}
    )
