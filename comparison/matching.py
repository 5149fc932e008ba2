"""Which layer of one network is which layer of another, by name or by structure; doubts are reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..backends import Model
from .pairing import Candidates, Orders, by_name, run_orders, same_names, structural
from .probing import example_input
from .settling import settled
from .structure import kind, leaves, parts


@dataclass(frozen=True)
class LayerPair:
    """Two layers that hold the same thing.

    Attributes
    ----------
    first, second : str
        Their names in the two networks.
    kind : str
        What they are.
    """

    first: str
    second: str
    kind: str


@dataclass(frozen=True)
class Matching:
    """The layers of two networks side by side.

    Attributes
    ----------
    pairs : tuple of LayerPair
        In the order in which the first network runs them, or defines them where it was not run: all layers that hold
        weights, and layers without any where there is no doubt.
    how : str
        ``"name"`` where the names and kinds agree throughout, else ``"structure"``.
    ambiguous : tuple of (tuple of str, tuple of str)
        Layers of the first and of the second network that are alike in kind and shapes, and whose pairs, though among
        `pairs`, may as well be others.
    only_first, only_second : tuple of str
        Layers that hold weights and have no partner.
    """

    pairs: tuple[LayerPair, ...]
    how: str
    ambiguous: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()


def match_layers(first: Model, second: Model, x: Any = None) -> Matching:
    """Find out which layers of two networks correspond.

    Parameters
    ----------
    first, second : Model
        Of either framework.
    x : array (N, ...), optional
        An input that both networks take: layers are then paired in the order in which they run, which the order of
        definition need not be. Without it an input is made up where the networks allow it.

    Returns
    -------
    Matching
    """
    mine, theirs = parts(first), parts(second)
    orders = None
    if same_names(mine, theirs):
        candidates = Candidates([by_name(mine, theirs)], [], [], [])
        how = "name"
        if x is not None:
            orders = run_orders(first, second, x)
    else:
        x = example_input(first, second) if x is None else x
        orders = run_orders(first, second, x)
        candidates = settled(first, second, structural(mine, theirs, orders), x)
        how = "structure"
    pairing = candidates.pairings[0]
    found = [LayerPair(a.name, b.name, a.kind) for a, b in pairing]
    found += _plain_pairs(first, second, found, orders, by_names=how == "name")
    place = _places(first, orders and orders[0])
    return Matching(
        tuple(sorted(found, key=lambda pair: place.get(pair.first, (len(place), 0)))),
        how,
        tuple((tuple(p.name for p in a), tuple(p.name for p in b)) for a, b in candidates.doubtful),
        tuple(part.name for part in candidates.only_first),
        tuple(part.name for part in candidates.only_second),
    )


def _plain_pairs(
    first: Model, second: Model, anchors: Sequence[LayerPair], orders: Orders | None, by_names: bool
) -> list[LayerPair]:
    """Layers without weights: by name, or by their kind between two neighbouring layers that are paired."""
    holding = {pair.first for pair in anchors}, {pair.second for pair in anchors}
    mine = [name for name in leaves(first) if name not in holding[0]]
    theirs = [name for name in leaves(second) if name not in holding[1]]
    kinds = {name: kind(first, name) for name in mine}, {name: kind(second, name) for name in theirs}
    if by_names:
        return [LayerPair(name, name, kinds[0][name]) for name in mine if kinds[1].get(name) == kinds[0][name]]
    partner = {pair.second: pair.first for pair in anchors}
    places = _places(first, orders and orders[0]), _places(second, orders and orders[1])
    gaps = (
        _gaps(mine, holding[0], places[0], lambda anchor: anchor),
        _gaps(theirs, holding[1], places[1], lambda anchor: partner[anchor]),
    )
    pairs = []
    for gap, names in gaps[0].items():
        others = gaps[1].get(gap, [])
        for what in dict.fromkeys(kinds[0][name] for name in names):
            a = [name for name in names if kinds[0][name] == what]
            b = [name for name in others if kinds[1][name] == what]
            if len(a) == len(b) == 1:
                pairs.append(LayerPair(a[0], b[0], what))
    return pairs


Gap = tuple[str | None, str | None]


def _gaps(
    names: Sequence[str],
    anchors: set[str],
    places: Mapping[str, tuple[int, int]],
    title: Callable[[str], str],
) -> dict[Gap, list[str]]:
    """Layers by the two anchors that they stand between."""
    row = sorted((name for name in (*names, *anchors) if name in places), key=lambda name: places[name])
    stops = [None, *(title(name) for name in row if name in anchors), None]
    gaps: dict[Gap, list[str]] = {}
    passed = 0
    for name in row:
        if name in anchors:
            passed += 1
        else:
            gaps.setdefault((stops[passed], stops[passed + 1]), []).append(name)
    return gaps


def _places(model: Model, executed: Mapping[str, int] | None) -> dict[str, tuple[int, int]]:
    """Where each layer stands: by its place in a run where there was one, then by definition."""
    names = list(model.backend.modules(model.net))
    if executed is None:
        return {name: (0, index) for index, name in enumerate(names)}
    return {name: (executed[name], index) for index, name in enumerate(names) if name in executed}
