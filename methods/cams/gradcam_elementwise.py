"""Element-wise Grad-CAM: what speaks for the class, channel by channel and place by place."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import Estimate, map_by_gradient


def _rectified(activation: Array, gradient: Array) -> Array:
    positive: Array = np.maximum(gradient * activation, 0).sum(axis=1)
    return positive


def _left_out(activation: Array, gradient: Array, maps: Array) -> tuple[Array, None]:
    total = np.abs(gradient * activation).sum(axis=(1, 2, 3))
    kept = maps.sum(axis=(1, 2))
    return np.maximum(1 - np.divide(kept, total, out=np.ones_like(total), where=total > 0), 0), None


_AGAINST = Estimate(
    "share left out",
    "Share of the absolute sum of activation times gradient that speaks against the class, of which the map knows "
    "nothing: where it is much, see hirescam, which sets both off against each other.",
    _left_out,
)


@register(
    "gradcam_elementwise",
    family="cams",
    paper="Explainable Models with Consistent Interpretations (Pillai & Pirsiavash, 2021)",
    needs="gradient",
    error="share left out: the part of activation times gradient that speaks against the class, which is set to 0",
)
def gradcam_elementwise(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    of: Of = "logit",
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Σ_k ReLU(A_k · d score / d A_k)``, place by place.

    A ReLU around the sum would change nothing. With it, and without the one inside, the map is that of hirescam with
    ``relu=True``: so the authors' own code has it, while the name has come to stand for the form above. The values are
    maps (N, 1, H, W) in the units of the score, neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
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
        _rectified,
        "gradcam_elementwise",
        layer=layer,
        of=of,
        relu=False,
        upsample=upsample,
        batch_size=batch_size,
        estimate=_AGAINST,
    )
