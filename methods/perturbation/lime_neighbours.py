"""What LIME fits its line to, and how much a neighbour counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..explanation import Array
from .lime_regression import LocalFit
from .shapley_game import Floats


class Neighbours(Protocol):
    """What `lime` needs of either kind.

    Attributes
    ----------
    evaluations : int
        Inputs that went through the network.
    """

    @property
    def evaluations(self) -> int: ...

    def fit(self, samples: Sequence[int], total: int) -> dict[int, LocalFit]:
        """Fit lines to the first `total` neighbours of some samples, running the network on those that are new."""

    def spread(self, values: Sequence[Floats]) -> Array:
        """One number per weight of each sample, at its places in the result."""

    def extras(self) -> dict[str, Array]:
        """What else there is to tell."""


def kernel(distance: Floats, width: float) -> Floats:
    """How much neighbours count: the square root of ``exp(-(d / width)²)``, as in the ``lime`` package."""
    nearness: Floats = np.exp(-((distance / width) ** 2) / 2)
    return nearness
