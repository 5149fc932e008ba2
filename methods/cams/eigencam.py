"""Eigen-CAM: what a convolution's maps have most in common, whatever the class."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ..explanation import Array
from ..registry import Attribution, register
from .running import map_by_activation


def first_component(maps: Array) -> Array:
    """Project every position's channels on their first right singular vector.

    A singular vector's sign is arbitrary: it is taken so that the projection's product with the mean over the channels,
    summed over space, is positive. If that is 0, the vector's largest entry is.

    Parameters
    ----------
    maps : ndarray (N, K, h, w)

    Returns
    -------
    ndarray (N, h, w)
    """
    samples, channels, height, width = maps.shape
    positions = maps.reshape(samples, channels, -1).transpose(0, 2, 1).astype(np.float64)
    first = np.linalg.svd(positions, full_matrices=False)[2][:, 0]
    # Σ_ij (A v)_ij (A 1)_ij is the squared singular value times the sum of v.
    lean = first.sum(axis=1)
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=1)[:, None], axis=1)[:, 0]
    first = first * np.where(np.where(np.abs(lean) > 1e-9, lean, largest) < 0, -1, 1)[:, None]
    projections: Array = np.einsum("npk,nk->np", positions, first).reshape(samples, height, width)
    return projections


def left_out(maps: Array, projections: Array) -> Array:
    """Share of the maps' sum of squares (N,) that belongs to the further singular vectors."""
    energy = (maps**2).sum(axis=(1, 2, 3))
    kept = (projections**2).sum(axis=(1, 2))
    return np.maximum(1 - np.divide(kept, energy, out=np.ones_like(energy), where=energy > 0), 0)


NAME = "share left out"
MEANING = "Share of the sum of squares that the further singular vectors hold: 0 when one map tells everything."


@register(
    "eigencam",
    family="cams",
    paper="Eigen-CAM: Class Activation Map using Principal Components (Muhammad & Yeasin, 2020, arXiv:2008.00299)",
    needs="activations",
    error="share left out: the part of the activations' sum of squares that the first component does not hold",
)
def eigencam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    relu: bool = False,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``A v``: the activations (h w, K) projected on their first right singular vector v.

    No class is explained: the target is not used, and none is recorded. As in the paper nothing is centred. The values
    are maps (N, 1, H, W), neither shifted nor scaled, with the sign for which they go along with the mean activation.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    relu : bool
        True sets negative values to 0, which the paper does not.
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
        _first,
        "eigencam",
        layer=layer,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        name=NAME,
        meaning=MEANING,
    )


def _first(activation: Array) -> tuple[Array, Array]:
    maps = first_component(activation)
    return maps, left_out(activation, maps)
