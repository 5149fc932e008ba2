"""Mistakes that are the right answer's own function, called with something changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .protocol import Arrays, Mistake, Numbers


def variant(
    function: Callable[..., Arrays],
    id: str,
    credit: float,
    hint: str,
    measure: Callable[[Arrays, Arrays], Numbers] | None = None,
    **wrong: Any,
) -> Mistake:
    """A mistake from the function of the right answer.

    Parameters
    ----------
    function : callable
        ``function(model, inputs, **wrong)``; right without `wrong`.
    id, credit, hint, measure
        As for `Mistake`.
    **wrong
        What the mistake changes.
    """

    def compute(model: Any, inputs: Arrays) -> Arrays:
        return function(model, inputs, **wrong)

    return Mistake(id, hint, credit, compute, measure or (lambda inputs, outputs: {}))
