"""Everything outside of layers that the way from Paddle to torch knows, by Paddle's name of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .from_paddle_elementwise import ELEMENTWISE
from .from_paddle_entries import Unsupported
from .from_paddle_reductions import REDUCTIONS
from .from_paddle_shapes import SHAPES
from .from_paddle_spatial import SPATIAL
from .from_paddle_windows import WINDOWS

__all__ = ["OPERATIONS", "Unsupported"]

OPERATIONS: dict[str, Callable[..., Any]] = {**ELEMENTWISE, **REDUCTIONS, **SHAPES, **SPATIAL, **WINDOWS}
"""Compiled operators by their name; methods as ``Tensor.name``; functions as ``F.name`` and ``paddle.name``."""
