"""Whether an assignment is fit to be handed out: asked by its author, before any student sees it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..backends import available_backends
from ..errors import BackendError, TwinlensError
from .assignment import LoadedAssignment, Task
from .file_names import MAIN
from .leaks import leaks
from .one import drawn, given, grade_one
from .protocol import Array, Outcome
from .sandbox import probe
from .scoring import score_task
from .soundness import faults
from .start import PUBLIC_SEED, given_files
from .submission import Submission, read_submission
from .trusted import Trusted

Say = Callable[[str], None]

_PLACES = 3


def check_assignment(
    assignment: LoadedAssignment,
    seeds: Sequence[int] = (1, 2, 3),
    frameworks: Sequence[str] | None = None,
    solutions: Sequence[Path] = (),
    say: Say = lambda message: None,
) -> list[str]:
    """Try an assignment out.

    On every framework and seed, hidden and public, the reference has to get all points, and every mistake its own
    hint and credit; the starter must pass nothing, solutions everything; no answer may stand in a student's file.

    Parameters
    ----------
    assignment : LoadedAssignment
    seeds : sequence of int
        Of hidden cases.
    frameworks : sequence of str, optional
        All of the assignment's when left out.
    solutions : sequence of Path
        Right submissions, which are run as students' are.
    say : callable
        Is told what goes on.

    Returns
    -------
    list of str
        What is wrong, a sentence each; empty where nothing is.

    Raises
    ------
    TwinlensError
        If it cannot be tried here.
    """
    chosen = list(frameworks or assignment.assignment.frameworks)
    for name in chosen:
        if name not in available_backends():
            raise BackendError(f"{name} is not installed.", "Install it, or name another with --framework.")
    answers = assignment.answers()
    found = _at_rest(assignment, answers, seeds)
    draws = [(PUBLIC_SEED, True), *((seed, False) for seed in seeds)]
    at_work: dict[str, list[str]] = {}
    for framework in chosen:
        with Trusted(framework, assignment) as trusted:
            for seed, public in draws:
                where = "the public cases" if public else f"seed {seed}"
                say(f"{framework}: reference and mistakes on {where}")
                for task in assignment.assignment.tasks:
                    for fault in _at_work(task, answers, seed, public, trusted):
                        at_work.setdefault(f"Task '{task.id}': {fault}", []).append(f"{framework}, {where}")
            say(f"{framework}: the starter in the sandbox")
            found += _handed_in(assignment, framework, solutions, trusted, seeds[0] if seeds else 1, say)
    told = [f"{fault} ({_listed(places)})" for fault, places in at_work.items()]
    return list(dict.fromkeys([*found, *told]))


def _listed(places: Sequence[str]) -> str:
    more = len(places) - _PLACES
    return "; ".join([*places[:_PLACES], *([f"and {more} more"] if more > 0 else [])])


def _at_rest(assignment: LoadedAssignment, answers: ModuleType, seeds: Sequence[int]) -> list[str]:
    """What can be seen without a framework."""
    tasks = [task.id for task in assignment.assignment.tasks]
    found = leaks(assignment)
    for name in ("MISTAKES", "PROPERTIES"):
        unknown = sorted(set(getattr(answers, name, {})) - set(tasks))
        found += [f"{name} names '{task}', which is no task." for task in unknown]
    for task in tasks:
        public, *hidden = [
            drawn(answers, "cases", task, seed, shown)
            for seed, shown in [(PUBLIC_SEED, True), *((s, False) for s in seeds)]
        ]
        for seed, case in zip(seeds, hidden, strict=True):
            if not _same(case, drawn(answers, "cases", task, seed, False)):
                found.append(f"Task '{task}': the cases of one seed differ from call to call.")
        if any(_same(public, case) for case in hidden):
            found.append(f"Task '{task}': a hidden case is the public one.")
        if any(_same(first, second) for first, second in itertools.pairwise(hidden)):
            found.append(f"Task '{task}': two seeds give the same case.")
        for name, values in public.items():
            if np.asarray(values).dtype.kind not in "fiub":
                found.append(f"Task '{task}': the input '{name}' holds no numbers.")
    return found


def _same(first: Mapping[str, Array], second: Mapping[str, Array]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def _at_work(task: Task, answers: Any, seed: int, public: bool, trusted: Trusted) -> Iterator[str]:
    """Score the reference and every mistake as if a student had handed them in."""
    inputs = drawn(answers, "cases", task.id, seed, public)
    mistakes = getattr(answers, "MISTAKES", {}).get(task.id, ())
    properties = getattr(answers, "PROPERTIES", {}).get(task.id, ())
    try:
        expected = trusted.expected(task.id, inputs, drawn(answers, "weights", seed, public))
    except TwinlensError as error:
        yield error.cause
        return
    try:
        yield from faults(inputs, expected, mistakes, properties)
    except Exception as error:
        yield f"A property cannot be checked on the reference ({type(error).__name__}: {error})."
        return
    for id, arrays in {"": expected.reference, **expected.mistakes}.items():
        result = score_task(task, inputs, Outcome("ok", _single(arrays)), expected, mistakes, properties)
        if not id and result.status != "passed":
            yield f"The reference gets {result.score:g} of {result.max_score:g} points ({result.message})"
        elif id and result.status == "passed":
            yield f"The mistake '{id}' gets all points."
        elif id and result.hint_id != id:
            yield f"The mistake '{id}' is taken for {result.hint_id or 'no known one'}."


def _single(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """In float32, as most students hand them in."""
    return {name: v.astype(np.float32) if v.dtype.kind == "f" else v for name, v in arrays.items()}


def _handed_in(
    assignment: LoadedAssignment, framework: str, solutions: Sequence[Path], trusted: Trusted, seed: int, say: Say
) -> Iterator[str]:
    isolation = probe(allow_none=True)
    code = given_files(assignment, framework)[MAIN]
    starter = Submission("starter", framework, {MAIN: code}, "0" * 64)  # type: ignore[arg-type]
    for task in grade_one(starter, assignment, seed, isolation, trusted).tasks:
        if task.status in ("passed", "partial"):
            yield f"Task '{task.id}' on {framework}: the starter gets {task.score:g} of {task.max_score:g} points."
    for path in solutions:
        submission = read_submission(path, given=given(assignment))
        if submission.framework != framework:
            continue
        say(f"{framework}: {path} in the sandbox")
        for task in grade_one(submission, assignment, seed, isolation, trusted).tasks:
            if task.status != "passed":
                yield f"Task '{task.id}' on {framework}: the solution '{path.name}' does not pass ({task.message})"
