"""Submissions of the small assignment in ``assignment_folders/tables``, right and wrong."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from twinlens.grading.assignment import Limits, LoadedAssignment, load_assignment
from twinlens.grading.protocol import Arrays, Expected

from ..frameworks import ANY

_FOLDERS = Path(__file__).parent / "assignment_folders"
TABLES = _FOLDERS / "tables"

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


def tables_in(folder: Path, limits: Limits, *, network: bool) -> LoadedAssignment:
    """A copy with limits of its own; with a network, each student's process loads its framework and runs it first."""
    shutil.copytree(TABLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if network:
        shutil.copyfile(_FOLDERS / "linear_network.py", folder / "network.py")
    path = folder / "assignment.yaml"
    content = yaml.safe_load(path.read_text("utf-8")) | {"limits": limits.model_dump()}
    path.write_text(yaml.safe_dump(content), "utf-8")
    return load_assignment(folder)


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
