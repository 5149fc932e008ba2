"""What grading one submission gives: schema ``result/1``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    ValidationError,
    computed_field,
    model_validator,
)

from ..errors import DataError
from ..files import write_whole
from .text import clean, one_line

SCHEMA: Literal["result/1"] = "result/1"
LONGEST_LOG = 64_000

TaskStatus: TypeAlias = Literal[
    "passed", "partial", "failed", "crashed", "timeout", "memory", "no_output", "bad_output"
]
Visibility: TypeAlias = Literal["visible", "hidden", "after_due_date", "after_published"]

STATUSES: tuple[TaskStatus, ...] = get_args(TaskStatus)
BROKEN: tuple[TaskStatus, ...] = ("crashed", "timeout", "memory", "no_output")
"""Statuses of a process that did not get to an answer."""


def _points(value: float) -> float:
    return round(value, 4)


def _cleaned(cleaner: Callable[[str], str]) -> BeforeValidator:
    """Clean before pydantic looks, which would refuse half a surrogate pair."""
    return BeforeValidator(lambda value: cleaner(value) if isinstance(value, str) else value)


Line = Annotated[str, _cleaned(one_line)]
Paragraph = Annotated[str, _cleaned(clean)]
Log = Annotated[str, _cleaned(lambda text: clean(text, LONGEST_LOG, end=True))]
Amount = Annotated[NonNegativeFloat, Field(allow_inf_nan=False)]
Points = Annotated[Amount, AfterValidator(_points)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SubmissionRecord(_Strict):
    """Which submission it was.

    Attributes
    ----------
    id : str
        Name of the student or file.
    sha256 : str
        Of its files.
    framework : {"torch", "paddle"} or None
        None where it could not be told.
    versions : dict of str to str
        Of Python, NumPy, the framework and twinlens.
    """

    id: Line
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | Literal[""] = ""
    framework: Literal["torch", "paddle"] | None = None
    versions: dict[Line, Line] = {}


class IsolationRecord(_Strict):
    """What stood between the student's code and the machine.

    Attributes
    ----------
    tier : {"A", "B", "C", "D"}
    name : str
    holds, lacks : list of str
        Barriers that were there, and those that were not.
    """

    tier: Literal["A", "B", "C", "D"]
    name: Line
    holds: list[Line] = []
    lacks: list[Line] = []


class TaskResult(_Strict):
    """How one task went.

    Texts are cleaned of control characters whoever wrote them; a result cannot hold others.

    Attributes
    ----------
    id, title : str
    score, max_score : float
        Points.
    status : str
        ``"passed"`` for all points, ``"partial"`` for some, ``"failed"`` for none, or how it broke.
    visibility : str
        Whether the student may see it, in Gradescope's words.
    hint_id : str or None
        The known mistake or the broken property that the message is about.
    message : str
        For the student.
    metrics : dict of str to float
        For the instructor: how far off the answer was.
    cpu_s, wall_s, peak_mb : float
    log_tail : str
        The end of what the student's code printed.
    """

    id: Line
    title: Line = ""
    score: Points
    max_score: Points
    status: TaskStatus
    visibility: Visibility = "visible"
    hint_id: Line | None = None
    message: Paragraph
    metrics: dict[Line, FiniteFloat] = {}
    cpu_s: Amount = 0.0
    wall_s: Amount = 0.0
    peak_mb: Amount = 0.0
    log_tail: Log = ""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.score > self.max_score:
            raise ValueError(f"the score {self.score} exceeds the {self.max_score} points of the task")
        if self.status == "passed" and self.score != self.max_score:
            raise ValueError("a task is passed with all of its points only")
        if self.status == "partial" and not 0 < self.score < self.max_score:
            raise ValueError("a partial score lies between nothing and all of the points")
        if self.status not in ("passed", "partial") and self.score != 0:
            raise ValueError(f"a task that is '{self.status}' has no points")
        return self

    @property
    def name(self) -> str:
        """Title, or the id where there is none."""
        return self.title or self.id


class Result(_Strict):
    """How one submission did. Totals and status follow from the tasks, always.

    Attributes
    ----------
    assignment, title : str
        Id and title of the assignment.
    submission : SubmissionRecord
    isolation : IsolationRecord
    seed : int
        Of the hidden cases: never shown to students.
    tasks : list of TaskResult
    flags : list of str
        What an instructor should look at; costs no points.
    """

    format: Annotated[Literal["result/1"], Field(alias="schema")] = SCHEMA
    assignment: Line
    title: Line = ""
    submission: SubmissionRecord
    isolation: IsolationRecord
    seed: int
    tasks: Annotated[list[TaskResult], Field(min_length=1)]
    flags: list[Line] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def score(self) -> float:
        """Points of all tasks together."""
        return _points(sum(task.score for task in self.tasks))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def max_score(self) -> float:
        """Points that could be had."""
        return _points(sum(task.max_score for task in self.tasks))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def status(self) -> TaskStatus:
        """The tasks' own where all have the same; else ``"partial"`` with points and ``"failed"`` without."""
        alike = {task.status for task in self.tasks}
        if len(alike) == 1:
            return alike.pop()
        return "partial" if self.score > 0 else "failed"

    @property
    def percent(self) -> float:
        """Score in per cent of what could be had."""
        return 100 * self.score / self.max_score if self.max_score else 0.0

    @property
    def name(self) -> str:
        """Title of the assignment, or its id where there is none."""
        return self.title or self.assignment

    @model_validator(mode="wrap")
    @classmethod
    def _totals_follow(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, Mapping):
            return handler(data)
        stated = {name: data[name] for name in ("score", "max_score", "status") if name in data}
        result = handler({name: value for name, value in data.items() if name not in stated})
        for name, value in stated.items():
            if value != getattr(result, name):
                raise ValueError(
                    f"the {name} {value!r} does not follow from the tasks, which give {getattr(result, name)!r}"
                )
        ids = [task.id for task in result.tasks]
        if len(set(ids)) < len(ids):
            raise ValueError("two tasks have the same id")
        return result

    def to_json(self) -> str:
        """The result as JSON text."""
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the JSON, whole or not at all.

        Parameters
        ----------
        path : path

        Raises
        ------
        DataError
            If it cannot be written.
        """
        return write_whole(path, self.to_json().encode("utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a result and check it.

        Parameters
        ----------
        path : path

        Raises
        ------
        DataError
            If the file cannot be read, or is no result whose numbers agree.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise DataError(f"'{path}' cannot be read ({error.strerror}).", "Grade the submission again.") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(map(str, first["loc"])) or "result"
            raise DataError(
                f"'{path}' is no {SCHEMA} file: '{key}': {first['msg']}.", "Grade the submission again."
            ) from error
