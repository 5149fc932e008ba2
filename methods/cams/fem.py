"""FEM: where a convolution's maps are unusually strong, whatever the class."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ..checks import non_negative
from ..explanation import Array
from ..registry import Attribution, register
from .running import map_by_activation


def strong(activation: Array, k: float) -> Array:
    """Whether each value is at least k standard deviations above the mean of its map (N, K, h, w)."""
    deviation = activation - activation.mean(axis=(2, 3), keepdims=True)
    spread = activation.std(axis=(2, 3), keepdims=True)
    # Of a map that is the same everywhere both are 0, but for rounding, and every place is at its threshold.
    constant = np.ptp(activation, axis=(2, 3), keepdims=True) == 0
    return (deviation >= k * spread) | constant


def _voted(activation: Array, k: float) -> tuple[Array, Array]:
    weights = activation.mean(axis=(2, 3))
    chosen = strong(activation, k)
    total = np.abs(weights).sum(axis=1)
    silent = (np.abs(weights) * ~chosen.any(axis=(2, 3))).sum(axis=1)
    maps: Array = np.einsum("nk,nkhw->nhw", weights, chosen)
    return maps, np.divide(silent, total, out=np.zeros_like(total), where=total > 0)


@register(
    "fem",
    family="cams",
    paper="Features Understanding in 3D CNNs for Actions Recognition in Video (Fuad et al., 2020)",
    needs="activations",
    error="share left out: the part of the weights that belongs to channels without any strong place",
)
def fem(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    k: float = 2.0,
    relu: bool = False,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Σ_c μ_c [A_c ≥ μ_c + k σ_c]``: each channel votes with its mean μ for the places of its strongest values.

    Feature Explanation Method; σ is the standard deviation over space. No class is explained: the target is not used,
    and none is recorded. The values are maps (N, 1, H, W) in the units of the activations, neither shifted nor scaled.
    They are made for a layer behind a ReLU, where no mean is negative.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    k : float
        How many standard deviations above the mean of its channel a value is strong. No value is more than
        ``sqrt(places - 1)`` above it: of a map of 2 x 2 none reaches 2.
    relu : bool
        True sets negative values to 0.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    return map_by_activation(
        model,
        x,
        target,
        partial(_voted, k=non_negative("k", k)),
        "fem",
        layer=layer,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        name="share left out",
        meaning="Share of the channels' absolute means that belongs to channels without any strong place, which the "
        "map knows nothing of: 1 where the map is 0 because no value is k standard deviations above its mean.",
    )
