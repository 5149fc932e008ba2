"""Seg-Eigen-CAM: what activation times the size of the gradient has most in common over the channels."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array
from ..registry import Attribution, register
from .eigencam import first_component, left_out
from .running import Estimate, map_by_gradient

# A product is constant if it varies by no more than so many times the precision of its largest value: by rounding.
_FLAT = 64


def _centred(activation: Array, gradient: Array, dtype: npt.DTypeLike) -> Array:
    """``|g| · A`` (N, K, h, w) less each channel's mean; 0 where nothing but the network's rounding is left."""
    product = np.abs(gradient) * activation
    centred: Array = product - product.mean(axis=(2, 3), keepdims=True)
    # Not their squares, which underflow where a probability is all but settled.
    rest, whole = (np.abs(part).max(axis=(1, 2, 3), keepdims=True) for part in (centred, product))
    return np.where(rest <= _FLAT * np.finfo(dtype).eps * whole, 0, centred)


def _projected(activation: Array, gradient: Array, dtype: npt.DTypeLike) -> Array:
    maps = first_component(_centred(activation, gradient, dtype))
    low, high = -maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    # Of two places one always has what the other lacks: where both are equal, the mean over the channels decides.
    return np.where(low > (1 + 1e-9) * high, -1, 1)[:, None, None] * maps


def _left_out(activation: Array, gradient: Array, maps: Array, dtype: npt.DTypeLike) -> tuple[Array, None]:
    centred = _centred(activation, gradient, dtype)
    largest = np.abs(centred).max(axis=(1, 2, 3), keepdims=True)
    largest[largest == 0] = 1
    return left_out(centred / largest, maps / largest[:, 0]), None


@register(
    "segeigencam",
    family="cams",
    paper="Seg-Eigen-CAM: Eigen-Value-Based Visual Explanations for Semantic Segmentation Models "
    "(Chung & Ying, 2025, doi:10.3390/app15137562)",
    needs="gradient",
    error="share left out: the part of the centred products' sum of squares that the first component lacks",
)
def segeigencam(
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
    """``(|g| · A - mean) v``: activation times size of the gradient, projected on its first principal direction v.

    The matrix (h w, K) is centred: each channel's mean is taken off, and v is its first right singular vector. The sign
    is the one for which the map's largest value in size is positive; where the largest and the smallest are equal in
    size, the one for which it goes along with the mean over the channels. The values are maps (N, 1, H, W), neither
    shifted nor scaled, and sum to 0 over the layer's places: only what is above 0 stands out. eigengradcam, in
    contrast, keeps the gradient's sign, centres nothing, and takes its map's sign from HiResCAM. Made for segmentation:
    there, wrap the network with an ``output=`` that takes the mean of each class over its pixels.

    Products that are the same everywhere but for rounding, as those of a single place are, have no direction: the map
    is 0, and so is the share left out. Where two directions hold equally much, none is the first, and the map is that
    of one of them: the share left out is then 1/2 or more.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    relu : bool
        True sets negative values to 0.
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
        partial(_projected, dtype=x.dtype),
        "segeigencam",
        layer=layer,
        of=of,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        estimate=Estimate(
            "share left out",
            "Share of the centred products' sum of squares that the further components hold: 0 when one map tells "
            "everything.",
            partial(_left_out, dtype=x.dtype),
        ),
    )
