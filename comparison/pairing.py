"""Ways to pair the layers of two networks that hold weights: by name, or by kind, shapes and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ..backends import Model
from .structure import OWN, Part, execution_order

Pairing = list[tuple[Part, Part]]
Orders = tuple[dict[str, int], dict[str, int]]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Ways to pair the layers that hold weights, the most likely one first.

    Attributes
    ----------
    pairings : list of list of (Part, Part)
        More than one where the order of definition and that of execution disagree.
    doubtful : list of (tuple of Part, tuple of Part)
        Layers that are alike, and that nothing but the order of definition, or conflicting orders, tell apart.
    only_first, only_second : list of Part
    proved : bool
        Whether an experiment has shown that the networks compute the same under each of `pairings`.
    """

    pairings: list[Pairing]
    doubtful: list[tuple[tuple[Part, ...], tuple[Part, ...]]]
    only_first: list[Part]
    only_second: list[Part]
    proved: bool = False


def same_names(mine: Sequence[Part], theirs: Sequence[Part]) -> bool:
    """Whether both networks have layers of the same names, and of the same kinds under each name."""
    other = {part.name: part for part in theirs}
    return len(mine) == len(theirs) and all(
        part.name in other and alike(part.kind, other[part.name].kind) for part in mine
    )


def alike(first: str, second: str) -> bool:
    """Whether two kinds can be the same: a class of the user's own may be anything."""
    return first == second or OWN in (first, second)


def by_name(mine: Sequence[Part], theirs: Sequence[Part]) -> Pairing:
    """Pair layers of the same name."""
    other = {part.name: part for part in theirs}
    return [(part, other[part.name]) for part in mine]


def run_orders(first: Model, second: Model, x: Any) -> Orders | None:
    """The order of execution of both networks, or None unless both run on `x`."""
    if x is None:
        return None
    orders = execution_order(first, x), execution_order(second, x)
    return None if orders[0] is None or orders[1] is None else (orders[0], orders[1])


def structural(mine: Sequence[Part], theirs: Sequence[Part], orders: Orders | None) -> Candidates:
    """Pair layers by kind and shapes, in the order of execution where it is known, else in that of definition."""
    a_counts, b_counts = (Counter(part.signature for part in side) for side in (mine, theirs))
    if a_counts != b_counts:
        return _partial(mine, theirs, orders)
    defined = _in_turn(mine, theirs)
    executed = orders and _in_turn(ordered(mine, orders[0]), ordered(theirs, orders[1]))
    likely = executed or defined or _by_signature(mine, theirs, orders)
    pairings = [likely]
    if defined and _identity(defined) != _identity(likely):
        pairings.append(defined)
    sure = _identity(likely) & _identity(defined) if executed and defined else set()
    doubtful = [
        (tuple(p for p in mine if p.signature == signature), tuple(p for p in theirs if p.signature == signature))
        for signature, count in a_counts.items()
        if count > 1 and not all((a.name, b.name) in sure for a, b in likely if a.signature == signature)
    ]
    return Candidates(pairings, doubtful, [], [])


def ordered(side: Sequence[Part], places: Mapping[str, int]) -> list[Part]:
    """Layers in the order in which they run; what does not run by itself stands with the layer around it."""

    def place(part: Part) -> float:
        name = part.name
        while name and name not in places:
            name = name.rpartition(".")[0]
        # A network runs itself first, but an output that is not used does not run at all.
        return places[name] if name or not part.name else float("inf")

    return sorted(side, key=place)


def _in_turn(mine: Sequence[Part], theirs: Sequence[Part]) -> Pairing | None:
    pairing = list(zip(mine, theirs, strict=True))
    return pairing if all(a.signature == b.signature for a, b in pairing) else None


def _by_signature(mine: Sequence[Part], theirs: Sequence[Part], orders: Orders | None) -> Pairing:
    waiting = list(ordered(theirs, orders[1]) if orders else theirs)
    pairing = []
    for part in ordered(mine, orders[0]) if orders else mine:
        index = next(i for i, other in enumerate(waiting) if other.signature == part.signature)
        pairing.append((part, waiting.pop(index)))
    return pairing


def _partial(mine: Sequence[Part], theirs: Sequence[Part], orders: Orders | None) -> Candidates:
    """Pair what can be paired: first what agrees in name and shapes, then runs of equal layers."""
    names = {part.name: part for part in theirs}
    pairing = [(p, names[p.name]) for p in mine if p.name in names and names[p.name].signature == p.signature]
    left = [p for p in mine if all(p is not a for a, _ in pairing)]
    right = [p for p in theirs if all(p is not b for _, b in pairing)]
    a, b = (ordered(left, orders[0]), ordered(right, orders[1])) if orders else (left, right)
    blocks = SequenceMatcher(None, [p.signature for p in a], [p.signature for p in b], autojunk=False)
    aligned = [(a[block.a + i], b[block.b + i]) for block in blocks.get_matching_blocks() for i in range(block.size)]
    taken = {id(part) for pair in aligned for part in pair}
    rest = [p for p in a if id(p) not in taken], [p for p in b if id(p) not in taken]
    counts = Counter(p.signature for p in (*a, *b))
    doubtful = [
        (tuple(p for p in a if p.signature == signature), tuple(p for p in b if p.signature == signature))
        for signature, count in counts.items()
        if count > 2
    ]
    return Candidates([pairing + aligned], doubtful, *rest)


def _identity(pairing: Pairing | None) -> set[tuple[str, str]]:
    return {(a.name, b.name) for a, b in pairing or []}
