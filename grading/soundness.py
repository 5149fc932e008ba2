"""Whether an assignment's cases can tell right from wrong: asked before any student is graded."""

from __future__ import annotations

import itertools
import string
from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError
from .closeness import furthest, is_constant
from .protocol import Arrays, Expected, Mistake, Property

APART = 2.0
"""Tolerances that must lie between two answers: a student's may be one of them away from either."""


def faults(
    inputs: Arrays, expected: Expected, mistakes: Sequence[Mistake] = (), properties: Sequence[Property] = ()
) -> list[str]:
    """List what is wrong with a task's mistakes and properties on one case.

    Parameters
    ----------
    inputs : mapping of str to ndarray
    expected : Expected
    mistakes : sequence of Mistake
    properties : sequence of Property

    Returns
    -------
    list of str
        A sentence each; empty where mistakes differ from the reference and from each other by at least twice the
        tolerance, their hints can be written, and the reference has every property.
    """
    found = []
    if all(is_constant(values) for values in expected.reference.values()):
        found.append("The reference has one value everywhere, which a guess can hit.")
    for mistake in mistakes:
        found += _faults_of(mistake, inputs, expected)
    for first, second in itertools.combinations(mistakes, 2):
        a, b = expected.mistakes.get(first.id), expected.mistakes.get(second.id)
        if a and b and furthest(a, b, expected.gap, expected.reference) <= APART:
            found.append(f"The mistakes '{first.id}' and '{second.id}' cannot be told apart.")
    for checked in properties:
        verdict = checked.check(inputs, expected.reference, expected.reference)
        if not verdict.holds:
            found.append(f"The reference does not have the property '{checked.id}'.")
    if sum(p.share for p in properties) > 1 + 1e-9 or any(p.share < 0 for p in properties):
        found.append("The shares of the properties do not lie between 0 and 1 together.")
    names = [mistake.id for mistake in mistakes] + [checked.id for checked in properties]
    found += [f"The id '{name}' is there twice." for name in sorted({name for name in names if names.count(name) > 1})]
    return found


def check_sound(
    task: str,
    inputs: Arrays,
    expected: Expected,
    mistakes: Sequence[Mistake] = (),
    properties: Sequence[Property] = (),
) -> None:
    """Refuse a task whose cases do not tell right from wrong; see `faults`.

    Raises
    ------
    ConfigError
        With the first fault.
    """
    found = faults(inputs, expected, mistakes, properties)
    if found:
        raise ConfigError(
            f"Task '{task}': {found[0]}",
            "Choose cases that tell: several pictures of different scale, height unlike width, labels unlike the "
            "prediction; or correct the answers.",
        )


def _faults_of(mistake: Mistake, inputs: Arrays, expected: Expected) -> list[str]:
    arrays = expected.mistakes.get(mistake.id)
    if arrays is None:
        return [f"The mistake '{mistake.id}' was not computed."]
    found = []
    if not 0 <= mistake.credit <= 1:
        found.append(f"The credit of '{mistake.id}' is {mistake.credit}, not between 0 and 1.")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        found.append(f"The mistake '{mistake.id}' gives NaN or infinite values, which no answer is compared with.")
    elif furthest(arrays, expected.reference, expected.gap) <= APART:
        found.append(f"The mistake '{mistake.id}' cannot be told from the reference.")
    try:
        numbers = mistake.measure(inputs, arrays)
        wanted = {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(mistake.hint) if name}
    except Exception as error:
        return [*found, f"The hint of '{mistake.id}' cannot be written ({type(error).__name__}: {error})."]
    missing = sorted(wanted - set(numbers))
    if missing:
        found.append(f"The hint of '{mistake.id}' names '{missing[0]}', which is not measured.")
    return found
