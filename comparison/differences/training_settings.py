"""Settings that part two networks in training only: how fast statistics follow, how much dropout drops."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.protocol import Array
from .case import differing
from .gap import relative_l2
from .lineup import Lineup
from .observers import Recorder
from .result import CERTAIN, TRAINING, Cause, Place
from .settings import TRAINING as SETTINGS
from .settings import family, settings
from .trace import IN


def training_places(sides: Lineup, touched: set[str], record: Recorder) -> list[Place]:
    """Layers that agree on the input and would not in training, each with its cause.

    Parameters
    ----------
    touched : set of str
        Layers that are left out, because they do not agree.
    record : Recorder
        What went into each layer of the first network.
    """
    first, second = sides.first, sides.second
    layers = first.backend.modules(first.net), second.backend.modules(second.net)
    inputs = {door.layer: array for door, array in record.values.items() if door.side == IN and door.slot == 0}
    found = []
    for a, b in sides.partners.pairs.items():
        if a in touched:
            continue
        kinds = first.backend.kind(layers[0][a]), second.backend.kind(layers[1][b])
        if family(kinds[0]) != family(kinds[1]):
            continue
        read = settings(layers[0][a], kinds[0]), settings(layers[1][b], kinds[1])
        for name in differing(*read):
            if name in SETTINGS:
                found.append(_place(a, b, name, read[0][name], read[1][name], inputs.get(a)))
    return found


def _place(a: str, b: str, name: str, mine: Any, theirs: Any, x: Array | None) -> Place:
    title = {"p": "dropout rate"}.get(name, name)
    text = f"{name}={mine} in A, {theirs} in B"
    causes: tuple[Cause, ...] = ()
    apart = 0.0
    if name == "momentum" and mine is not None and theirs is not None and x is not None and x.ndim >= 2:
        # The running mean after one step of training, had it started at zero.
        mean = x.mean(axis=(0, *range(2, x.ndim)), dtype=np.float64)
        apart = relative_l2(float(mine) * mean, float(theirs) * mean)
        text += f": after one step of training the running means are {apart:.1e} apart"
    causes = (Cause(title, text, apart, 0.0, CERTAIN),)
    return Place(a, b, 0, TRAINING, f"at '{a}'", 0.0, 0.0, causes)
