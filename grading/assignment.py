"""An assignment: a folder with what the student gets, and the answers that the student never gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from ..errors import ConfigError, suggest
from .answer_files import answer_files, import_answers

SHIPPED = Path(__file__).parent / "assignments"
STUDENT_FILES = ("driver.py", "network.py", "starter.py", "README.md")
"""What a student gets; the answers stay with the grader."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    """What one student process may use.

    ``memory_mb`` comes on top of what the framework itself takes.
    """

    cpu_seconds: PositiveFloat = 60.0
    wall_seconds: PositiveFloat = 120.0
    memory_mb: PositiveInt = 1024
    processes: PositiveInt = 64
    file_mb: PositiveInt = 64
    output_mb: PositiveInt = 32
    log_kb: PositiveInt = 64


class Task(_Strict):
    """One function of the submission."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    text: str
    points: PositiveFloat
    outputs: Annotated[list[str], Field(min_length=1)]


class Assignment(_Strict):
    """What ``assignment.yaml`` says."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    text: str
    frameworks: Annotated[list[Literal["torch", "paddle"]], Field(min_length=1)] = ["torch", "paddle"]
    tasks: Annotated[list[Task], Field(min_length=1)]
    limits: Limits = Limits()

    @property
    def max_score(self) -> float:
        """Points of all tasks together."""
        return sum(task.points for task in self.tasks)

    def task(self, name: str) -> Task:
        """The task of a name."""
        return next(task for task in self.tasks if task.id == name)


@dataclass(frozen=True)
class LoadedAssignment:
    """An assignment and where it is.

    Attributes
    ----------
    assignment : Assignment
    folder : Path
    """

    assignment: Assignment
    folder: Path

    def student_files(self) -> dict[str, Path]:
        """The files for students, by name."""
        return {name: self.folder / name for name in STUDENT_FILES}

    def answers(self) -> ModuleType:
        """Import the answers: in the grader and its trusted processes only.

        Raises
        ------
        ConfigError
            If they cannot be imported.
        """
        return import_answers(self.folder, self.assignment.id)


def shipped() -> list[str]:
    """Names of the assignments that come with twinlens."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/assignment.yaml"))


def load_assignment(name: str | Path) -> LoadedAssignment:
    """Find an assignment and check it.

    Parameters
    ----------
    name : str or path
        Name of a shipped assignment, or a folder.

    Raises
    ------
    ConfigError
        If there is none, or its files do not fit together.
    """
    folder = Path(name) if Path(name).is_dir() else SHIPPED / str(name)
    path = folder / "assignment.yaml"
    if not path.is_file():
        raise ConfigError(f"There is no assignment '{name}'.", suggest(str(name), shipped()))
    try:
        assignment = Assignment.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"'{path}' cannot be read as YAML.", "Check indentation and colons.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"In {path}: '{key}': {first['msg']}.", "Correct it.") from error
    _check(assignment, folder)
    return LoadedAssignment(assignment, folder)


def _check(assignment: Assignment, folder: Path) -> None:
    missing = [name for name in STUDENT_FILES if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"The assignment '{folder}' has no {missing[0]}.", "Write it, as the shipped ones have it.")
    answer_files(folder)
    twice = _first_twice([task.id for task in assignment.tasks])
    if twice is not None:
        raise ConfigError(f"Two tasks of '{assignment.id}' have the id '{twice}'.", "Give each an id of its own.")


def _first_twice(names: Sequence[str]) -> str | None:
    return next((name for position, name in enumerate(names) if name in names[:position]), None)
