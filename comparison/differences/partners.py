"""Which layer of one network stands beside which of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...backends import Model
from ...backends.protocol import Array
from ...errors import ModelError
from ..matching import match_layers
from ..structure import parts


@dataclass(frozen=True)
class Partners:
    """Layers side by side.

    Attributes
    ----------
    pairs : dict of str to str
        Names in the first network and in the second; the networks themselves, both ``""``, are among them.
    only_first, only_second : tuple of str
        Layers that hold weights and have no partner.
    ambiguous : tuple of (tuple of str, tuple of str)
    """

    pairs: Mapping[str, str]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    ambiguous: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()


def partners(first: Model, second: Model, x: Array) -> Partners:
    """Pair layers: by their names where these are the same, else by what they hold and in which order they run.

    Raises
    ------
    ModelError
        If the networks have no layer in common.
    """
    layers = first.backend.modules(first.net), second.backend.modules(second.net)
    if layers[0].keys() == layers[1].keys() and (_same_kinds(first, second) or _same_names(first, second)):
        return Partners({name: name for name in layers[0]}, (), ())
    matching = match_layers(first, second, x)
    holding = {part.name for part in parts(first)}, {part.name for part in parts(second)}
    if any(holding) and not any(pair.first in holding[0] or pair.second in holding[1] for pair in matching.pairs):
        raise ModelError(
            f"'{first.name}' and '{second.name}' have no layer in common.", "Compare networks of one architecture."
        )
    pairs = {pair.first: pair.second for pair in matching.pairs}
    containers = [{name.rpartition(".")[0] for name in names if name} for names in layers]
    pairs |= {name: name for name in layers[0] if all(name in inner for inner in containers) and name not in pairs}
    return Partners({"": "", **pairs}, matching.only_first, matching.only_second, matching.ambiguous)


def _same_kinds(first: Model, second: Model) -> bool:
    layers = first.backend.modules(first.net), second.backend.modules(second.net)
    return all(first.backend.kind(layer) == second.backend.kind(layers[1][name]) for name, layer in layers[0].items())


def _same_names(first: Model, second: Model) -> bool:
    """Whether all layers that hold weights are of one kind under each name."""
    return match_layers(first, second).how == "name"
