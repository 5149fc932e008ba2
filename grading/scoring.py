"""From a student's arrays to points and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .assignment import Limits, Task
from .breakages import broken
from .closeness import (
    as_numbers,
    baseline,
    correlation,
    distance,
    factor,
    furthest,
    is_constant,
    largest,
    reordered,
    resemblance,
    tolerance,
)
from .gates import listed, misshapen, sample_word, unusable
from .hints import filled_in
from .protocol import Array, Arrays, Expected, Mistake, Outcome, Property, Verdict
from .result import TaskResult, TaskStatus

CAP = 0.5
"""Largest share of the points that an answer gets for resembling the right one."""

_AGAIN = "again"
"""What drivers call the answer of a second call with the same tensors."""
_CORRECT = "Correct: your answer agrees with the reference everywhere."
_SOUND = "Correct: your answer has every property that a right one has."


@dataclass(frozen=True)
class _Judgement:
    """Share of the points, and why."""

    share: float
    message: str
    hint_id: str | None = None
    status: TaskStatus | None = None


def score_task(
    task: Task,
    inputs: Arrays,
    outcome: Outcome,
    expected: Expected | None,
    mistakes: Sequence[Mistake] = (),
    properties: Sequence[Property] = (),
    limits: Limits | None = None,
) -> TaskResult:
    """Score what a student's process handed over for one task.

    Gates come first: names, kinds of numbers, shapes and finite values. An answer within tolerance of the reference
    has all points. One that is a known mistake has that mistake's credit and hint. Any other has up to half of the
    points, as far as it resembles the reference more than the inputs do. Where a task has properties, their shares
    are earned by the properties and only the rest of the points by the comparison.

    Parameters
    ----------
    task : Task
    inputs : mapping of str to ndarray
        Of the case that was run.
    outcome : Outcome
    expected : Expected or None
        May be None where the process gave nothing.
    mistakes : sequence of Mistake
        In the order in which they are tried.
    properties : sequence of Property
    limits : Limits, optional
        Named to the student where one was exceeded.

    Returns
    -------
    TaskResult
    """
    metrics: dict[str, float] = {}
    if outcome.status != "ok" or outcome.outputs is None:
        status: TaskStatus = "no_output" if outcome.status == "ok" else outcome.status
        judgement = _Judgement(0.0, broken(task, status, outcome, limits), status=status)
    elif expected is None:
        raise ValueError("an answer cannot be scored without the reference")
    else:
        outputs = {name: _own(values) for name, values in outcome.outputs.items()}
        given = {name: _own(values) for name, values in inputs.items()}
        judgement, metrics = _judged(given, outputs, expected, mistakes, properties)
    return _result(task, judgement, outcome, metrics)


def not_run(task: Task, reason: str, status: TaskStatus = "no_output") -> TaskResult:
    """The result of a task that could not be run at all, such as one of a submission that cannot be read.

    Parameters
    ----------
    task : Task
    reason : str
        A sentence for the student.
    status : str
    """
    return _result(task, _Judgement(0.0, reason, status=status), Outcome("no_output"), {})


def _result(task: Task, judgement: _Judgement, outcome: Outcome, metrics: Mapping[str, float]) -> TaskResult:
    points = round(task.points, 4)
    score = round(points * min(1.0, max(0.0, judgement.share)), 4)
    status = judgement.status or ("passed" if 0 < score == points else "partial" if score > 0 else "failed")
    return TaskResult(
        id=task.id,
        title=task.title,
        score=score,
        max_score=points,
        status=status,
        hint_id=judgement.hint_id,
        message=judgement.message,
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        cpu_s=_amount(outcome.cpu_s),
        wall_s=_amount(outcome.wall_s),
        peak_mb=_amount(outcome.peak_mb),
        log_tail=outcome.log_tail,
    )


def _judged(
    inputs: Arrays,
    outputs: Arrays,
    expected: Expected,
    mistakes: Sequence[Mistake],
    properties: Sequence[Property],
) -> tuple[_Judgement, dict[str, float]]:
    reference = expected.reference
    complaint = unusable(outputs, reference, inputs)
    if complaint:
        return _Judgement(0.0, complaint, status="bad_output"), {}
    wrong_shape = misshapen(outputs, reference)
    if wrong_shape:
        return _known_mistake(inputs, outputs, expected, mistakes) or _Judgement(
            0.0, wrong_shape, status="bad_output"
        ), {}
    metrics = _measured(outputs, expected, inputs)
    rest = max(0.0, 1.0 - sum(p.share for p in properties))
    rest = 0.0 if rest < 1e-9 else rest
    matches = rest == 0 or furthest(outputs, reference, expected.gap) <= 1
    flat = _flat(outputs, reference)
    verdicts = [Verdict(False) if flat else _verdict(p, inputs, outputs, reference) for p in properties]
    if matches and all(verdict.holds for verdict in verdicts):
        return _Judgement(1.0, _SOUND if properties else _CORRECT), metrics
    known = _known_mistake(inputs, outputs, expected, mistakes)
    if known is not None:
        return known, metrics
    compared = _resembling(inputs, outputs, expected) if rest else _Judgement(0.0, "")
    if matches and rest:
        compared = _Judgement(1.0, "The values agree with the reference.")
    if not properties:
        return compared, metrics
    if flat:
        return _Judgement(rest * compared.share, " ".join(map(_all_the_same, flat))), metrics
    return _with_properties(compared, rest, matches, properties, verdicts), metrics


def _known_mistake(
    inputs: Arrays, outputs: Arrays, expected: Expected, mistakes: Sequence[Mistake]
) -> _Judgement | None:
    """The mistake whose arrays are nearest, the first of equals, if it is within tolerance."""
    far = [
        furthest(outputs, expected.mistakes.get(mistake.id, {}), expected.gap, expected.reference)
        for mistake in mistakes
    ]
    if not far or min(far) > 1:
        return None
    mistake = mistakes[far.index(min(far))]
    try:
        with np.errstate(all="ignore"):
            numbers = dict(mistake.measure(inputs, outputs))
    except Exception:
        # Written by an instructor for arrays as they should be; these are a student's.
        numbers = {}
    return _Judgement(mistake.credit, filled_in(mistake.hint, numbers), mistake.id)


def _resembling(inputs: Arrays, outputs: Arrays, expected: Expected) -> _Judgement:
    likeness: list[float] = []
    right: list[str] = []
    wrong: dict[str, str] = {}
    for name, values in expected.reference.items():
        allowed = tolerance(values, expected.gap.get(name, 0.0))
        found = resemblance(outputs[name], values, inputs)
        if distance(outputs[name], values, allowed) <= 1:
            right.append(name)
            found = None if found is None else 1.0
        else:
            wrong[name] = _what_is_off(name, outputs[name], values, allowed, inputs)
        if found is not None:
            likeness.append(found)
    share = CAP * float(np.mean(likeness)) if likeness else 0.0
    share = share if share >= 0.005 else 0.0
    opening = (
        "Not right yet, but your answer resembles the right one, which earns part of the points."
        if share
        else "Not right yet: your answer does not resemble the right one."
    )
    if _AGAIN in wrong and any(np.array_equal(expected.reference[name], expected.reference[_AGAIN]) for name in right):
        wrong[_AGAIN] += " The second call with the same tensors gave something else: change nothing in place."
    agreeing = f" Right already: {', '.join(map(repr, right))}." if right else ""
    return _Judgement(share, f"{opening} {' '.join(wrong.values())}{agreeing}")


def _what_is_off(name: str, ours: Array, reference: Array, allowed: float, inputs: Arrays) -> str:
    """A sentence about one output, without any number of the reference."""
    if is_constant(ours) and not is_constant(reference):
        return _all_the_same(name)
    times = factor(ours, reference, allowed)
    if times is not None:
        sign = "with the opposite sign" if times < 0 else "up to a constant factor"
        return f"'{name}' is right {sign}: look for a sum in place of a mean, or a gradient taken twice."
    if reordered(ours, reference, allowed):
        return f"'{name}' holds the right values in the wrong places: transpose axes, do not reshape them."
    word = sample_word(reference, inputs)
    if not word:
        return f"'{name}' is off."
    with np.errstate(all="ignore"):
        errors = np.abs(as_numbers(ours) - as_numbers(reference)).reshape(len(reference), -1).max(1)
    off = np.flatnonzero(~(errors <= allowed)).tolist()
    where = f"in every {word}" if len(off) == len(reference) else f"in {listed(word, off)}"
    return f"'{name}' is off {where}."


def _all_the_same(name: str) -> str:
    return f"All values of '{name}' are the same: nothing was computed from the picture or row."


def _flat(outputs: Arrays, reference: Arrays) -> list[str]:
    """The outputs that hardly vary, although they should: some properties hold of them all the same."""
    return [
        name
        for name, values in reference.items()
        if not is_constant(values) and _spread(outputs[name]) <= 1e-6 * _spread(values)
    ]


def _verdict(checked: Property, inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    try:
        with np.errstate(all="ignore"):
            verdict = checked.check(inputs, outputs, reference)
        return Verdict(bool(verdict.holds), dict(verdict.numbers))
    except Exception:
        # Written by an instructor for arrays as they should be; these are a student's.
        return Verdict(False)


def _with_properties(
    compared: _Judgement, rest: float, matches: bool, properties: Sequence[Property], verdicts: Sequence[Verdict]
) -> _Judgement:
    broken = [(p, verdict) for p, verdict in zip(properties, verdicts, strict=True) if not verdict.holds]
    share = rest * compared.share + sum(
        p.share for p, verdict in zip(properties, verdicts, strict=True) if verdict.holds
    )
    parts = [filled_in(p.hint, verdict.numbers) for p, verdict in broken]
    if compared.message and not matches:
        parts.append(compared.message)
    return _Judgement(share, "\n".join(parts), broken[0][0].id if broken else None)


def _measured(outputs: Arrays, expected: Expected, inputs: Arrays) -> dict[str, float]:
    """For the instructor."""
    metrics: dict[str, float] = {}
    for name, values in expected.reference.items():
        gap = expected.gap.get(name, 0.0)
        with np.errstate(all="ignore"):
            error = float(np.abs(as_numbers(outputs[name]) - as_numbers(values)).max())
        scale = largest(values) or 1.0
        metrics[f"{name}.error"] = error / scale
        metrics[f"{name}.tolerance"] = tolerance(values, gap) / scale
        metrics[f"{name}.correlation"] = correlation(outputs[name], values)
        metrics[f"{name}.baseline"] = baseline(values, inputs)
    return metrics


def _own(values: Array) -> Array:
    """A copy that nobody can write to, of ndarray itself and not of a subclass."""
    copy = np.array(values, subok=False)
    copy.flags.writeable = False
    return copy


def _spread(values: Array) -> float:
    numbers = as_numbers(values)
    return float(np.ptp(numbers)) if numbers.size else 0.0


def _amount(value: float) -> float:
    return float(value) if math.isfinite(value) and value > 0 else 0.0
