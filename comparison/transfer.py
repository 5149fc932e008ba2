"""Copy weights from one network to another, across the frameworks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import Model, wrap
from ..errors import WeightsError


@dataclass(frozen=True)
class TransferReport:
    """What was copied.

    Attributes
    ----------
    source, destination : str
        Names of the models and their frameworks.
    names : tuple of str
        Canonical names of the arrays, all of them checked for shape.
    numbers : int
        How many numbers they hold together.
    """

    source: str
    destination: str
    names: tuple[str, ...]
    numbers: int

    def __str__(self) -> str:
        return f"{len(self.names)} arrays, {self.numbers:,} numbers: {self.source} -> {self.destination}"


def transfer(source: Any, destination: Any) -> TransferReport:
    """Copy all parameters and running statistics from one network to another of the same architecture.

    Parameters
    ----------
    source, destination : Model or native network
        Of either framework. Names are torch's on both sides; a linear layer's weight is turned by its kind.

    Returns
    -------
    TransferReport

    Raises
    ------
    WeightsError
        If a name or a shape differs, or the copy is not exact; the destination is then unchanged.

    Notes
    -----
    The destination keeps its own precision: float64 weights are rounded when it is a float32 network.
    """
    start, end = (thing if isinstance(thing, Model) else wrap(thing) for thing in (source, destination))
    state = start.state()
    before = end.state()
    end.load_state(state)
    for name, array in end.state().items():
        if not np.array_equal(array, state[name].astype(array.dtype), equal_nan=True):
            end.load_state(before)
            raise WeightsError(f"'{name}' did not arrive as it was sent.", "Do two layers of the destination share it?")
    return TransferReport(
        f"{start.name} ({start.backend.name})",
        f"{end.name} ({end.backend.name})",
        tuple(state),
        sum(array.size for array in state.values()),
    )
