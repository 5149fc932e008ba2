"""Deconvnet: the network run backwards with its rectifiers applied to what is sent back."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .rectifiers import Rectifiers, rectified


@register(
    "deconvnet",
    family="backpropagation",
    paper="Visualizing and Understanding Convolutional Networks (Zeiler and Fergus, 2013, arXiv:1311.2901)",
    needs="gradient",
    error="none: the rule is exact up to rounding",
)
def deconvnet(
    model: Model,
    x: Array,
    target: Target,
    *,
    of: Of = "logit",
    rectifiers: Rectifiers = "relu",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``g -> max(g, 0)`` at every ReLU, transposed convolutions and the switches of max pooling elsewhere.

    Whether a unit was active does not count, only the sign of what is sent back. The rule is for ReLU and ReLU6. Other
    rectifiers keep their own gradient; those met are named in ``extras["without_rule"]``, PReLU, SELU, CELU and Mish if
    they are layers. What is spelled otherwise (``clamp(min=0)``, ``maximum``, a recurrent layer's own) is not seen. A
    network without any ReLU is refused: the result would be saliency.

    Parameters
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is sent back.
    rectifiers : {"relu", "all"}
        ``"all"`` extends the rule to leaky ReLU, ELU, GELU, SiLU and hardswish.
    batch_size : int or "auto"
        How many samples run at once.
    """
    return rectified(model, x, target, of, "deconvnet", rectifiers, batch_size)
