"""Eigen-Grad-CAM: what activation times gradient has most in common over the channels."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .eigencam import MEANING, NAME, first_component, left_out
from .running import Estimate, map_by_gradient


@register(
    "eigengradcam",
    family="cams",
    paper="Eigen-CAM: Class Activation Map using Principal Components (Muhammad & Yeasin, 2020, arXiv:2008.00299)",
    needs="gradient",
    error="share left out: the part of the sum of squares of activation times gradient that the first component lacks",
)
def eigengradcam(
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
    """``(A · g) v``: activation times gradient (h w, K) projected on its first right singular vector v.

    Eigen-CAM made to depend on the class; g is ``d score / d A``, nothing is centred. The values are maps (N, 1, H, W),
    neither shifted nor scaled, with the sign for which they go along with HiResCAM's map, ``Σ_k A_k · g_k``.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        True keeps only what speaks for the class.
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
        _projected,
        "eigengradcam",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        estimate=Estimate(NAME, MEANING, _left_out),
    )


def _projected(activation: Array, gradient: Array) -> Array:
    return first_component(activation * gradient)


def _left_out(activation: Array, gradient: Array, maps: Array) -> tuple[Array, None]:
    return left_out(activation * gradient, maps), None
