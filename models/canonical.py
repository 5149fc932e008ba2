"""From what a weights file holds to what a network takes, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from ..backends import Backend
from ..backends.paddle_names import paddle_name, torch_name
from ..backends.protocol import Array, Net
from ..backends.weights import Weights
from .checkpoint import without_training

BATCH_COUNTER = "num_batches_tracked"
"""What torch's batch norm counts and Paddle's does not."""

_RECURRENT = {"lstm", "gru", "rnn"}
_ENTRY = re.compile(r"(weight|bias)_([ih]h)_l(\d+)(_reverse)?")
_CELL = re.compile(r"(.*?)\d+\.cell(?:_fw|_bw)?\.(?:weight|bias)_[ih]h")


def canonical(weights: Weights, backend: Backend, net: Net) -> dict[str, Array]:
    """Bring the contents of a weights file into canonical names and layout for one network.

    Parameters
    ----------
    weights : Weights
        What `read_weights` returned.
    backend : Backend
        The network's framework.
    net : torch.nn.Module or paddle.nn.Layer
        The network that is to take them; tells which matrices belong to linear layers.

    Returns
    -------
    dict of str to ndarray
        Without torch's batch counters and what a training checkpoint holds besides the weights.
    """
    return to_canonical(weights, layer_kinds(backend, net))


def layer_kinds(backend: Backend, net: Net) -> dict[str, str]:
    """What each layer of a network is, by its name."""
    return {name: backend.kind(layer) for name, layer in backend.modules(net).items()}


def to_canonical(weights: Weights, kinds: Mapping[str, str]) -> dict[str, Array]:
    """Bring the contents of a weights file into canonical names and layout; see `canonical`.

    Parameters
    ----------
    weights : Weights
    kinds : mapping of str to str
        What the layers are, see `layer_kinds`.
    """
    arrays = {name: a for name, a in weights.arrays.items() if not name.endswith(BATCH_COUNTER)}
    if weights.framework != "paddle":
        return without_training(arrays)
    state: dict[str, Array] = {}
    for name, array in arrays.items():
        # Paddle lists the weights of a recurrent layer a second time, under its cells.
        cell = _CELL.fullmatch(name)
        if cell and f"{cell[1]}weight_ih_l0" in arrays:
            continue
        layer, dot, entry = name.rpartition(".")
        named, transposed = torch_name(kinds.get(layer, ""), entry)
        state[f"{layer}{dot}{named}"] = _turned(array, transposed)
    return state


def from_canonical(state: Mapping[str, Array], framework: str, kinds: Mapping[str, str]) -> dict[str, Array]:
    """Give canonical weights the names and the layout of a framework.

    Parameters
    ----------
    state : mapping of str to array
        Canonical weights.
    framework : str
        ``"torch"``, whose names and layout are the canonical ones, or ``"paddle"``.
    kinds : mapping of str to str
        What the layers are, see `layer_kinds`.
    """
    if framework != "paddle":
        return dict(state)
    arrays: dict[str, Array] = {}
    for name, array in state.items():
        layer, dot, entry = name.rpartition(".")
        named, transposed = paddle_name(kinds.get(layer, ""), entry)
        arrays[f"{layer}{dot}{named}"] = _turned(array, transposed)
        if kinds.get(layer) in _RECURRENT and (cell := _cell_name(layer, dot, entry, state)):
            arrays[cell] = array
    return arrays


def _cell_name(layer: str, dot: str, entry: str, state: Mapping[str, Array]) -> str | None:
    """Under which name Paddle lists a weight of a recurrent layer a second time."""
    found = _ENTRY.fullmatch(entry)
    if found is None:
        return None
    both = f"{layer}{dot}weight_ih_l0_reverse" in state
    way = ("_bw" if found[4] else "_fw") if both else ""
    return f"{layer}{dot}{found[3]}.cell{way}.{found[1]}_{found[2]}"


def _turned(array: Array, transposed: bool) -> Array:
    return np.ascontiguousarray(array.T) if transposed and array.ndim == 2 else array
