"""A hostile submission, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from twinlens.grading.assignment import Limits
from twinlens.grading.result import Result
from twinlens.grading.submission import Submission

from ..frameworks import ANY
from .handed_in import code

FOUND = "reached-what-it-must-not"
"""What an attack prints that got somewhere; its own source spells it in two parts."""

LIMITS = Limits(cpu_seconds=2, wall_seconds=30, memory_mb=64, processes=16, file_mb=4, output_mb=2, log_kb=16)
LIMITS_OF_FRAMEWORKS = LIMITS.model_copy(update={"cpu_seconds": 7, "wall_seconds": 40})
"""The same where a process first imports a framework: some two seconds of computing, on a quiet machine."""


@dataclass(frozen=True)
class Attack:
    """One hostile submission and what it ends with.

    Attributes
    ----------
    number : int
        In the list of known attacks.
    id : str
    text : str
        Of ``submission.py``.
    statuses : tuple of str
        Of the attacked task: one of these.
    score : float
        Of the attacked task.
    beside : str
        Status of the other task, which has its 6 points where that is ``"passed"``.
    wall_seconds : float
        Short where the attack waits for that.
    files : mapping of str to str
        Beside ``submission.py``.
    framework : str
        In which it is handed in.
    """

    number: int
    id: str
    text: str
    statuses: tuple[str, ...]
    score: float = 0.0
    beside: str = "passed"
    wall_seconds: float = 30.0
    files: dict[str, str] = field(default_factory=dict)
    framework: str = ANY

    @property
    def name(self) -> str:
        """Such as ``05-fork_bomb``."""
        return f"{self.number:02}-{self.id}"

    @property
    def outlasting(self) -> bool:
        """Whether it aims at what is run after it or beside it."""
        return self.number in (5, 6, 11, 21, 23, 26)

    @property
    def all_files(self) -> dict[str, str]:
        """Whatever is handed in, by name."""
        return {"submission.py": self.text, **self.files}

    def on(self, framework: str) -> Attack:
        """The same attack, handed in in a framework."""
        text = code(framework=framework) + self.text.removeprefix(code(framework=self.framework))
        return replace(self, text=text, framework=framework)

    def submission(self) -> Submission:
        files = {name: text.encode() for name, text in self.all_files.items()}
        return Submission("eve", self.framework, files, "0" * 64)  # type: ignore[arg-type]

    def check(self, result: Result) -> None:
        """Compare what it ended with; the other task may be left out."""
        first, *others = result.tasks
        told = (first.status, first.score, first.message, first.log_tail[-500:])
        assert first.status in self.statuses, told
        assert first.score == self.score, told
        for second in others:
            assert second.status == self.beside, (second.status, second.message, second.log_tail[-500:])
            assert second.score == (6 if self.beside == "passed" else 0)
        assert FOUND not in first.log_tail, told
        assert all(letter.isprintable() or letter == "\n" for letter in first.message)
