"""What the reader of a comparison must know besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...backends.failures import in_one_line
from .lineup import Lineup
from .result import Place

if TYPE_CHECKING:
    from .both import Both


def notes(sides: Lineup, both: Both, moved: Sequence[Place], training: Sequence[Place]) -> Iterator[str]:
    """One sentence each.

    Parameters
    ----------
    moved : sequence of Place
        Differences that the next step makes up for.
    training : sequence of Place
        What would part the networks in training.
    """
    partners = sides.partners
    for title, names in (("A", partners.only_first), ("B", partners.only_second)):
        if names:
            yield f"only {title} has {_some(names)}"
    if partners.ambiguous:
        mine, theirs = partners.ambiguous[0]
        more = len(partners.ambiguous) - 1
        also = f", and so in {more} more groups" if more else ""
        yield f"{_some(mine)} are as like {_some(theirs)} as one another: paired by their order{also}"
    if both.in_own_precision:
        yield "no float64 copy of both networks runs: judged in their own precision, at 2e-5 a step"
    if both.free_run.failure is not None:
        yield f"left to itself B breaks off: {in_one_line(innermost(both.free_run.failure))}"
    if both.record.entrance_gradient is None:
        yield "no gradient arrives at the input of A"
    if moved:
        where = f"{moved[0].text}: {moved[0].causes[0].text}"
        yield f"{len(moved)} steps are cut elsewhere, and what follows makes up for it, first {where}"
    for place in training:
        yield f"in training the networks would part {place.text}: {place.causes[0].text}"
    yield from _modes(sides)


def innermost(error: BaseException) -> BaseException:
    """The framework's own complaint behind an error of ours."""
    return innermost(error.__cause__) if error.__cause__ is not None else error


def _modes(sides: Lineup) -> Iterator[str]:
    mine = sides.first.backend.modules(sides.first.net)
    theirs = sides.second.backend.modules(sides.second.net)
    unlike = [a for a, b in sides.partners.pairs.items() if a and mine[a].training != theirs[b].training]
    if unlike:
        title = "A" if mine[unlike[0]].training else "B"
        yield f"{_some(unlike)} came in training mode in {title} alone; both networks were compared in evaluation mode"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
