"""LayerCAM: activations weighted with the positive gradient at their own place."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import map_by_gradient, weighted


def weights(activation: Array, gradient: Array) -> Array:
    """``ReLU(d score / d A)``, which differs from place to place."""
    return np.maximum(gradient, 0)


@register(
    "layercam",
    family="cams",
    paper="LayerCAM: Exploring Hierarchical Class Activation Maps for Localization (Jiang et al., 2021)",
    needs="gradient",
    error="none: activation and gradient are exact up to rounding, and the map promises no sum",
)
def layercam(
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
    """``ReLU(Σ_k ReLU(d score / d A_k) · A_k)``, place by place.

    Made for early layers, too. The values are maps (N, 1, H, W), neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        False keeps the sign of the activations. The ReLU on the gradients stays.
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
        "layercam",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
    )
