"""Experiments with sides that round to a coarser floating-point type on their way."""

from __future__ import annotations

from collections.abc import Iterator

from .case import Case, Trial
from .dtypes import DTYPES, is_of, rounded
from .gap import relative_l2


def rounding(case: Case) -> Iterator[Trial]:
    """B's layer on rounded input and weights, its output rounded too, or not."""
    b = case.b.recipe
    before = relative_l2(case.a.output, case.b.output)
    for name, error in DTYPES.items():
        text = f"{case.b.title} computes in {name}"
        if b is not None:
            coarse = b.changed(weights={key: rounded(array, name) for key, array in b.weights.items()})
            exact, y = b.compute(case.inputs[0]), coarse.compute(rounded(case.inputs[0], name))
            if exact is not None and y is not None:
                yield Trial("dtype", text, exact, rounded(y, name))
                yield Trial("dtype", text, exact, y)
        guess = rounded(rounded(case.a.output, "float32"), name)  # as both frameworks go about it, in two steps
        # A type's own rounding is small, and leaves nothing but numbers of that type behind.
        telling = is_of(case.b.output, name) and not is_of(case.a.output, name) and before <= 30 * error
        yield Trial("dtype", f"{text}: its output holds {name} numbers alone", case.a.output, guess, sure=telling)
        if telling:
            return
