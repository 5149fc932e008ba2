"""Grad-CAM: a convolution's maps, each weighted with its mean gradient."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import Estimate, map_by_gradient, weighted


def weights(activation: Array, gradient: Array) -> Array:
    """Mean over space of ``d score / d A``."""
    mean: Array = gradient.mean(axis=(2, 3), keepdims=True)
    return mean


def _averaging(activation: Array, gradient: Array, maps: Array) -> tuple[Array, Array]:
    exact = (activation * gradient).sum(axis=1)
    distance, size = (np.sqrt((one**2).sum(axis=(1, 2))) for one in (maps - exact, exact))
    return distance, size


AVERAGING = Estimate(
    "averaging residual",
    "L2 norm of the signed map minus activation times gradient place by place, which is HiResCAM's map; the scale is "
    "the L2 norm of that. It is 0 where global average pooling and one linear layer follow; elsewhere it is what the "
    "mean gradient moves from places that the network used to others.",
    _averaging,
)


@register(
    "gradcam",
    family="cams",
    paper="Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization "
    "(Selvaraju et al., 2016, arXiv:1610.02391)",
    needs="gradient",
    error="averaging residual: how far the map is from activation times gradient, place by place",
)
def gradcam(
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
    """``ReLU(Σ_k α_k A_k)`` with ``α_k`` the mean over space of ``d score / d A_k``.

    The values are maps in the units of the score, (N, 1, H, W), neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is. After a
        convolution with batch norm, activation or residual sum, the block's name often gives a better map.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        False keeps what speaks against the class, too.
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
        "gradcam",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        estimate=AVERAGING,
    )
