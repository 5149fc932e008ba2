"""Layer DeepSHAP: layer DeepLIFT's contributions averaged over a background of references."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..backpropagation.contributions import against_background
from ..backpropagation.multipliers import Rule
from ..explanation import Array
from ..registry import Attribution, register
from .units import check_layer


@register(
    "layer_deepshap",
    family="layers",
    paper="A Unified Approach to Interpreting Model Predictions (Lundberg and Lee, 2017, arXiv:1705.07874)",
    needs="gradient",
    error="completeness residual: sum over the layer's units minus (score of x - mean score of the background); what "
    "goes around the layer is in extras['around']",
)
def layer_deepshap(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    background: Any,
    rule: Rule = "rescale",
    of: Of = "logit",
    tolerance: float | None = 0.2,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``mean over rows b of LayerDeepLIFT(x, baseline=b)``, an estimate of SHAP values of the units of a layer.

    Exact Shapley values where the rest of the network is linear: ``w (y(x) - mean y(b))``. The values have the shape of
    the layer's output. ``extras["standard_error"]`` is, value by value, how far the mean would move with another
    background of the same size; ``extras["around"]`` is what goes around the layer, as for ``layer_deeplift``, averaged
    over the rows.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    background : array (B, ...)
        Inputs that stand for "feature absent", such as training pictures of all classes.
    rule : {"rescale", "reveal_cancel"}
        As for ``deeplift``, whose conditions hold here too.
    of : {"logit", "probability", "log_probability", "loss"}
    tolerance : float or None
        Refuse a result where contributions of units and of inputs both miss the score differences by a larger share,
        summed over the batch; None refuses none.
    batch_size : int or "auto"
        How many rows run at once: each pair of sample and background row is two (``reveal_cancel``: four).
    """
    check_layer(model, x, layer)
    return against_background(model, x, target, background, rule, of, tolerance, batch_size, layer)
