"""Copy weights from one network to another, across the frameworks, whatever their layers are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import Model
from ..backends.protocol import Array
from ..errors import WeightsError, suggest
from .library_pairs import known_differences, unused
from .networks import whole
from .pairing import Pairing, alike, by_name, run_orders, same_names, structural
from .probing import difference, example_input
from .settings import setting_differences, title
from .settling import settled
from .structure import OWN, Part, parts, run

_SHOWN = 3


@dataclass(frozen=True)
class TransferReport:
    """What was copied, and what is known about the two networks.

    Attributes
    ----------
    source, destination : str
        Names of the models and their frameworks.
    names : tuple of str
        The source's canonical names of the arrays copied, all of them checked for shape.
    numbers : int
        How many numbers they hold together.
    how : str
        ``"name"``, ``"structure"`` or ``"pairs"`` (the user's own).
    pairs : tuple of (str, str)
        Layers of the source and of the destination that correspond.
    differences : tuple of str
        What the networks do differently with the same weights, as far as it is known; empty is no proof of equality.
    left_out : tuple of str
        Layers of the source that the destination has no use for, such as outputs that serve training only.
    scores : float or None
        How far the outputs are apart on an example, relative to the largest: on `x`, or after a copy by structure on
        one that was made up. None where there is none that both networks run on, where the source's outputs are not
        finite, or are others each time.
    allowed : float
        What rounding explains of it.
    """

    source: str
    destination: str
    names: tuple[str, ...]
    numbers: int
    how: str = "name"
    pairs: tuple[tuple[str, str], ...] = ()
    differences: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    scores: float | None = None
    allowed: float = 1e-4

    def __str__(self) -> str:
        text = f"{len(self.names)} arrays, {self.numbers:,} numbers, by {self.how}: {self.source} -> {self.destination}"
        if self.left_out:
            text += f"; left out: {', '.join(self.left_out)}"
        if self.scores is not None and self.scores > self.allowed:
            text += f"; THE OUTPUTS DIFFER, by {self.scores:.2g} of the largest"
        return text + "".join(f"; {what}" for what in self.differences)

    def mapping(self) -> str:
        """The pairs of layers, one a line."""
        return "\n".join(f"{first} -> {second}" for first, second in self.pairs)


def transfer(source: Any, destination: Any, x: Any = None, pairs: Mapping[str, str] | None = None) -> TransferReport:
    """Copy all parameters and running statistics from one network to another of the same architecture.

    Parameters
    ----------
    source, destination : Model or native network
        Of either framework. A linear layer's weight is turned by its kind; the joint projection of torch's attention
        layer is cut into the three of Paddle's and put together again.
    x : array (N, ...), optional
        An input that both networks take. It tells apart layers that are alike where the names differ, and shows
        whether the outputs agree; where the names differ one is made up without it, if the networks allow it.
    pairs : mapping of str to str, optional
        Which layer of the source becomes which layer of the destination, for all layers that hold weights.

    Returns
    -------
    TransferReport
        Layers of equal names are paired by name, others by the order, kinds and shapes of the layers that hold weights.

    Raises
    ------
    WeightsError
        If the layers do not correspond, or in two ways that an experiment cannot tell apart, or the copy is not exact;
        the destination is then unchanged.

    Notes
    -----
    The destination keeps its own precision: float64 weights are rounded when it is a float32 network. Weights alone
    do not make two networks equal: `TransferReport.differences` names what is known to differ, `twin` corrects it.
    """
    start, end = whole(source), whole(destination)
    mine, theirs = parts(start), parts(end)
    spare = set(unused(start, end))
    kept = [part for part in mine if part.name not in spare]
    if pairs is not None:
        how, pairing = "pairs", _as_told(kept, theirs, pairs)
    elif same_names(kept, theirs):
        how, pairing = "name", by_name(kept, theirs)
    else:
        how = "structure"
        pairing, x = _by_structure(start, end, kept, theirs, x)
    _check_shapes(pairing)
    names = _copy(end, pairing)
    scores, allowed = _scores(start, end, x), 1e-2 if "float16" in (start.dtype, end.dtype) else 1e-4
    unsure = [] if scores is not None and scores <= allowed else _of_unknown_layout(start, end, pairing)
    return TransferReport(
        f"{start.name} ({start.backend.name})",
        f"{end.name} ({end.backend.name})",
        tuple(name for a, _ in pairing for name in a.names),
        sum(array.size for array in names.values()),
        how,
        tuple((a.name, b.name) for a, b in pairing),
        tuple(known_differences(start, end) + setting_differences(start, end, pairing) + unsure),
        tuple(part.name for part in mine if part.name in spare),
        scores,
        allowed,
    )


def _scores(start: Model, end: Model, x: Any) -> float | None:
    if x is None:
        return None
    with _undisturbed(start), _undisturbed(end):
        mine, again, theirs = run(start, x), run(start, x), run(end, x)
    if mine is None or again is None or theirs is None or not all(np.isfinite(array).all() for array in mine):
        return None
    return difference(mine, theirs) if difference(mine, again) == 0 else None


@contextmanager
def _undisturbed(model: Model) -> Iterator[None]:
    """Runs that leave random numbers alone, and what a network counts in its buffers."""
    before = model.state()
    try:
        with model.unobserved():
            yield
    finally:
        after = model.state()
        if any(not np.array_equal(array, after[name], equal_nan=True) for name, array in before.items()):
            model.load_state(before)


def _of_unknown_layout(start: Model, end: Model, pairing: Pairing) -> list[str]:
    """Square matrices that would be loaded without complaint the wrong way round."""
    return [
        f"{title(own.name)} is of a class of your own in the {where}, so that it is not known whether it wants its"
        f" square matrix '{entry}' transposed"
        for a, b in pairing
        if type(start.layer(a.name)) is not type(end.layer(b.name))
        for own, where in [(b, "destination") if b.kind == OWN else (a, "source")]
        if own.kind == OWN
        for entry, array in own.arrays.items()
        if array.ndim == 2 and array.shape[0] == array.shape[1]
    ]


def _by_structure(
    start: Model, end: Model, mine: Sequence[Part], theirs: Sequence[Part], x: Any
) -> tuple[Pairing, Any]:
    candidates = structural(mine, theirs, None)
    if candidates.only_first or candidates.only_second:
        _refuse(mine, theirs, candidates.only_first, candidates.only_second)
    x = example_input(start, end) if x is None else x
    candidates = settled(start, end, structural(mine, theirs, run_orders(start, end, x)), x)
    if candidates.doubtful and not candidates.proved:
        first, second = candidates.doubtful[0]
        raise WeightsError(
            f"Which of {_titles(first)} becomes which of {_titles(second)} is not certain: they are alike.",
            "Pass x=, an input that both networks take, or pairs={'layer of the source': 'layer of the destination'}.",
        )
    return candidates.pairings[0], x


def _as_told(mine: Sequence[Part], theirs: Sequence[Part], pairs: Mapping[str, str]) -> Pairing:
    sides = {part.name: part for part in mine}, {part.name: part for part in theirs}
    for side, named in zip(sides, (list(pairs), list(pairs.values())), strict=True):
        for name in named:
            if name not in side:
                raise WeightsError(f"pairs: there is no layer '{name}' that holds weights.", suggest(name, side))
        lacking = [name for name in side if name not in named] + [n for i, n in enumerate(named) if n in named[:i]]
        if lacking:
            raise WeightsError(f"pairs: '{lacking[0]}' is not named exactly once.", "Name every layer with weights.")
    return [(sides[0][a], sides[1][b]) for a, b in pairs.items()]


def _check_shapes(pairing: Pairing) -> None:
    for a, b in pairing:
        if not alike(a.kind, b.kind):
            raise WeightsError(
                f"'{a.name}' is a {a.kind} in the source, '{b.name}' a {b.kind} in the destination.",
                "Build the same layers on both sides.",
            )
        mine, theirs = ({entry: array.shape for entry, array in part.arrays.items()} for part in (a, b))
        for entry in dict.fromkeys((*mine, *theirs)):
            if mine.get(entry) != theirs.get(entry):
                raise WeightsError(
                    f"{_entry(a, entry)} has {_shape(mine.get(entry))} in the source, {_entry(b, entry)} has"
                    f" {_shape(theirs.get(entry))} in the destination.",
                    "Check the layer sizes, the number of classes and whether both have a bias.",
                )


def _refuse(mine: Sequence[Part], theirs: Sequence[Part], left: Sequence[Part], right: Sequence[Part]) -> None:
    """Say what differs: by name where the networks are mostly named alike, otherwise by structure."""
    names = {part.name for part in mine}, {part.name for part in theirs}
    if names[0] == names[1]:
        other = {part.name: part for part in theirs}
        _check_shapes([(part, other[part.name]) for part in mine])
    said = [
        f"{where} lacks {_first(others)}"
        for where, others in (("the destination", left), ("the source", right))
        if others
    ]
    raise WeightsError(
        f"The networks are built of other layers: {'; '.join(said)}.", "Transfer between networks of one architecture."
    )


def _first(some: Sequence[Part]) -> str:
    shown = ", ".join(
        f"{_entry(part, entry)} {array.shape}{_of_kind(part)}"
        for part in some[:_SHOWN]
        for entry, array in list(part.arrays.items())[:1]
    )
    return f"{shown} and {len(some) - _SHOWN} more layers" if len(some) > _SHOWN else shown


def _of_kind(part: Part) -> str:
    return "" if part.kind == OWN else f" of kind {part.kind}"


def _titles(some: Sequence[Part]) -> str:
    return ", ".join(f"'{part.name}'" for part in some[:_SHOWN]) + (", ..." if len(some) > _SHOWN else "")


def _entry(part: Part, entry: str) -> str:
    return f"'{part.name}.{entry}'" if part.name else f"'{entry}'"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no such array" if shape is None else f"shape {shape}"


def _copy(end: Model, pairing: Pairing) -> dict[str, Array]:
    """Load the destination, and look whether everything arrived; if not, it is as it was."""
    state = {name: array for a, b in pairing for name, array in b.state_from(a.arrays).items()}
    end.load_state(state)
    for name, array in end.state().items():
        sent = state[name].astype(array.dtype, copy=False)
        if not (np.array_equal(array, sent) or np.array_equal(array, sent, equal_nan=True)):
            end.load_state({name: array for _, b in pairing for name, array in b.state_from(b.arrays).items()})
            raise WeightsError(f"'{name}' did not arrive as it was sent.", "Do two layers of the destination share it?")
    return state
