"""How Paddle names and lays out the weights of a layer, in torch's terms; needs neither framework."""

from __future__ import annotations

from collections.abc import Mapping

from .protocol import Array

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


def paddle_name(kind: str, name: str) -> tuple[str, bool]:
    """Paddle's name of a layer's tensor, and whether Paddle stores it transposed: `torch_name` backwards.

    Parameters
    ----------
    kind : str
        What the layer is, see `kinds.kind_of`.
    name : str
        Canonical name of the tensor within its layer.
    """
    if name == "weight" and kind.startswith("instance_norm"):
        return "scale", False
    if name == "weight" and kind == "prelu":
        return "_weight", False
    own = next((paddle for paddle, canonical in _STATISTICS.items() if canonical == name), name)
    return own, kind == "linear" and name == "weight"


def kind_matters(state: Mapping[str, Array], framework: str) -> list[str]:
    """Entries of a weights file whose other name or layout depends on what their layer is.

    Parameters
    ----------
    state : mapping of str to array
    framework : str
        Whose names and layout the entries have.

    Returns
    -------
    list of str
        A matrix may belong to a linear layer, which Paddle stores transposed, or to an embedding; a vector of weights
        to a normalisation that Paddle names otherwise. A batch norm is known by its statistics, a convolution by its
        axes.
    """
    found = []
    for name, array in state.items():
        layer, dot, entry = name.rpartition(".")
        if entry == "weight":
            unknown_norm = framework == "torch" and array.ndim == 1 and f"{layer}{dot}running_var" not in state
            if array.ndim == 2 or unknown_norm:
                found.append(name)
        elif framework == "paddle" and entry in ("scale", "_weight"):
            found.append(name)
    return found
