"""Two networks made ready for the comparison: layers paired, an input that both take, copies in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...backends import Model
from ...backends.protocol import Array
from ...errors import InputError
from ..parity import in_double
from .partners import Partners, partners

ONLY_B = "+"
"""Before the names of layers that only the second network has."""


@dataclass(frozen=True, eq=False)
class Lineup:
    """What the comparison works on.

    Attributes
    ----------
    first, second : Model
    inputs : tuple of ndarray
        The input, in the precision of either network.
    partners : Partners
    kinds : dict of str to str
        What each layer of the first network is.
    exact : tuple of Model or None
        Float64 copies of both, where they can be made.
    """

    first: Model
    second: Model
    inputs: tuple[Array, Array]
    partners: Partners
    kinds: Mapping[str, str]
    exact: tuple[Model | None, Model | None]

    @property
    def first_names(self) -> dict[str, str]:
        """Layers of the first network to watch: all, under their own names."""
        return {name: name for name in self.kinds}

    @property
    def second_names(self) -> dict[str, str]:
        """Layers of the second network to watch, under their partners' names."""
        theirs = {other: name for name, other in self.partners.pairs.items()}
        return {name: theirs.get(name, ONLY_B + name) for name in self.second.backend.modules(self.second.net)}

    def part(self, samples: slice) -> Lineup:
        """The same with some of the samples."""
        one, other = self.inputs
        return replace(self, inputs=(one[samples], other[samples]))


def lineup(first: Model, second: Model, x: Any, seed: int) -> Lineup:
    """Check the input and pair the layers.

    Raises
    ------
    InputError
        If there is no input that both networks take.
    ModelError
        If they have no layer in common.
    """
    if x is None:
        x = _made_up(first, second, seed)
    inputs = first.check_input(x), second.check_input(x)
    kinds = {name: first.backend.kind(layer) for name, layer in first.backend.modules(first.net).items()}
    return Lineup(first, second, inputs, partners(first, second, x), kinds, (_double(first), _double(second)))


def _double(model: Model) -> Model | None:
    """A float64 copy, or None where none can be made."""
    try:
        return in_double(model)
    except Exception:  # a network may hold what cannot be copied or converted, and says so in its own way
        return None


def _made_up(first: Model, second: Model, seed: int) -> Array:
    shapes = [model.input_shape for model in (first, second) if model.input_shape is not None]
    if not shapes:
        raise InputError("The shape of the networks' input is not known.", "Pass an input x, such as one picture.")
    if len(shapes) == 2 and shapes[0] != shapes[1]:
        raise InputError(
            f"'{first.name}' takes inputs of shape {shapes[0]}, '{second.name}' of shape {shapes[1]}.",
            "Pass an x that both take.",
        )
    return np.random.default_rng(seed).random((1, *shapes[0]))
