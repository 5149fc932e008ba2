"""How Paddle names and lays out the weights of a layer, in torch's terms; needs neither framework."""

from __future__ import annotations

_STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}
RUNNING = frozenset(_STATISTICS.values())
"""Canonical names of what a layer keeps beside its trained weights, but Paddle counts among its parameters."""


def torch_name(kind: str, name: str) -> tuple[str, bool]:
    """Canonical name of a layer's tensor, and whether Paddle stores it transposed.

    Parameters
    ----------
    kind : str
        What the layer is, see `kinds.kind_of`.
    name : str
        Paddle's name of the tensor within its layer.
    """
    if name == "scale" and kind.startswith("instance_norm"):
        return "weight", False
    if name == "_weight" and kind == "prelu":
        return "weight", False
    return _STATISTICS.get(name, name), kind == "linear" and name == "weight"
