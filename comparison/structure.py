"""What a network holds, layer by layer, in terms that do not depend on its framework or on its author's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ..backends import Model
from ..backends.protocol import Array, Handle, Net

_QUERY_KEY_VALUE = ("q_proj", "k_proj", "v_proj")
_ATTENTION = "multihead_attention"
OWN = "own"
"""The kind of a layer of a class that neither framework has."""

Signature = tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]
"""Kind of a layer, and the names and shapes of what it holds."""


@dataclass(frozen=True, eq=False)
class Part:
    """A layer that holds weights, with all that it holds.

    Attributes
    ----------
    name : str
        Of the layer; empty for what the network itself holds.
    kind : str
        As `Backend.kind` says, with one word for all batch norms, and ``"own"`` for classes of the user's.
    arrays : dict of str to ndarray
        In torch's layout. The projections of an attention layer stand one by one, and belong to it.
    names : dict of str to tuple of str
        For each array of the canonical state of the network, which entries of `arrays` it is made of.
    """

    name: str
    kind: str
    arrays: dict[str, Array]
    names: dict[str, tuple[str, ...]]

    @property
    def signature(self) -> Signature:
        return self.kind, tuple(sorted((entry, array.shape) for entry, array in self.arrays.items()))

    def state_from(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The part of the network's canonical state that gives this layer other values."""
        return {
            name: arrays[entries[0]] if len(entries) == 1 else np.concatenate([arrays[entry] for entry in entries])
            for name, entries in self.names.items()
        }


def parts(model: Model) -> list[Part]:
    """Every layer that holds weights, in the order in which the network defines them."""
    backend, net = model.backend, model.net
    found: dict[str, Part] = {}
    homes: dict[str, str] = {}
    for full, array in backend.state(net).items():
        owner, _, _ = full.rpartition(".")
        home = homes.setdefault(owner, _home(model, owner))
        if home not in found:
            found[home] = Part(home, kind(model, home), {}, {})
        part = found[home]
        within = full.removeprefix(f"{home}.") if home else full
        pieces = _pieces(within, array) if part.kind == _ATTENTION else {within: array}
        part.arrays.update(pieces)
        part.names[full] = tuple(pieces)
    return list(found.values())


def kind(model: Model, name: str) -> str:
    """What a layer is, in words that mean the same on both frameworks."""
    layer = _layer(model.net, name)
    own = model.backend.kind(layer)
    known = own == _ATTENTION or any(
        base.__module__.startswith(f"{model.backend.name}.nn.") and base.__name__ not in ("Module", "Layer")
        for base in type(layer).__mro__
    )
    # Paddle has an older batch norm for any number of axes.
    return re.sub(r"^(sync_)?batch_norm(\dd)?$", "batch_norm", own) if known else OWN


def leaves(model: Model) -> list[str]:
    """Layers without layers inside, in the order of definition; an attention layer counts as one."""
    modules = model.backend.modules(model.net)
    homes = {name: _home(model, name) for name in modules if name}
    inner = {name.rpartition(".")[0] for name in modules if name and homes[name] == name}
    whole = {home for name, home in homes.items() if home != name}
    return [name for name in modules if name and homes[name] == name and (name not in inner or name in whole)]


def execution_order(model: Model, x: Any) -> dict[str, int] | None:
    """Place of each layer in a run of the network, by when it starts; None where the network does not run on `x`.

    Layers that were not called themselves (a projection inside an attention layer, an auxiliary output) are left out.
    """
    places: dict[str, int] = {}

    def watch(name: str) -> Callable[[Net, Any], None]:
        def record(_layer: Net, _inputs: Any) -> None:
            places.setdefault(name, len(places))

        return record

    handles: list[Handle] = []
    try:
        for name, layer in model.backend.modules(model.net).items():
            handles.append(model.backend.on_enter(layer, watch(name)))
        outputs = run(model, x)
    finally:
        for handle in handles:
            handle.remove()
    return None if outputs is None else places


def run(model: Model, x: Any) -> list[Array] | None:
    """All tensors that the network returns for `x`, in evaluation mode; None where it does not run on it."""
    backend = model.backend
    try:
        array = backend.numpy(x) if backend.is_tensor(x) else np.asarray(x)
        dtype = None if array.dtype.kind in "iu" else model.dtype
        with backend.frozen(model.net), backend.no_grad():
            native = backend.asarray(array, dtype, model.device)
            output = model.net(native if model.preprocess is None else model.preprocess(native))
            tensors = _tensors(model, output if model.output is None else model.output(output))
            return [backend.numpy(t) for t in tensors]
    except Exception:  # whatever the user's code does with an input that it does not take
        return None


def _tensors(model: Model, output: Any) -> list[Any]:
    if model.backend.is_tensor(output):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    return [t for item in output for t in _tensors(model, item)] if isinstance(output, (list, tuple)) else []


def _home(model: Model, layer: str) -> str:
    """The attention layer that a layer belongs to, or the layer itself."""
    names = layer.split(".") if layer else []
    for length in range(len(names)):
        outer = ".".join(names[:length])
        if model.backend.kind(_layer(model.net, outer)) == _ATTENTION:
            return outer
    return layer


def _layer(net: Net, name: str) -> Net:
    return reduce(getattr, name.split("."), net) if name else net


def _pieces(entry: str, array: Array) -> dict[str, Array]:
    """Split torch's joint projection of an attention layer as Paddle keeps it, in three linear layers."""
    joint = {"in_proj_weight": "weight", "in_proj_bias": "bias"}.get(entry)
    if joint is not None:
        return {f"{name}.{joint}": piece for name, piece in zip(_QUERY_KEY_VALUE, np.split(array, 3), strict=True)}
    name, _, last = entry.rpartition("_")
    return {f"{name}.{last}" if name in _QUERY_KEY_VALUE else entry: array}
