"""Submissions of `saliency` from file to result: right ones have all points, each mistake its hint and its credit.

The mistakes that are made most are graded on both frameworks, the others on one, in turns; that all of them are told
apart on both, whatever is drawn, is what ``assignments/test_saliency.py`` states.
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
from twinlens.grading.sandbox import Isolation, SandboxError, probe
from twinlens.grading.submission import Submission, read_submission
from twinlens.grading.trusted import Trusted

from ..frameworks import BOTH, need
from .assignments.trying import shown, source, wrong_submissions

NAME = "saliency"
MADE_MOST = {
    "batch_normalised", "no_abs", "accumulated", "reshaped", "softmax_twice", "label_plus_one", "loss",
    "training_mode", "predicted_class", "no_gradient",
}  # fmt: skip
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


def made() -> list[tuple[str, str, str]]:
    """Framework, submission and the one of its tasks that is graded."""
    found: list[tuple[str, str, str]] = []
    for number, name in enumerate(wrong_submissions(NAME)):
        for framework in BOTH if name in MADE_MOST else (BOTH[number % 2],):
            tasks = list(shown(NAME, framework, name))
            found.append((framework, name, tasks[number // 2 % len(tasks)]))
    return found


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    try:
        return probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox works here: {error.cause}")


@pytest.fixture(scope="module")
def loaded() -> LoadedAssignment:
    return load_assignment(NAME)


@pytest.fixture(scope="module")
def trusted(loaded: LoadedAssignment) -> Iterator[dict[str, Trusted]]:
    found = {framework: Trusted(framework, loaded) for framework in BOTH}
    yield found
    for one in found.values():
        one.close()


def handed_in(folder: Path, text: str) -> Submission:
    path = folder / "lee.py"
    path.write_text(text, "utf-8")
    return read_submission(path)


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize(("seed", "more"), [(3, ""), (2**40, NOISE)], ids=["quiet", "noisy"])
def test_a_right_submission_has_all_points_whatever_it_prints(
    framework: str,
    seed: int,
    more: str,
    loaded: LoadedAssignment,
    isolation: Isolation,
    trusted: dict[str, Trusted],
    tmp_path: Path,
) -> None:
    need(framework)
    submission = handed_in(tmp_path, source(NAME, framework, "right") + more)
    result = grade_one(submission, loaded, seed, isolation, trusted[framework])
    assert [(task.score, task.status) for task in result.tasks] == [(4, "passed"), (3, "passed"), (3, "passed")], (
        result.tasks
    )
    assert result.percent == 100
    assert all(bool(task.log_tail) or not more for task in result.tasks)


@pytest.mark.parametrize(("framework", "name", "task"), made())
def test_a_mistake_has_its_hint_and_its_credit(
    framework: str,
    name: str,
    task: str,
    loaded: LoadedAssignment,
    isolation: Isolation,
    trusted: dict[str, Trusted],
    tmp_path: Path,
) -> None:
    need(framework)
    submission = handed_in(tmp_path, source(NAME, framework, name))
    alone = loaded.assignment.model_copy(update={"tasks": [loaded.assignment.task(task)]})
    (found,) = grade_one(submission, replace(loaded, assignment=alone), 1, isolation, trusted[framework]).tasks
    wanted = shown(NAME, framework, name)[task]
    mistakes: list[Mistake] = loaded.answers().MISTAKES[task]
    (mistake,) = (mistake for mistake in mistakes if mistake.id == wanted)
    assert found.hint_id == wanted, (found.message, found.log_tail[-1000:])
    assert found.score == pytest.approx(mistake.credit * found.max_score)
    assert found.status == ("partial" if mistake.credit else "failed")
    words = re.split(r"\{.*?\}", mistake.hint)
    assert re.fullmatch(r"[-+.\de]+".join(map(re.escape, words)), found.message), found.message
