"""Torch's dropouts on Paddle tensors."""

from __future__ import annotations

from typing import Any

from .table import function, paddle

functional = paddle.nn.functional


@function()
def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return functional.dropout(input, p, training=training)


@function("dropout2d", "dropout3d")
def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return functional.dropout(input, p, axis=[0, 1], training=training)


@function()
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    return functional.alpha_dropout(input, p, training=training)


@function()
def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """Torchvision's: whole branches are left out."""
    if not training or p == 0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    kept = paddle.full([rows, *[1] * (input.ndim - 1)], 1 - p, dtype=input.dtype)
    return input * paddle.bernoulli(kept) / (1 - p if p < 1 else 1)
