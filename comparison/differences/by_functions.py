"""Experiments with what networks compute between their layers, or inside layers of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import numpy as np

from ...backends.protocol import Array
from .by_settings import kinds_of, settings_of
from .case import Case, Trial
from .gap import relative_l2
from .identify import identified
from .lab_elementwise import ELEMENTWISE, PLAIN
from .laboratory import Recipe
from .settings import family


def missing_layer(case: Case) -> Iterator[Trial]:
    """What A's extra layer takes in is what B goes on with."""
    for extra in case.a.runs:
        if relative_l2(case.b.output, extra.entered) <= 1e-6:
            cause = "missing activation" if family(extra.kind) in ELEMENTWISE else "missing layer"
            text = f"{case.a.title} runs '{extra.name}' ({extra.kind}) here, {case.b.title} goes on without it"
            yield Trial(cause, text, extra.left, extra.entered)


def layers_without_partner(case: Case) -> Iterator[Trial]:
    """Both sides run a layer of one kind here, under names that were not paired."""
    for mine, theirs in product(case.a.runs, case.b.runs):
        if mine.recipe.family == theirs.recipe.family:
            for trial in settings_of(mine.recipe, theirs.recipe, replace(case, inputs=[mine.entered])):
                yield replace(trial, text=f"'{mine.name}' and '{theirs.name}': {trial.text}")


def usual_functions(case: Case) -> Iterator[Trial]:
    """Each side is one of the usual functions of the same input."""
    for x in case.inputs:
        a, b = _recipe(case, x, "a"), _recipe(case, x, "b")
        if a is None or b is None:
            continue
        here = replace(case, inputs=[x])
        yield from settings_of(a, b, here) if a.family == b.family else iter([kinds_of(a, b, here)])


def _recipe(case: Case, x: Array, side: str) -> Recipe | None:
    here = case.a if side == "a" else case.b
    own = here.recipe
    if own is not None and own.compute(x) is not None and relative_l2(here.output, own.compute(x)) <= 1e-6:
        return own
    return identified(x, here.output)


def activation_of_the_other(case: Case) -> Iterator[Trial]:
    """A's output is an activation of B's."""
    if case.a.output.shape == case.b.output.shape:
        for name, fn in PLAIN.items():
            text = f"{case.a.title} applies {name.replace('_', ' ')} here, {case.b.title} does not"
            with np.errstate(all="ignore"):
                yield Trial("missing activation", text, fn(case.b.output.astype(np.float64)), case.b.output)


def missing_addition(case: Case) -> Iterator[Trial]:
    """A adds something that came by before, B does not; an activation may follow."""
    for x, y in permutations(case.inputs, 2):
        if x.shape == y.shape == case.a.output.shape == case.b.output.shape:
            text = f"{case.a.title} adds an earlier result here (a skip connection), {case.b.title} does not"
            for name in ("identity", "relu", "relu6", "silu", "gelu"):
                fn = PLAIN.get(name, np.asarray)
                yield Trial("missing addition", text, fn(x + y), fn(x))


def scale(case: Case) -> Iterator[Trial]:
    """A's output is a multiple of B's."""
    a, b = case.a.output, case.b.output
    if a.shape == b.shape and np.isfinite(a).all() and np.isfinite(b).all() and np.any(b):
        factor = float(np.vdot(b, a) / np.vdot(b, b))
        yield Trial(*_named(factor, case), b * factor, b)


def _named(factor: float, case: Case) -> tuple[str, str]:
    a, b = case.a.title, case.b.title
    if np.isclose(factor, -1):
        return "sign", f"{a} is {b} with the other sign"
    for title, share in ((b, 1 / factor if factor else 0.0), (a, factor)):
        if np.isclose(share, 1 / 255):
            return "normalisation", f"{title} divides by 255 here, and the other network does not"
        if 0 < share < 1 and np.isclose(share, round(share, 2)):
            text = (
                f"{title} is {share:.6g} of the other, as from a dropout of p={1 - share:.6g} that scales in evaluation"
            )
            return "scale", text
    return "scale", f"{a} is {factor:.6g} times {b}"
