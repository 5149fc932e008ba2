"""What the parts of the grader hand to one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Numbers: TypeAlias = Mapping[str, float]
"""What a hint is filled in with."""

Status = Literal["ok", "crashed", "timeout", "memory", "no_output", "bad_output"]


@dataclass(frozen=True)
class Outcome:
    """What came out of a student's process.

    Attributes
    ----------
    status : str
        ``"ok"`` where arrays were handed over and are what was asked for; how the process failed otherwise.
    outputs : mapping of str to ndarray or None
        The arrays; None unless the status is ``"ok"``.
    detail : str
        One line for the student, such as the last line of a traceback. Written by student code: never trusted.
    cpu_s, wall_s : float
        Seconds.
    peak_mb : float
        Largest memory of all its processes together, as far as it could be measured.
    log_tail : str
        The end of what it printed.
    """

    status: Status
    outputs: Arrays | None = None
    detail: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    log_tail: str = ""


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer: a submission that gives its arrays gets its hint.

    Attributes
    ----------
    id : str
    hint : str
        A sentence with the names of numbers that `measure` gives, such as ``"Image {image} peaks at {peak:.2f}."``.
    credit : float
        Share of the task's points, 0 to 1.
    compute : callable
        ``compute(model, inputs)`` gives the arrays of that wrong answer.
    measure : callable
        ``measure(inputs, outputs)`` gives the numbers of the hint, from the student's own arrays.
    """

    id: str
    hint: str
    credit: float
    compute: Callable[[Any, Arrays], Arrays]
    measure: Callable[[Arrays, Arrays], Numbers] = field(default=lambda inputs, outputs: {})


@dataclass(frozen=True)
class Verdict:
    """Whether a property holds, with the numbers of its hint."""

    holds: bool
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Property:
    """What must hold of every right answer of a task whose answers are not all alike.

    Attributes
    ----------
    id : str
    hint : str
        Said where it does not hold, with the names of the verdict's numbers.
    share : float
        Of the task's points.
    check : callable
        ``check(inputs, outputs, expected)`` on the student's arrays and those of the reference.
    """

    id: str
    hint: str
    share: float
    check: Callable[[Arrays, Arrays, Arrays], Verdict]


@dataclass(frozen=True)
class Expected:
    """What the trusted process computed for one task.

    Attributes
    ----------
    reference : mapping of str to ndarray
        In float64.
    gap : mapping of str to float
        Largest difference between the float32 and the float64 reference, over the largest value.
    mistakes : mapping of str to (mapping of str to ndarray)
        By the mistake's id.
    """

    reference: Arrays
    gap: Mapping[str, float]
    mistakes: Mapping[str, Arrays]


def random_generator(seed: int, *purpose: int) -> np.random.Generator:
    """A generator of its own for each purpose, all from one seed."""
    return np.random.default_rng([seed, *purpose])
