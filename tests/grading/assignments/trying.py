"""Submissions of ``tests/grading/submissions`` run in this process, and what the answers say of the same case.

A wrong submission is ``right.py`` with something changed: lines of one function, as the assignment's ``mistakes.toml``
lists them, or what a file of its own defines anew, whose first line says which task then shows which mistake.
"""

from __future__ import annotations

import importlib.util
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from twinlens.backends import Model, wrap
from twinlens.grading.assignment import Task, load_assignment
from twinlens.grading.protocol import Arrays, Expected, Mistake, Outcome, Property
from twinlens.grading.result import TaskResult
from twinlens.grading.scoring import score_task
from twinlens.grading.soundness import faults
from twinlens.grading.student.runner import load_weights

from ...frameworks import need

SUBMISSIONS = Path(__file__).resolve().parents[1] / "submissions"


def wrong_submissions(assignment: str) -> list[str]:
    listed = [f"{number}-{each['task']}-{each['id']}" for number, each in enumerate(changes(assignment))]
    return listed or sorted({path.stem for path in (SUBMISSIONS / assignment).rglob("*.txt")})


def source(assignment: str, framework: str, name: str) -> str:
    folder = SUBMISSIONS / assignment / framework
    right = (folder / "right.py").read_text("utf-8")
    if name == "right":
        return right
    if change := change_of(assignment, name):
        return replaced(right, change["task"], change.get(framework) or change["both"])
    return f"{right}\n\n{(folder / f'{name}.txt').read_text('utf-8')}"


def shown(assignment: str, framework: str, name: str) -> dict[str, str]:
    """Which mistake a wrong submission makes in which task."""
    if change := change_of(assignment, name):
        return {change["task"]: change["id"]}
    first = (SUBMISSIONS / assignment / framework / f"{name}.txt").read_text("utf-8").splitlines()[0]
    return dict(pair.split("=") for pair in first.removeprefix("# ").split())  # type: ignore[misc]


@cache
def changes(assignment: str) -> list[dict[str, Any]]:
    """What ``mistakes.toml`` lists; nothing where there is none."""
    path = SUBMISSIONS / assignment / "mistakes.toml"
    return list(tomllib.loads(path.read_text("utf-8"))["mistake"]) if path.is_file() else []


def change_of(assignment: str, name: str) -> dict[str, Any] | None:
    listed = changes(assignment)
    return listed[int(name.partition("-")[0])] if listed else None


def replaced(right: str, task: str, changes: list[list[str]]) -> str:
    """The right submission, changed in one of its functions."""
    parts = re.split(rf"(?m)(^def {task}\(.*?(?=^def |\Z))", right, flags=re.S)
    assert len(parts) == 3, f"{task} is not there once"
    for old, new in changes:
        assert old in parts[1], f"{task} has no {old!r}"
        parts[1] = parts[1].replace(old, new)
    return "".join(parts)


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tried_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Case:
    """One task on one draw."""

    task: Task
    inputs: Arrays
    weights: Arrays


class Tried:
    """An assignment on one framework."""

    def __init__(self, assignment: str, framework: str) -> None:
        need(framework)
        self.name = assignment
        self.framework = framework
        self.loaded = load_assignment(assignment)
        self.answers: Any = self.loaded.answers()
        self.network = imported(self.loaded.folder / "network.py")
        self.driver = imported(self.loaded.folder / "driver.py")

    @property
    def tasks(self) -> list[str]:
        return [task.id for task in self.loaded.assignment.tasks]

    def right_submissions(self) -> dict[str, str]:
        """Texts by name; those that need what is not installed are left out."""
        folder = SUBMISSIONS / self.name / self.framework
        texts = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.py"))}
        if importlib.util.find_spec("shap") is None:
            texts = {name: text for name, text in texts.items() if "import shap" not in text}
        return texts

    def case(self, task: str, seed: int, public: bool = False) -> Case:
        found = self.answers.cases(task, seed, public=public)
        return Case(self.loaded.assignment.task(task), found, self.answers.weights(seed, public=public))

    def net(self, case: Case) -> Any:
        net = self.network.build(self.framework)
        load_weights(net, case.weights)
        return net

    def model(self, case: Case, dtype: str = "float64") -> Model:
        model = wrap(self.network.build(self.framework), dtype=dtype)
        model.load_state(case.weights)
        return model

    def mistakes(self, task: str) -> list[Mistake]:
        found: list[Mistake] = self.answers.MISTAKES[task]
        return found

    def properties(self, task: str) -> list[Property]:
        return list(getattr(self.answers, "PROPERTIES", {}).get(task, []))

    def expected(self, case: Case) -> Expected:
        task = case.task.id
        right, single = (
            self.answers.expected(task, self.model(case, dtype), case.inputs) for dtype in ("float64", "float32")
        )
        gap = {
            name: np.array(np.abs(values - single[name]).max() / np.abs(values).max()) for name, values in right.items()
        }
        model = self.model(case)
        wrong = {m.id: m.compute(model, case.inputs) for m in self.mistakes(task)}
        return Expected(right, gap, wrong)

    def run(self, case: Case, text: str, folder: Path) -> dict[str, np.ndarray]:
        """What the driver gives for a submission."""
        path = folder / "submission.py"
        path.write_text(text, "utf-8")
        given = {name: values.copy() for name, values in case.inputs.items()}
        found: dict[str, np.ndarray] = self.driver.run(
            case.task.id, imported(path), self.net(case), given, self.framework
        )
        return found

    def score(self, case: Case, outputs: Arrays, expected: Expected) -> TaskResult:
        task = case.task.id
        outcome = Outcome("ok", outputs)
        return score_task(case.task, case.inputs, outcome, expected, self.mistakes(task), self.properties(task))

    def faults(self, case: Case, expected: Expected | None = None) -> list[str]:
        task = case.task.id
        return faults(case.inputs, expected or self.expected(case), self.mistakes(task), self.properties(task))


@cache
def tried(assignment: str, framework: str) -> Tried:
    return Tried(assignment, framework)


@cache
def case_and_answers(assignment: str, framework: str, task: str, seed: int) -> tuple[Case, Expected]:
    one = tried(assignment, framework)
    case = one.case(task, seed)
    return case, one.expected(case)
