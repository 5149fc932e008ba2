"""Integrals along a path, refined until they add up: the common core of the integrated gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..budget import Budget
from ..estimates import completeness
from ..explanation import Array

Integral = Callable[[int, npt.NDArray[Any]], Array]
"""``integral(steps, which)``: the attributions of some of the inputs (len(which), ...), in double precision."""


def refined(
    integral: Integral,
    budget: Budget,
    steps: int,
    promised: Array,
    shape: tuple[int, ...],
    per_unit: int = 1,
    minimum: int = 1,
) -> Array:
    """Attributions of all inputs, with more steps for those whose sum misses what it should be by too much.

    Parameters
    ----------
    integral : callable
    budget : Budget
    steps : int
        Of the first round.
    promised : ndarray (N,)
        What the attributions of each input should add up to.
    shape : tuple of int (N, ...)
    per_unit, minimum : int
        As for `Budget.rounds`.
    """
    values = np.zeros(shape)
    for count in budget.rounds(steps, per_unit, minimum, fresh=True):
        values[budget.active] = integral(count, budget.active)
        budget.report(completeness(values, promised).relative)
    return values
