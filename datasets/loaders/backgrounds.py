"""What lies behind the object of a synthetic picture: texture and plain shapes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .base import Array
from .packages import require

_NOISE = ((2, 0.16), (4, 0.1), (9, 0.07), (20, 0.04))
"""Grid cells a side and standard deviation of each scale of noise; the coarsest is a gradient over the picture."""


def texture(rng: np.random.Generator, size: int) -> Array:
    """Draw a random surface: one colour, noise at several scales, grain, and stripes on every second one.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the randomness comes from.
    size : int
        Side in pixels.

    Returns
    -------
    ndarray
        Shape (size, size, 3), float32 in 0..1.
    """
    cv2 = require("cv2", "opencv-python", "make synthetic pictures")
    surface = np.empty((size, size, 3), np.float32)
    surface[:] = rng.uniform(0.25, 0.75) + rng.uniform(-0.2, 0.2, 3)
    for cells, deviation in _NOISE:
        # Channels that vary mostly together look like light and shade rather than like confetti.
        grid = rng.standard_normal((cells, cells, 3), np.float32) * np.float32(deviation / 2)
        grid += rng.standard_normal((cells, cells, 1), np.float32) * np.float32(deviation)
        surface += cv2.resize(grid, (size, size), interpolation=cv2.INTER_LINEAR)
    surface += rng.standard_normal((size, size, 1), np.float32) * np.float32(0.03)
    if rng.random() < 0.5:
        angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(2, 9), rng.uniform(0, 2 * np.pi)
        across = _ramp(size)
        along = across * np.float32(np.cos(angle)) + across.T * np.float32(np.sin(angle))
        stripes = np.sin(along * np.float32(2 * np.pi * waves) + np.float32(phase))
        surface += stripes[:, :, None] * rng.uniform(-0.14, 0.14, 3).astype(np.float32)
    return np.clip(surface, 0, 1)


def add_shapes(canvas: Array, rng: np.random.Generator) -> None:
    """Paint up to three plain discs, bars or triangles, in place.

    Parameters
    ----------
    canvas : ndarray
        Shape (size, size, 3), float32 in 0..1.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    cv2 = require("cv2", "opencv-python", "make synthetic pictures")
    size = canvas.shape[0]
    for _ in range(rng.integers(0, 4)):
        colour = rng.random(3).tolist()
        x, y = rng.uniform(0, size, 2)
        radius = rng.uniform(0.04, 0.1) * size
        if rng.random() < 1 / 3:
            cv2.circle(canvas, (int(x), int(y)), max(1, round(radius)), colour, -1)
        else:
            corners = int(rng.integers(3, 5))
            angles = rng.uniform(0, 2 * np.pi) + np.sort(rng.uniform(0, 2 * np.pi, corners))
            points = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
            cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], colour)


@lru_cache(maxsize=8)
def _ramp(size: int) -> Array:
    """Return 0..1 from left to right, shape (1, size)."""
    return np.linspace(0, 1, size, dtype=np.float32)[None]
