"""The run in which the second network gets the first one's values at every door."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ...backends import Model
from ...backends.protocol import Array
from .forcer import Forcer
from .lineup import Lineup
from .objective import Chosen
from .observers import Recorder
from .trace import Door, Run, run


@dataclass(frozen=True, eq=False)
class Forced:
    """The run and what was seen.

    Attributes
    ----------
    run : Run
    witness : Forcer
    tolerance : float
    """

    run: Run
    witness: Forcer
    tolerance: float


def forced_run(
    model: Model,
    sides: Lineup,
    chosen: Chosen,
    record: Recorder,
    tolerance: float,
    x: Array,
    ignored: Collection[Door] = (),
) -> Forced:
    """Run a network on the values of a record, some doors left alone."""
    witness = Forcer(model, record, tolerance, ignored)
    found = run(model, x, chosen, witness, sides.second_names)
    if found.failure is None:
        witness.finish()
    return Forced(found, witness, tolerance)
