"""One submission from its files to its result."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..backends import available_backends
from ..errors import BackendError, ConfigError
from .archives import SubmissionError
from .assignment import LoadedAssignment, Task
from .protocol import Arrays, Expected, Outcome
from .result import IsolationRecord, Result, SubmissionRecord, TaskResult
from .sandbox import Isolation, run_student, task_files
from .scoring import not_run, score_task
from .start import given_files
from .submission import Submission

_PACKAGES = {"torch": ("torch",), "paddle": ("paddlepaddle", "paddlepaddle-gpu")}


class Answers(Protocol):
    """What knows the right answers, such as `Trusted`."""

    def expected(self, task: str, inputs: Arrays, weights: Arrays) -> Expected:
        """The reference and all mistakes of a task."""


def grade_one(
    submission: Submission,
    assignment: LoadedAssignment,
    seed: int,
    isolation: Isolation,
    trusted: Answers,
    *,
    public: bool = False,
    hidden: Sequence[Path] = (),
) -> Result:
    """Run all tasks of a submission in the sandbox, then compute what is right, then score.

    Parameters
    ----------
    submission : Submission
    assignment : LoadedAssignment
    seed : int
        Of the cases.
    isolation : Isolation
    trusted : Trusted
        Of the submission's framework; it is asked only when no process of the student lives any more.
    public : bool
        Take the cases that students see.
    hidden : sequence of Path
        Folders to hide besides the assignment.

    Returns
    -------
    Result

    Raises
    ------
    TwinlensError
        If the assignment, the sandbox or this machine is at fault; never for what a student wrote.
    """
    if submission.framework not in assignment.assignment.frameworks:
        return refused(
            submission.id,
            assignment,
            seed,
            isolation,
            SubmissionError(
                f"This assignment cannot be done in {submission.framework}.",
                f"Choose one of: {', '.join(assignment.assignment.frameworks)}.",
            ),
        )
    if submission.framework not in available_backends():
        raise BackendError(
            f"{submission.framework} is not installed on the grader's machine.",
            f"pip install 'twinlens[{submission.framework}]'",
        )
    answers = assignment.answers()
    weights = drawn(answers, "weights", seed, public)
    cases = {task.id: drawn(answers, "cases", task.id, seed, public) for task in assignment.assignment.tasks}
    outcomes = {
        task.id: _run(task, submission, assignment, cases[task.id], weights, isolation, hidden)
        for task in assignment.assignment.tasks
    }
    return Result(
        assignment=assignment.assignment.id,
        title=assignment.assignment.title,
        submission=SubmissionRecord(
            id=submission.id,
            sha256=submission.sha256,
            framework=submission.framework,
            versions=dict(versions(submission.framework)),
        ),
        isolation=isolation_record(isolation),
        seed=seed,
        tasks=[
            _scored(task, assignment, answers, cases[task.id], weights, outcomes[task.id], trusted)
            for task in assignment.assignment.tasks
        ],
        flags=_flags(submission, assignment),
    )


def refused(id: str, assignment: LoadedAssignment, seed: int, isolation: Isolation, error: SubmissionError) -> Result:
    """The result of a submission that cannot be graded as it is: no points, and the reason.

    Parameters
    ----------
    id : str
    assignment : LoadedAssignment
    seed : int
    isolation : Isolation
    error : SubmissionError
    """
    return _without_points(id, assignment, seed, isolation, str(error), f"Refused: {error.cause}")


NOT_GRADED = "Not graded:"


def not_graded(id: str, assignment: LoadedAssignment, seed: int, isolation: Isolation, reason: str) -> Result:
    """The result that stands in for one that the grader failed to make; grading again makes it.

    Parameters
    ----------
    id : str
    assignment : LoadedAssignment
    seed : int
    isolation : Isolation
    reason : str
        For the instructor.
    """
    told = "This was not graded yet, through no fault of yours."
    return _without_points(id, assignment, seed, isolation, told, f"{NOT_GRADED} {reason}")


def is_graded(result: Result) -> bool:
    """Whether a result is one, and not only stands in for one."""
    return not any(flag.startswith(NOT_GRADED) for flag in result.flags)


def _without_points(
    id: str, assignment: LoadedAssignment, seed: int, isolation: Isolation, message: str, flag: str
) -> Result:
    return Result(
        assignment=assignment.assignment.id,
        title=assignment.assignment.title,
        submission=SubmissionRecord(id=id),
        isolation=isolation_record(isolation),
        seed=seed,
        tasks=[not_run(task, message) for task in assignment.assignment.tasks],
        flags=[flag],
    )


def drawn(answers: Any, function: str, *arguments: object) -> dict[str, Any]:
    """Call ``cases`` or ``weights`` of an assignment's answers.

    Parameters
    ----------
    answers : module
    function : str
    *arguments
        The last one is whether the cases are those that students see.

    Raises
    ------
    ConfigError
        If that fails.
    """
    *first, public = arguments
    try:
        return dict(getattr(answers, function)(*first, public=public))
    except Exception as error:
        raise ConfigError(
            f"'{function}' of the assignment's answers fails ({type(error).__name__}: {error}).", "Correct the answers."
        ) from error


def _run(
    task: Task,
    submission: Submission,
    assignment: LoadedAssignment,
    inputs: Arrays,
    weights: Arrays,
    isolation: Isolation,
    hidden: Sequence[Path],
) -> Outcome:
    own = {name: path.read_bytes() for name, path in assignment.student_files().items() if name in _BESIDE}
    return run_student(
        task_files(task.id, submission.framework, task.outputs, inputs, weights, {**submission.files, **own}),
        expected=task.outputs,
        limits=assignment.assignment.limits,
        isolation=isolation,
        framework=submission.framework,
        hidden=[assignment.folder, *hidden],
    )


_BESIDE = ("driver.py", "network.py")


def _scored(
    task: Task,
    assignment: LoadedAssignment,
    answers: Any,
    inputs: Arrays,
    weights: Arrays,
    outcome: Outcome,
    trusted: Answers,
) -> TaskResult:
    expected = trusted.expected(task.id, inputs, weights) if outcome.status == "ok" else None
    return score_task(
        task,
        inputs,
        outcome,
        expected,
        getattr(answers, "MISTAKES", {}).get(task.id, ()),
        getattr(answers, "PROPERTIES", {}).get(task.id, ()),
        assignment.assignment.limits,
    )


def _flags(submission: Submission, assignment: LoadedAssignment) -> list[str]:
    wanted = assignment.assignment.id
    other = submission.assignment is not None and submission.assignment != wanted
    return [*submission.flags, *([f"It was made for the assignment '{submission.assignment}'."] if other else [])]


def isolation_record(isolation: Isolation) -> IsolationRecord:
    """What a result says of the sandbox."""
    told = [(barrier.holds, f"{barrier.id.replace('_', ' ')}: {barrier.how}") for barrier in isolation.barriers]
    return IsolationRecord(
        tier=isolation.tier,
        name=isolation.name,
        holds=[text for holds, text in told if holds],
        lacks=[text for holds, text in told if not holds],
    )


@functools.cache
def versions(framework: str) -> Mapping[str, str]:
    """Of Python, NumPy, twinlens and the framework, without importing it."""
    found = {"python": platform.python_version()}
    for name, packages in {"numpy": ("numpy",), "twinlens": ("twinlens",), framework: _PACKAGES[framework]}.items():
        for package in packages:
            try:
                found.setdefault(name, importlib.metadata.version(package))
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def given(assignment: LoadedAssignment) -> dict[str, bytes]:
    """The files that were handed out, as `read_submission` compares them."""
    return given_files(assignment, assignment.assignment.frameworks[0])
