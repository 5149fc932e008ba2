"""Answers in one file or in a package: imported alike, and never within a student's reach."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from twinlens.errors import ConfigError
from twinlens.grading.assignment import LoadedAssignment, load_assignment
from twinlens.grading.gradescope_zip import build_wheel, write_gradescope_zip
from twinlens.grading.journal import assignment_sha256
from twinlens.grading.leaks import leaks
from twinlens.grading.one import grade_one
from twinlens.grading.sandbox import probe
from twinlens.grading.start import start
from twinlens.grading.submission import read_submission

from ..frameworks import ANY
from .handed_in import CENTRED, TABLES, Known, code, write

LATER = "def later():\n    from .parts import other\n    return other.VALUE\n"
PACKAGE = {
    "__init__.py": f"from .parts.right import VALUE\n\n\n{LATER}",
    "parts/__init__.py": "",
    "parts/right.py": "from .other import VALUE\n",
    "parts/other.py": "VALUE = {value!r}\n",
}


def packed(folder: Path) -> LoadedAssignment:
    """The small assignment with its answers in a package."""
    shutil.copytree(TABLES, folder)
    answers = (folder / "answers.py").read_text("utf-8")
    (folder / "answers.py").unlink()
    names = "from .everything import MISTAKES, cases, expected, weights\n"
    write(folder / "answers", {"__init__.py": names, "everything.py": answers})
    return load_assignment(folder)


def with_package(folder: Path, **changed: str) -> LoadedAssignment:
    """The same, with answers that only hold a value."""
    found = packed(folder)
    shutil.rmtree(folder / "answers")
    texts = {name: text.replace("{value!r}", repr(folder.name)) for name, text in PACKAGE.items()}
    write(folder / "answers", texts | changed)
    return found


class TestImporting:
    def test_modules_of_a_package_import_each_other(self, tmp_path: Path) -> None:
        answers = with_package(tmp_path / "a").answers()
        assert (answers.VALUE, answers.later()) == ("a", "a")

    def test_two_assignments_of_one_id_keep_their_own_modules(self, tmp_path: Path) -> None:
        first, second = (with_package(tmp_path / name).answers() for name in "ab")
        assert (first.VALUE, second.VALUE) == ("a", "b")
        assert (first.later(), second.later()) == ("a", "b")

    def test_a_changed_module_is_read_again(self, tmp_path: Path) -> None:
        assignment = with_package(tmp_path / "a")
        assert assignment.answers().VALUE == "a"
        (tmp_path / "a" / "answers" / "parts" / "other.py").write_text("VALUE = 'changed'\n")
        assert assignment.answers().VALUE == "changed"

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("VALUE = unknown\n", "NameError: name 'unknown' is not defined"),
            ("def f(:\n", r"SyntaxError: .*other\.py, line 1"),
            ("from .nowhere import VALUE\n", r"ModuleNotFoundError: .*parts\.nowhere"),
            ("raise ValueError('one\\ntwo')\n", "ValueError: one"),
        ],
    )
    def test_a_broken_module_is_told_in_one_line(self, tmp_path: Path, text: str, named: str) -> None:
        assignment = with_package(tmp_path / "a", **{"parts/other.py": text})
        with pytest.raises(ConfigError, match=named) as caught:
            assignment.answers()
        assert "\n" not in str(caught.value)
        assert "answers/" in caught.value.cure

    def test_a_broken_file_is_named(self, tmp_path: Path) -> None:
        shutil.copytree(TABLES, tmp_path / "a")
        (tmp_path / "a" / "answers.py").write_text("VALUE = unknown\n")
        with pytest.raises(ConfigError, match="cannot be imported") as caught:
            load_assignment(tmp_path / "a").answers()
        assert "answers.py" in caught.value.cure


class TestChecking:
    def test_without_answers_it_is_no_assignment(self, tmp_path: Path) -> None:
        packed(tmp_path / "a")
        (tmp_path / "a" / "answers" / "__init__.py").unlink()
        with pytest.raises(ConfigError, match=r"no answers\.py"):
            load_assignment(tmp_path / "a")

    def test_a_file_beside_a_package_is_refused(self, tmp_path: Path) -> None:
        packed(tmp_path / "a")
        (tmp_path / "a" / "answers.py").write_text("")
        with pytest.raises(ConfigError, match=r"both answers\.py and answers/"):
            load_assignment(tmp_path / "a")

    def test_the_fingerprint_follows_every_module(self, tmp_path: Path) -> None:
        assignment = with_package(tmp_path / "a")
        before = assignment_sha256(assignment)
        (tmp_path / "a" / "answers" / "parts" / "other.py").write_text("VALUE = 'changed'\n")
        assert assignment_sha256(assignment) != before


class TestWhatStudentsGet:
    def test_no_file_of_the_answers_is_handed_out(self, tmp_path: Path) -> None:
        assignment = packed(tmp_path / "a")
        written = start(assignment, ANY, tmp_path / "hw")
        assert not [path for path in written if "answers" in path.relative_to(tmp_path).as_posix()]
        secret = b"means_of_all_rows"
        assert secret in (tmp_path / "a" / "answers" / "everything.py").read_bytes()
        assert not [path for path in (tmp_path / "hw").rglob("*") if path.is_file() and secret in path.read_bytes()]

    def test_the_text_of_a_module_in_a_students_file_is_found(self, tmp_path: Path) -> None:
        assignment = packed(tmp_path / "a")
        assert leaks(assignment) == []
        answer = "means_of_all_rows = table.mean(axis=1)\n"
        answer += "return {'centred': table - means_of_all_rows[:, None], 'means': means_of_all_rows}\n"
        with (tmp_path / "a" / "README.md").open("a") as file:
            file.write(answer)
        assert leaks(assignment) == ["'README.md' holds the text of 'expected' of answers/everything.py."]

    def test_a_students_process_sees_no_file_of_the_answers(self, tmp_path: Path) -> None:
        isolation = probe(allow_none=True)
        if not isolation.holds("files"):
            pytest.skip(f"this machine's sandbox hides no files: {isolation.name}")
        assignment = packed(tmp_path / "a")
        looking = (
            "import os\n\n\ndef doubled(table):\n"
            f"    places = [{str(assignment.folder / 'answers')!r}, '.']\n"
            "    seen = [name for place in places for _, _, names in os.walk(place) for name in names]\n"
            "    assert 'submission.py' in seen\n"
            "    assert not {'everything.py', 'answers.py', 'assignment.yaml'} & set(seen)\n"
            "    return 2 * table\n"
        )
        mine = write(tmp_path, {"lee.py": code(looking, CENTRED)}) / "lee.py"
        result = grade_one(read_submission(mine), assignment, 1, isolation, Known(assignment))
        assert [task.status for task in result.tasks] == ["passed", "passed"], result.tasks


class TestPacking:
    def test_a_gradescope_zip_holds_every_module(self, tmp_path: Path) -> None:
        path = write_gradescope_zip(with_package(tmp_path / "a"), tmp_path / "auto.zip")
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
        assert {f"assignment/answers/{name}" for name in PACKAGE} <= names

    def test_the_wheel_holds_the_modules_of_the_shipped_answers(self, tmp_path: Path) -> None:
        name, content = build_wheel()
        (tmp_path / name).write_bytes(content)
        with zipfile.ZipFile(tmp_path / name) as archive:
            names = set(archive.namelist())
        folder = load_assignment("lime_shap").folder
        modules = [path.relative_to(folder).as_posix() for path in (folder / "answers").glob("*.py")]
        assert len(modules) > 2
        assert {f"twinlens/grading/assignments/lime_shap/{module}" for module in modules} <= names
