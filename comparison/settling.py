"""Doubts about which layer is which, settled by an experiment on copies of both networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import Model
from ..backends.protocol import Array
from ..errors import WeightsError
from .exact import exact
from .pairing import Candidates, Pairing
from .probing import difference
from .structure import run

# The same network twice differs by rounding, or by the single precision of an operation that `exact` does not know.
_SAME = 1e-4


def settled(first: Model, second: Model, candidates: Candidates, x: Any) -> Candidates:
    """Keep the pairings under which both networks compute the same on `x`, whatever their weights.

    Copies of the networks get the same random weights, because a network's own may hide a mistake: a batch norm that
    starts at 0 silences its whole branch.

    Returns
    -------
    Candidates
        Without doubt where exactly one pairing holds; as they were where none does.
    """
    if not candidates.doubtful or candidates.only_first or candidates.only_second or x is None:
        return candidates
    copies = exact(first), exact(second)
    good = [pairing for pairing in candidates.pairings if apart(*copies, pairing, x) <= _SAME]
    if not good:
        return candidates
    return Candidates(good, candidates.doubtful if len(good) > 1 else [], [], [], proved=True)


def apart(first: Model, second: Model, pairing: Pairing, x: Any) -> float:
    """How far the scores of two networks are apart when paired layers hold the same random weights.

    Parameters
    ----------
    first, second : Model
        Copies in float64 that may be changed.
    pairing : list of (Part, Part)
    x : array (N, ...)

    Returns
    -------
    float
        Relative to the largest score; infinite where they cannot hold the same, or do not run.
    """
    rng = np.random.default_rng(0)
    states: tuple[dict[str, Array], dict[str, Array]] = {}, {}
    for a, b in pairing:
        values = {entry: random_values(entry, array, rng) for entry, array in a.arrays.items()}
        for part, state in zip((a, b), states, strict=True):
            state.update(part.state_from(values))
    unpaired = [
        {name: array for name, array in model.state().items() if name not in state}
        for model, state in zip((first, second), states, strict=True)
    ]
    try:
        first.load_state(states[0] | unpaired[0])
        second.load_state(states[1] | unpaired[1])
    except WeightsError:  # two layers share a weight, and this pairing parts them
        return float("inf")
    return difference(run(first, x), run(second, x))


def random_values(entry: str, array: Array, rng: np.random.Generator) -> Array:
    """Values of moderate size for one array of a layer, unlike what networks start with; integers stay."""
    if array.dtype.kind != "f":
        return array
    if entry.endswith("running_var"):
        return rng.uniform(0.5, 1.5, array.shape)
    if array.ndim < 2:
        return rng.normal(float(entry.endswith("weight")), 0.1, array.shape)
    return rng.normal(0, (2 / np.prod(array.shape[1:])) ** 0.5, array.shape)
