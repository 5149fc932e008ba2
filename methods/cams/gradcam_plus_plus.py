"""Grad-CAM++: positive gradients only, weighted from place to place."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import Estimate, map_by_gradient, weighted


def weights(activation: Array, gradient: Array) -> Array:
    """``Σ_ij α_ij ReLU(g_ij)`` with ``α_ij = g_ij² / (2 g_ij² + g_ij³ Σ_ab A_ab)``, where that is not 0 / 0."""
    total: Array = _terms(activation, gradient).sum(axis=(2, 3), keepdims=True)
    return total


def _terms(activation: Array, gradient: Array) -> Array:
    """``α_ij ReLU(g_ij)``, with g² cancelled in α: it would underflow for small gradients."""
    positive = np.maximum(gradient, 0)
    denominator = 2 + positive * activation.sum(axis=(2, 3), keepdims=True)
    return np.divide(positive, denominator, out=np.zeros_like(positive), where=denominator != 0)


def _out_of_range(activation: Array, gradient: Array, _maps: Array) -> tuple[Array, None]:
    terms = np.abs(_terms(activation, gradient))
    wrong = (activation.sum(axis=(2, 3), keepdims=True) < 0) * terms
    total, outside = (part.sum(axis=(1, 2, 3)) for part in (terms, wrong))
    return np.divide(outside, total, out=np.zeros_like(total), where=total > 0), None


_OUT_OF_RANGE = Estimate(
    "weights out of range",
    "Share of the weights' absolute sum that comes from channels whose activations sum to less than 0, where α is not "
    "within 0 to 1/2: 0 behind a ReLU.",
    _out_of_range,
)


@register(
    "gradcam++",
    family="cams",
    paper="Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks "
    "(Chattopadhyay et al., 2017, arXiv:1710.11063)",
    needs="gradient",
    error="weights out of range: the share of the weights whose α negative activations push out of 0 to 1/2",
)
def gradcam_plus_plus(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    of: Of = "logit",
    relu: bool = True,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``ReLU(Σ_k w_k A_k)``, ``w_k = Σ_ij α_ij ReLU(g_ij)``, ``α_ij = g_ij² / (2 g_ij² + g_ij³ Σ_ab A_ab)``.

    g is ``d S / d A_k`` of the score S that `of` names. The paper explains Y = exp(S) and takes S to be piecewise
    linear in A; then the derivatives of Y are g Y, g² Y and g³ Y. In α (equation 19) Y cancels, and the gradient of Y
    is g times exp(S): one positive number per sample, which is left out here, as it would only overflow. The values
    are maps (N, 1, H, W), neither shifted nor scaled. Where the sum of A is below 0, α leaves the range of 0 to 1/2 and
    the weights may be huge or negative: choose a layer behind its activation.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        False keeps what speaks against the class, too. The ReLU on the gradients stays.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    return map_by_gradient(
        model,
        x,
        target,
        weighted(weights),
        "gradcam++",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        estimate=_OUT_OF_RANGE,
    )
