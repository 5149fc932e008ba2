"""First weights, drawn once in NumPy so that both frameworks start from the same numbers."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from ..backends import Backend
from ..backends.protocol import Array, Net


def initialise(backend: Backend, net: Net, seed: int) -> None:
    """Give a network torch's default initial weights, from one seed on either framework.

    Weights and biases of convolutions and linear layers are uniform within ``1 / sqrt(inputs of the unit)``; batch
    norm starts as the identity. Entries are drawn in the order of the canonical state.

    Parameters
    ----------
    backend : Backend
        The network's framework.
    net : torch.nn.Module or paddle.nn.Layer
        A network of convolutions, linear layers and batch norm; changed in place.
    seed : int
        Seed of the one generator that all numbers come from.
    """
    rng = np.random.default_rng(seed)
    state = backend.state(net)
    backend.load(net, {name: _drawn(name, state, rng) for name in state})


def _drawn(name: str, state: dict[str, Array], rng: np.random.Generator) -> Array:
    layer, _, entry = name.rpartition(".")
    shape, dtype = state[name].shape, state[name].dtype
    weight = state.get(f"{layer}.weight" if layer else "weight", state[name])
    if weight.ndim < 2:
        one = entry in ("weight", "running_var")
        return np.full(shape, float(one), dtype=dtype)
    bound = 1 / sqrt(prod(weight.shape[1:]))
    return rng.uniform(-bound, bound, size=shape).astype(dtype)
