"""Submissions of the small assignment in ``assignment_folders/tables``, right and wrong."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from twinlens.grading.assignment import LoadedAssignment, load_assignment
from twinlens.grading.protocol import Arrays, Expected

from ..frameworks import ANY

TABLES = Path(__file__).parent / "assignment_folders" / "tables"

DOUBLED = "def doubled(table):\n    return 2 * table\n"
CENTRED = "def centred(table):\n    means = table.mean(axis=1)\n    return table - means[:, None], means\n"
TRIPLED = "def doubled(table):\n    return 3 * table\n"
BY_COLUMN = "def centred(table):\n    return table - table.mean(axis=0), table.mean(axis=1)\n"


def code(*functions: str, framework: str = ANY) -> str:
    return "\n\n".join([f'FRAMEWORK = "{framework}"', *functions]) + "\n"


RIGHT = code(DOUBLED, CENTRED)
HALF = code(TRIPLED, BY_COLUMN)


def tables() -> LoadedAssignment:
    return load_assignment(TABLES)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


class Known:
    """The answers of an assignment that needs no framework, without a process for them."""

    def __init__(self, assignment: LoadedAssignment) -> None:
        self.answers = assignment.answers()
        self.asked: list[str] = []

    def expected(self, task: str, inputs: Arrays, weights: Arrays) -> Expected:
        self.asked.append(task)
        reference = self.answers.expected(task, None, inputs)
        mistakes = {m.id: m.compute(None, inputs) for m in self.answers.MISTAKES[task]}
        return Expected(reference, {name: 0.0 for name in reference}, mistakes)
