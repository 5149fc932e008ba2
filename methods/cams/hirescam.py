"""HiResCAM: activation times gradient, place by place."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import map_by_gradient, weighted


def weights(activation: Array, gradient: Array) -> Array:
    """``d score / d A`` itself, which differs from place to place."""
    return gradient


@register(
    "hirescam",
    family="cams",
    paper="Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks "
    "(Draelos & Carin, 2020, arXiv:2011.08891)",
    needs="gradient",
    error="completeness residual: sum of the signed map minus (score - score with the layer's output set to 0)",
)
def hirescam(
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
    """``Σ_k A_k · d score / d A_k``, place by place.

    Where a network ends in at most one linear layer behind A, the map sums to the score without that layer's bias. The
    values are signed maps (N, 1, H, W) in the units of the score, neither shifted nor scaled.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        True keeps only what speaks for the class; the paper's formula keeps the sign.
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
        "hirescam",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        shares_score=True,
    )
