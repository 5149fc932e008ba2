"""The folder that a student starts from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import ConfigError, DataError
from twinlens.grading import start as module
from twinlens.grading.assignment import LoadedAssignment, load_assignment, shipped
from twinlens.grading.framework_choice import named_framework
from twinlens.grading.leaks import leaks
from twinlens.grading.one import given
from twinlens.grading.start import cut, start
from twinlens.grading.submission import read_submission

from ..frameworks import BOTH, need
from .handed_in import TABLES, tables

NAMES = {
    "README.md", "driver.py", "network.py", "runner.py", "submission.py", "submission.ipynb", "submission.toml",
    "public/doubled.npz", "public/centred.npz", "public/network.npz",
}  # fmt: skip


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("framework", BOTH)
class TestFolder:
    def test_it_holds_what_a_student_needs_and_no_answers(self, tmp_path: Path, framework: str) -> None:
        written = start(tables(), framework, tmp_path / "new" / "hw")
        assert {path.relative_to(tmp_path / "new" / "hw").as_posix() for path in written} == NAMES
        assert names(tmp_path / "new" / "hw") == NAMES
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["hw"]

    def test_it_can_be_handed_in_as_it_is(self, tmp_path: Path, framework: str) -> None:
        start(tables(), framework, tmp_path / "hw")
        found = read_submission(tmp_path / "hw", given=given(tables()))
        assert (found.framework, found.assignment, found.flags) == (framework, "tables", ())

    def test_the_notebook_holds_the_starter_in_tagged_cells(self, tmp_path: Path, framework: str) -> None:
        start(tables(), framework, tmp_path / "hw")
        notebook = json.loads((tmp_path / "hw" / "submission.ipynb").read_text("utf-8"))
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
        (tmp_path / "hw" / "submission.py").unlink()
        code = read_submission(tmp_path / "hw").files["submission.py"]
        assert named_framework(code) == framework
        scope: dict[str, object] = {}
        exec(compile(code, "submission.py", "exec"), scope)
        assert {"doubled", "centred"} <= set(scope)
        assert b"public/" not in code


@pytest.mark.parametrize("framework", BOTH)
class TestTryingThingsOut:
    def test_the_notebooks_last_cell_gives_the_network_with_the_public_weights(
        self, tmp_path: Path, framework: str
    ) -> None:
        need(framework)
        start(load_assignment("feature_maps"), framework, tmp_path / "hw")
        last = json.loads((tmp_path / "hw" / "submission.ipynb").read_text("utf-8"))["cells"][-1]
        bias = "print(*net.conv1.bias.detach().numpy())"
        program = f"FRAMEWORK = {framework!r}\n{''.join(last['source'])}\n{bias}\nprint(*inputs)"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path / "hw", capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        printed, names_of_inputs = done.stdout.splitlines()[-2:]
        with np.load(tmp_path / "hw" / "public" / "network.npz") as weights:
            np.testing.assert_allclose(np.array(printed.split(), np.float32), weights["conv1.bias"], rtol=1e-6)
        assert set(names_of_inputs.split()) == {"first", "second", "layer"}


class TestPublicData:
    def test_it_is_the_same_for_everybody_and_not_a_hidden_case(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            start(tables(), "torch", tmp_path / name)
        first, second = ((tmp_path / name / "public" / "doubled.npz").read_bytes() for name in ("a", "b"))
        assert first == second
        public = np.load(tmp_path / "a" / "public" / "doubled.npz")["table"]
        hidden = tables().answers().cases("doubled", 0, public=False)["table"]
        assert not np.array_equal(public, hidden)


class TestNothingIsOverwritten:
    @pytest.mark.parametrize("taken", ["file", "folder"])
    def test_where_something_is_already_nothing_is_written(self, tmp_path: Path, taken: str) -> None:
        place = tmp_path / "hw"
        if taken == "file":
            place.write_text("mine")
        else:
            place.mkdir()
            (place / "submission.py").write_text("mine")
        with pytest.raises(DataError, match="nothing is overwritten"):
            start(tables(), "torch", place)
        assert [path.name for path in tmp_path.iterdir()] == ["hw"]
        assert (place if taken == "file" else place / "submission.py").read_text() == "mine"

    def test_an_empty_folder_stays_the_same_folder(self, tmp_path: Path) -> None:
        (tmp_path / "hw").mkdir()
        before = (tmp_path / "hw").stat().st_ino
        start(tables(), "torch", tmp_path / "hw")
        assert (tmp_path / "hw").stat().st_ino == before
        assert names(tmp_path / "hw") == NAMES

    @pytest.mark.parametrize("empty_folder", [False, True])
    @pytest.mark.parametrize("call", ["write", "move"])
    def test_a_failure_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_folder: bool, call: str
    ) -> None:
        place = tmp_path / "new" / "hw"
        if empty_folder:
            place.mkdir(parents=True)
        owner, name = (Path, "write_bytes") if call == "write" else (module.os, "rename")
        works, calls = getattr(owner, name), []

        def fail_at_the_second(*arguments: object) -> None:
            calls.append(arguments)
            if len(calls) > 1 or (call == "move" and not empty_folder):
                raise OSError(28, "No space left on device")
            works(*arguments)

        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(owner, name, fail_at_the_second)
        with pytest.raises(DataError, match="No space left"):
            start(tables(), "torch", place)
        assert sorted(tmp_path.rglob("*")) == before


class TestRefusals:
    @pytest.mark.parametrize("framework", ["jax", "pytorch", "../torch", ""])
    def test_another_framework_is_refused(self, tmp_path: Path, framework: str) -> None:
        with pytest.raises(ConfigError, match="torch, paddle"):
            start(tables(), framework, tmp_path / "hw")
        assert list(tmp_path.iterdir()) == []

    def test_a_starter_without_its_line_is_the_authors_mistake(self, tmp_path: Path) -> None:
        shutil.copytree(TABLES, tmp_path / "tables")
        (tmp_path / "tables" / "starter.py").write_text("x = 1\n")
        with pytest.raises(ConfigError, match="names no framework"):
            start(load_assignment(tmp_path / "tables"), "torch", tmp_path / "hw")


def test_code_is_cut_between_functions_and_nothing_is_lost() -> None:
    code = '"""Doc."""\n\nX = 1\n\n\n# About f.\n@d\ndef f():\n    pass\n\n\nY = 2\n\n\nclass C:\n    pass\n'
    parts = cut(code)
    assert [part.splitlines()[0] for part in parts] == ['"""Doc."""', "# About f.", "class C:"]
    assert "".join("".join(parts).split()) == "".join(code.split())


class TestLeaks:
    def changed(self, tmp_path: Path, name: str, text: str) -> LoadedAssignment:
        shutil.copytree(TABLES, tmp_path / "tables")
        path = tmp_path / "tables" / name
        path.write_text(path.read_text("utf-8") + text, "utf-8")
        return load_assignment(tmp_path / "tables")

    @pytest.mark.parametrize("name", [*shipped(), "tables"])
    def test_the_shipped_assignments_leak_nothing(self, name: str) -> None:
        assert leaks(load_assignment(TABLES if name == "tables" else name)) == []

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("starter.py", "\n\ndef f(a, table):\n    means_of_all_rows  =  table.mean( axis = 1 )\n    X = table\n"),
            ("README.md", "\n```\nmeans_of_all_rows = table.mean(axis=1)\n```\n"),
        ],
    )
    def test_an_answer_in_a_students_file_is_found_whatever_its_layout(
        self, tmp_path: Path, name: str, text: str
    ) -> None:
        text = text.replace(
            "    X = table\n",
            "    return {'centred': table - means_of_all_rows[:, None], 'means': means_of_all_rows}\n",
        ).replace(
            "axis=1)\n```",
            "axis=1)\nreturn {'centred': table - means_of_all_rows[:, None], 'means': means_of_all_rows}\n```",
        )
        found = leaks(self.changed(tmp_path, name, text))
        assert any(name in sentence and "'expected'" in sentence for sentence in found)

    def test_an_import_of_what_students_lack_is_found(self, tmp_path: Path) -> None:
        found = leaks(self.changed(tmp_path, "driver.py", "\n\ndef g():\n    from twinlens import explain\n"))
        assert found == ["'driver.py' imports 'twinlens', which students do not have."]
