"""Guided Grad-CAM: guided backpropagation, seen through the map of Grad-CAM."""

from __future__ import annotations

from dataclasses import replace

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..backpropagation.guided_backprop import guided_backprop
from ..backpropagation.rectifiers import Rectifiers
from ..explanation import Array
from ..registry import Attribution, register
from .gradcam import gradcam


@register(
    "guided_gradcam",
    family="cams",
    paper="Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization "
    "(Selvaraju et al., 2016, arXiv:1610.02391)",
    needs="gradient",
    error="none: both factors are exact up to rounding, and their product promises no sum",
)
def guided_gradcam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    of: Of = "logit",
    relu: bool = True,
    rectifiers: Rectifiers = "relu",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Guided backpropagation times the enlarged Grad-CAM map, value by value.

    The values are signed and of the shape of the input; ``extras["map"]`` is the small map of Grad-CAM.

    Parameters
    ----------
    layer : str or None
        Of Grad-CAM. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        False keeps the negative parts of the Grad-CAM map.
    rectifiers : {"relu", "all"}
        Of guided backpropagation: which activations have its rule.
    batch_size : int or "auto"
        How many samples run at once.
    """
    coarse = gradcam(model, x, target, layer=layer, of=of, relu=relu, batch_size=batch_size)
    chosen = target if coarse.target is None else coarse.target
    fine = guided_backprop(model, x, chosen, of=of, rectifiers=rectifiers, batch_size=batch_size)
    return replace(coarse, values=coarse.values * fine.values, error=None, extras={**coarse.extras, **fine.extras})
