"""What the attributions of noisy copies have in common: their mean, or how much they vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from ...errors import MethodError
from ..explanation import Array, ErrorEstimate
from .moments import Moments

Aggregate: TypeAlias = Literal["mean", "absolute", "squared", "variance"]

_DRAWN: dict[str, Callable[[Array], Array]] = {
    "mean": lambda draws: draws,
    "absolute": np.abs,
    "squared": lambda draws: np.square(draws, dtype=np.float64),
    "variance": lambda draws: draws,
}


def fewest_draws(aggregate: Aggregate, samples: int) -> int:
    """How many draws the aggregate needs, or `MethodError` if it is not known or there are to be fewer."""
    if not isinstance(aggregate, str) or aggregate not in _DRAWN:
        raise MethodError(f"aggregate={aggregate!r} is not known.", f"Choose one of: {', '.join(_DRAWN)}.")
    if aggregate == "variance" and samples < 2:
        raise MethodError(f"samples={samples} has no variance.", "Pass samples=2 or more.")
    return 2 if aggregate == "variance" else 1


class Aggregated:
    """Mean of draws, of their absolute values or of their squares, or their variance without bias.

    Parameters
    ----------
    shape : tuple of int (N, ...)
    aggregate : {"mean", "absolute", "squared", "variance"}
    """

    def __init__(self, shape: tuple[int, ...], aggregate: Aggregate) -> None:
        self._spreads = aggregate == "variance"
        self._drawn = _DRAWN[aggregate]
        self._moments = Moments(shape, powers=4 if self._spreads else 2)

    def add(self, sample: int, draws: Array) -> None:
        """Add draws (M, ...) of one input."""
        self._moments.add(sample, self._drawn(draws))

    @property
    def values(self) -> Array:
        """The aggregate (N, ...), in double precision."""
        return self._moments.variance if self._spreads else self._moments.mean

    def error(self) -> ErrorEstimate:
        """Its standard error."""
        return self._moments.variance_error() if self._spreads else self._moments.mean_error()
