"""Submissions from file to result: right ones have all points, each mistake its hint and its credit.

The eleven mistakes that are made most are graded on both frameworks, the others of `saliency` on one, in turns; that
all of them are told apart on both, whatever is drawn, is what the tests in ``assignments/`` state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from twinlens.grading.assignment import LoadedAssignment, load_assignment
from twinlens.grading.grade import grade_one
from twinlens.grading.protocol import Mistake
from twinlens.grading.result import TaskResult
from twinlens.grading.sandbox import Isolation, SandboxError, probe
from twinlens.grading.submission import Submission, read_submission
from twinlens.grading.trusted import Trusted

from ..frameworks import BOTH, need
from .assignments.trying import shown, source, wrong_submissions

NAME = "saliency"
MADE_MOST = {
    1: (NAME, "batch_normalised"),
    2: (NAME, "no_abs"),
    3: (NAME, "accumulated"),
    4: (NAME, "reshaped"),
    5: ("gradcam", "hook_kept"),
    6: (NAME, "softmax_twice"),
    7: (NAME, "label_plus_one"),
    8: (NAME, "loss"),
    9: (NAME, "training_mode"),
    10: (NAME, "predicted_class"),
    11: (NAME, "no_gradient"),
}
"""By their number in the list of honest mistakes: the assignment and the wrong submission."""
NOISE = """

import logging, sys, warnings

def noisy(function):
    def call(*given):
        warnings.warn("deprecated", FutureWarning, stacklevel=2)
        logging.error("Traceback (most recent call last):")
        print("0/10 points, FAILED", file=sys.stderr)
        print("result:", given[-1])
        return function(*given)
    return call

compute_saliency_maps, normalise, smooth_grad, integrated_gradients = map(
    noisy, (compute_saliency_maps, normalise, smooth_grad, integrated_gradients)
)
"""


def made() -> list[tuple[str, str, str, str]]:
    """Framework, assignment, wrong submission, and the one of its tasks that is graded."""
    found = []
    for number, (assignment, name) in MADE_MOST.items():
        for framework in BOTH:
            tasks = list(shown(assignment, framework, name))
            found.append((framework, assignment, name, tasks[number % len(tasks)]))
    others = [name for name in wrong_submissions(NAME) if (NAME, name) not in MADE_MOST.values()]
    for number, name in enumerate(others):
        framework = BOTH[number % 2]
        tasks = list(shown(NAME, framework, name))
        found.append((framework, NAME, name, tasks[number // 2 % len(tasks)]))
    return found


def mistake_of(loaded: LoadedAssignment, task: str, id: str) -> Mistake:
    mistakes: list[Mistake] = loaded.answers().MISTAKES[task]
    (found,) = (mistake for mistake in mistakes if mistake.id == id)
    return found


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    try:
        return probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox works here: {error.cause}")


@pytest.fixture(scope="module")
def trusted() -> Iterator[dict[tuple[str, str], Trusted]]:
    """By assignment and framework; each starts its process when it is first asked."""
    loaded = {assignment: load_assignment(assignment) for assignment, _ in MADE_MOST.values()}
    found = {(name, framework): Trusted(framework, one) for name, one in loaded.items() for framework in BOTH}
    yield found
    for one in found.values():
        one.close()


def handed_in(folder: Path, text: str) -> Submission:
    path = folder / "lee.py"
    path.write_text(text, "utf-8")
    return read_submission(path)


def graded_alone(submission: Submission, task: str, seed: int, isolation: Isolation, trusted: Trusted) -> TaskResult:
    """One task of the assignment."""
    loaded = trusted.assignment
    alone = loaded.assignment.model_copy(update={"tasks": [loaded.assignment.task(task)]})
    (result,) = grade_one(submission, replace(loaded, assignment=alone), seed, isolation, trusted).tasks
    return result


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize(("seed", "more"), [(3, ""), (2**40, NOISE)], ids=["quiet", "noisy"])
def test_a_right_submission_has_all_points_whatever_it_prints(
    framework: str,
    seed: int,
    more: str,
    isolation: Isolation,
    trusted: dict[tuple[str, str], Trusted],
    tmp_path: Path,
) -> None:
    need(framework)
    submission = handed_in(tmp_path, source(NAME, framework, "right") + more)
    knowing = trusted[NAME, framework]
    result = grade_one(submission, knowing.assignment, seed, isolation, knowing)
    assert [(task.score, task.status) for task in result.tasks] == [(4, "passed"), (3, "passed"), (3, "passed")], (
        result.tasks
    )
    assert result.percent == 100
    assert all(bool(task.log_tail) or not more for task in result.tasks)


@pytest.mark.parametrize("framework", BOTH)
def test_a_right_submission_that_prints_warnings_has_all_points_on_twenty_draws(
    framework: str, isolation: Isolation, trusted: dict[tuple[str, str], Trusted], tmp_path: Path
) -> None:
    need(framework)
    submission = handed_in(tmp_path, source(NAME, framework, "right") + NOISE)
    tasks = trusted[NAME, framework].assignment.assignment.tasks
    for seed in range(20):
        result = graded_alone(submission, tasks[seed % len(tasks)].id, seed, isolation, trusted[NAME, framework])
        assert (result.score, result.status) == (result.max_score, "passed"), (seed, result.message)
        assert "FutureWarning: deprecated" in result.log_tail


def test_all_eleven_mistakes_are_there_and_each_has_a_hint_of_its_own() -> None:
    assert list(MADE_MOST) == list(range(1, 12))
    hints = set()
    for framework, assignment, name, task in made():
        if (assignment, name) in MADE_MOST.values():
            hints.add(mistake_of(load_assignment(assignment), task, shown(assignment, framework, name)[task]).hint)
    assert len(hints) == 11


@pytest.mark.parametrize(("framework", "assignment", "name", "task"), made())
def test_a_mistake_has_its_hint_and_its_credit(
    framework: str,
    assignment: str,
    name: str,
    task: str,
    isolation: Isolation,
    trusted: dict[tuple[str, str], Trusted],
    tmp_path: Path,
) -> None:
    need(framework)
    knowing = trusted[assignment, framework]
    submission = handed_in(tmp_path, source(assignment, framework, name))
    found = graded_alone(submission, task, 1, isolation, knowing)
    mistake = mistake_of(knowing.assignment, task, shown(assignment, framework, name)[task])
    assert found.hint_id == mistake.id, (found.message, found.log_tail[-1000:])
    assert found.score == pytest.approx(mistake.credit * found.max_score)
    assert found.status == ("partial" if mistake.credit else "failed")
    words = re.split(r"\{.*?\}", mistake.hint)
    assert re.fullmatch(r"[-+.\de]+".join(map(re.escape, words)), found.message), found.message
