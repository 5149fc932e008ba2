"""Layer DeepLIFT: how much of the score's difference from that of a reference each unit of a layer brings about."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..backpropagation.contributions import against_baseline
from ..backpropagation.multipliers import Rule
from ..explanation import Array
from ..registry import Attribution, register
from .units import check_layer


@register(
    "layer_deeplift",
    family="layers",
    paper="Learning Important Features Through Propagating Activation Differences "
    "(Shrikumar et al., 2017, arXiv:1704.02685)",
    needs="gradient",
    error="completeness residual: sum over the layer's units minus (score of x - score of the baseline); what goes "
    "around the layer is in extras['around']",
)
def layer_deeplift(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    baseline: Any = 0.0,
    rule: Rule = "rescale",
    of: Of = "logit",
    tolerance: float | None = 0.2,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``C_y = m_y (y(x) - y(baseline))`` for every unit y of a layer, m the multiplier that arrives at its output.

    The rules are those of ``deeplift``, and so is what they hold for. The values have the shape of the layer's output,
    and sum to the difference of the scores where everything passes the layer. ``extras["around"]`` is the rest: the
    contributions of the inputs by the paths that go around the layer, summed, which is 0 where there are none; NaN
    behind an embedding, where inputs have no contributions.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    baseline : number or array
        The reference, an input and not an activation: one number, one sample, or one per sample. 0 is black.
    rule : {"rescale", "reveal_cancel"}
        As for ``deeplift``. With ``"reveal_cancel"`` a unit's contribution is that of the positive and that of the
        negative part of its difference, added.
    of : {"logit", "probability", "log_probability", "loss"}
    tolerance : float or None
        Refuse a result where contributions of units and of inputs both miss the score differences by a larger share,
        summed over the batch; None refuses none.
    batch_size : int or "auto"
        How many rows run at once: each sample is two (``reveal_cancel``: four).
    """
    check_layer(model, x, layer)
    return against_baseline(model, x, target, baseline, rule, of, tolerance, batch_size, layer)
