"""The number type that NumPy does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from .protocol import Array


class Widened(np.ndarray[Any, Any]):
    """float32 numbers that are bfloat16 in their file."""


def widened(raw: Array) -> Array:
    """The float32 numbers whose upper halves are the given uint16: bfloat16, exactly."""
    return (raw.astype(np.uint32) << 16).view(np.float32).view(Widened)
