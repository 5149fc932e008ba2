"""Operations that one network counts to one layer and the other to the next: no difference of what they compute."""

from __future__ import annotations

from dataclasses import dataclass

from .both import Both
from .forced import Forced
from .gap import relative_l2
from .investigation import Investigator
from .lineup import Lineup
from .result import FORWARD, Place
from .trace import Door

_CLOSE = 1e-2
_MOVED = frozenset({"fused activation", "missing activation", "missing layer", "missing addition", "activation"})


@dataclass(frozen=True, eq=False)
class Moved:
    """What is left when the moved operations are left alone.

    Attributes
    ----------
    forced : Forced
        The run without the doors.
    doors : frozenset of Door
    places : tuple of Place
        Where the difference lies that is made up for.
    """

    forced: Forced
    doors: frozenset[Door]
    places: tuple[Place, ...]


def without_moved(sides: Lineup, both: Both) -> Moved | None:
    """Leave the doors alone behind which activations and the like differ; None unless everything else then agrees.

    Between the doors before and behind those that are left alone, the networks then compute the same.
    """
    if both.free_run.scores is None or relative_l2(both.record_run.scores, both.free_run.scores) > _CLOSE:
        return None
    found = Investigator(sides, *both.judged, both.forced, everything=True)
    places = [place for place in found.places() if place.direction == FORWARD]
    if not all(place.causes and place.causes[0].name in _MOVED for place in places):
        return None
    doors = frozenset(step.door for step in found.steps()[0] if step.door.layer)
    forced = both.again(doors)
    return None if any(Investigator(sides, *both.judged, forced, True).steps()) else Moved(forced, doors, tuple(places))
