"""Interpolation in NumPy: nearest and linear, axis by axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.protocol import Array


def upsample(x: Array, settings: Mapping[str, Any], weights: Mapping[str, Array]) -> Array:
    """Resize all axes behind the channels to ``size``, or by ``scale_factor``."""
    size: Any = settings.get("size")
    scale: Any = settings.get("scale_factor")
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        wanted = size[(axis - 2) % len(size)] if size else int(n * scale[(axis - 2) % len(scale)])
        x = np.moveaxis(_resized(np.moveaxis(x, axis, -1), wanted, settings), -1, axis)
    return x


def _resized(x: Array, wanted: int, settings: Mapping[str, Any]) -> Array:
    n = x.shape[-1]
    if settings["mode"] == "nearest":
        return x[..., np.floor(np.arange(wanted) * n / wanted).astype(int)]
    if settings["mode"] not in ("linear", "bilinear", "trilinear"):
        raise ValueError(settings["mode"])
    place = positions(n, wanted, settings["align_corners"], settings.get("align_mode", 0))
    left = np.minimum(np.floor(place).astype(int), n - 1)
    right = np.minimum(left + 1, n - 1)
    share = place - left
    return x[..., left] * (1 - share) + x[..., right] * share


def positions(n: int, wanted: int, align_corners: bool, align_mode: int = 0) -> Array:
    """Where each output element lies among the input elements."""
    steps = np.arange(wanted)
    if align_corners:
        return steps * ((n - 1) / (wanted - 1) if wanted > 1 else 0.0)
    if align_mode == 1:
        return np.minimum(steps * n / wanted, n - 1.0)
    return np.clip((steps + 0.5) * n / wanted - 0.5, 0, n - 1)
