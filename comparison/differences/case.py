"""What an experiment works on: one step of the computation, what went in, and what came out on either side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...backends import Backend
from ...backends.protocol import Array, Net
from .laboratory import Recipe


@dataclass(frozen=True, eq=False)
class Extra:
    """A layer that one side alone runs.

    Attributes
    ----------
    name, kind : str
    entered, left : ndarray
    recipe : Recipe
    """

    name: str
    kind: str
    entered: Array
    left: Array
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class Side:
    """One network's version of a step.

    Attributes
    ----------
    title : {"A", "B"}
    output : ndarray
    kind : str
        Empty where the step is not a layer.
    recipe : Recipe or None
        Where the step is a layer.
    layer : native layer or None
    backend : Backend
    runs : tuple of Extra
        Layers that only this side runs in the step.
    """

    title: str
    output: Array
    backend: Backend
    kind: str = ""
    recipe: Recipe | None = None
    layer: Net | None = None
    runs: tuple[Extra, ...] = ()


@dataclass(frozen=True, eq=False)
class Case:
    """One step in which the networks part.

    Attributes
    ----------
    inputs : sequence of ndarray
        What went in, the same on both sides; of functions, what may have gone in, the likeliest first.
    a, b : Side
    """

    inputs: Sequence[Array]
    a: Side
    b: Side

    def swapped(self) -> Case:
        """The same with the sides exchanged."""
        return replace(self, a=self.b, b=self.a)


@dataclass(frozen=True, eq=False)
class Trial:
    """An explanation, and what the outputs would be if it were right.

    Attributes
    ----------
    cause, text : str
    a, b : ndarray or None
        Predicted outputs of the two sides of the case, one of which may be taken as given; None where the prediction
        cannot be computed, which voids the trial.
    sure : bool
        Whether there is evidence beyond the numbers: likely, however much remains.
    """

    cause: str
    text: str
    a: Array | None
    b: Array | None
    sure: bool = False


Experiment = Callable[[Case], Iterator[Trial]]


def differing(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """Keys under which two mappings hold different values."""
    return [key for key in first if key in second and not _alike(first[key], second[key])]


def _alike(first: object, second: object) -> bool:
    if isinstance(first, tuple) and isinstance(second, tuple) and 1 in (len(first), len(second)):
        return set(first) == set(second)
    if isinstance(first, float) and isinstance(second, float):
        return bool(np.isclose(first, second, rtol=1e-6, atol=0))
    return first == second
