"""XGrad-CAM: gradients averaged with the activations as their weights."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import map_by_gradient, weighted


def weights(activation: Array, gradient: Array) -> Array:
    """``Σ_ij A_ij g_ij / Σ_ij A_ij`` of every channel; 0 where the activations sum to 0."""
    total = activation.sum(axis=(2, 3), keepdims=True)
    shared: Array = (activation * gradient).sum(axis=(2, 3), keepdims=True)
    return np.divide(shared, total, out=np.zeros_like(total), where=total != 0)


@register(
    "xgradcam",
    family="cams",
    paper="Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs "
    "(Fu et al., 2020, arXiv:2008.02312)",
    needs="gradient",
    error="completeness residual: sum of the signed map minus (score - score with the layer's output set to 0)",
)
def xgradcam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    of: Of = "logit",
    relu: bool = False,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Σ_k α_k A_k`` with ``α_k = Σ_ij A_k,ij g_k,ij / Σ_ij A_k,ij``, g the gradient ``d score / d A_k``.

    Every channel's map sums to its activation times gradient, so that the whole map sums to what HiResCAM's sums to.
    The values are signed maps (N, 1, H, W) in the units of the score, neither shifted nor scaled. Where activations of
    both signs nearly cancel the weights are huge: choose a layer behind a ReLU.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        True keeps only what speaks for the class. The paper's formula and its two axioms are about the signed map.
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
        "xgradcam",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        shares_score=True,
    )
