"""A multilayer perceptron for tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def mlp(nn: Any, classes: int = 3, features: int = 4, hidden: Sequence[int] = (32, 32)) -> Any:
    """Build fully connected layers with ReLU between them.

    Parameters
    ----------
    nn : namespace
        The layers of a backend, `Backend.nn`.
    classes : int
        Number of outputs.
    features : int
        Columns of the table.
    hidden : sequence of int
        Widths of the hidden layers.

    Returns
    -------
    torch.nn.Module or paddle.nn.Layer
        Takes (N, features), returns (N, classes) logits.
    """
    layers: dict[str, Any] = {}
    width = features
    for number, units in enumerate(hidden, 1):
        layers[f"hidden{number}"] = nn.Linear(width, units)
        layers[f"relu{number}"] = nn.ReLU()
        width = units
    layers["output"] = nn.Linear(width, classes)
    return nn.Sequential(layers)
