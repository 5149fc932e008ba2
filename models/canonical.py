"""From what a weights file holds to what a network takes."""

from __future__ import annotations

import numpy as np

from ..backends import Backend
from ..backends.paddle_names import torch_name
from ..backends.protocol import Array, Net
from ..backends.weights import Weights
from .checkpoint import without_training


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
    arrays = {name: a for name, a in weights.arrays.items() if not name.endswith("num_batches_tracked")}
    if weights.framework != "paddle":
        return without_training(arrays)
    kinds = {name: backend.kind(layer) for name, layer in backend.modules(net).items()}
    state: dict[str, Array] = {}
    for name, array in arrays.items():
        layer, dot, entry = name.rpartition(".")
        named, transposed = torch_name(kinds.get(layer, ""), entry)
        matrix = transposed and array.ndim == 2
        state[f"{layer}{dot}{named}"] = np.ascontiguousarray(array.T) if matrix else array
    return state
