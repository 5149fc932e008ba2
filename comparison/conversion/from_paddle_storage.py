"""What a network holds before it runs: its layers, and the tensors in them, by identity."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...backends.paddle_names import torch_name
from ...backends.protocol import Net, Tensor


@dataclass(frozen=True)
class Stored:
    """A tensor that the network holds before it runs: a parameter, a buffer, or a plain attribute of a layer."""

    tensor: Tensor
    owner: str
    name: str
    transposed: bool = False
    weight: bool = True
    version: int = 0


class Storage:
    """All tensors and layers of a network by identity, with all names that they have."""

    def __init__(self, net: Net, kinds: Callable[[Net], str], is_tensor: Callable[[Any], bool]) -> None:
        self.tensors: dict[int, list[Stored]] = {}
        self.layers: dict[int, list[str]] = {}
        self.kept: list[Any] = []
        for name, layer in named_layers(net):
            self.layers.setdefault(id(layer), []).append(name)
            self.kept.append(layer)
            for stored in _stored(layer, name, kinds(layer), is_tensor):
                self.tensors.setdefault(id(stored.tensor), []).append(stored)

    def constants(self, layer: Net) -> dict[str, Tensor]:
        """Tensors that a layer holds, but that are no part of its weights."""
        name = self.layers[id(layer)][0]
        everything = itertools.chain.from_iterable(self.tensors.values())
        return {each.name: each.tensor for each in everything if each.owner == name and not each.weight}


def named_layers(net: Net, prefix: str = "") -> Iterator[tuple[str, Net]]:
    """Every layer under every name that it has, shared ones several times."""
    yield prefix.removesuffix("."), net
    if "weight_ih_l0" in net._parameters:  # a recurrent layer lists its weights again under cells that never run
        return
    for name, child in net._sub_layers.items():
        if child is not None:
            yield from named_layers(child, f"{prefix}{name}.")


def _stored(layer: Net, owner: str, kind: str, is_tensor: Any) -> Iterator[Stored]:
    passing = layer._non_persistable_buffer_names_set
    for name, t in itertools.chain(layer._parameters.items(), layer._buffers.items()):
        if t is not None:
            canonical, transposed = torch_name(kind, name)
            yield Stored(t, owner, canonical, transposed, name not in passing, t.inplace_version)
    for name, value in vars(layer).items():
        parts = {name: value}
        if isinstance(value, (list, tuple)):
            parts = {f"{name}_{index}": part for index, part in enumerate(value)}
        elif isinstance(value, Mapping) and name not in ("_parameters", "_buffers", "_sub_layers"):
            parts = {f"{name}_{key}": part for key, part in value.items()}
        for key, part in parts.items():
            if is_tensor(part):
                yield Stored(part, owner, key, weight=False, version=part.inplace_version)
