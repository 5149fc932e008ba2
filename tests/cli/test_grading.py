"""The grader's commands as they are called from a shell."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twinlens.cli import app
from twinlens.grading import grade as grading
from twinlens.grading.sandbox import Isolation, SandboxError, probe

from ..frameworks import ANY, BOTH, need
from ..grading.handed_in import CENTRED, DOUBLED, HALF, RIGHT, TABLES, code, write

HEAVY = ("torch", "paddle", "numpy", "matplotlib", "jinja2", "yaml")
COMMANDS = ("start", "check", "grade", "check-assignment", "gradescope")
INVOKE = CliRunner().invoke


@pytest.fixture
def sandbox() -> Isolation:
    try:
        return probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox works here: {error.cause}")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: str) -> None:
    program = (
        "import sys\nfrom twinlens.cli import app\n"
        "try:\n    app(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, command, "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "LOADED", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["start", "salency", "hw", "--framework", "torch"], "Did you mean 'saliency'?"),
        (["start", "saliency", "hw", "--framework", "jax"], "torch, paddle"),
        (["start", str(TABLES), ".", "--framework", "torch"], "nothing is overwritten"),
        (["check", "nowhere"], "There is no"),
        (["check", "mine.py"], "--assignment"),
        (["check", "mine.txt", "--assignment", str(TABLES)], "no folder, zip"),
        (["grade", "mine.py", "--assignment", "nothing", "--out", "out"], "no assignment"),
        (["grade", "nowhere", "--assignment", str(TABLES), "--out", "out"], "There is no 'nowhere'"),
        (["grade", "mine.py", "--assignment", str(TABLES), "--out", "."], "no grader wrote"),
        (["check-assignment", "nothing"], "no assignment"),
        (["check-assignment", str(TABLES), "--framework", "jax"], "jax"),
        (["gradescope", "nothing"], "no assignment"),
    ],
)
def test_what_the_user_got_wrong_is_one_line_and_exit_code_two(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path, {"mine.py": RIGHT, "mine.txt": "x"}))
    result = INVOKE(app, arguments)
    assert result.exit_code == 2, result.output
    assert named in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("Error")]) == 1
    assert "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", "mine.txt"}


@pytest.mark.parametrize("framework", BOTH)
def test_a_student_starts_checks_and_hands_in(framework: str, tmp_path: Path, sandbox: Isolation) -> None:
    need(framework)
    home = tmp_path / "hw"
    started = INVOKE(app, ["start", str(TABLES), str(home), "--framework", framework])
    assert started.exit_code == 0, started.output
    check = ["check", str(home), "--assignment", str(TABLES)]
    (home / "submission.py").write_text(code(DOUBLED, framework=framework))
    first = INVOKE(app, [*check, "--json"])
    assert first.exit_code == 1, first.output
    told = json.loads(first.stdout)
    assert [task["status"] for task in told["tasks"]] == ["passed", "crashed"]
    assert "centred" in told["tasks"][1]["message"]
    (home / "submission.py").write_text(code(DOUBLED, CENTRED, framework=framework))
    second = INVOKE(app, check)
    assert second.exit_code == 0, second.output
    assert "10 of 10 points" in second.stdout
    assert "other cases" in second.stdout


def test_check_gives_hints(tmp_path: Path, sandbox: Isolation) -> None:
    result = INVOKE(app, ["check", str(write(tmp_path, {"submission.py": HALF})), "--assignment", str(TABLES)])
    assert result.exit_code == 1
    assert "three times what is in the table" in " ".join(
        word for word in result.stdout.replace("│", " ").split() if word
    )


def test_grade_writes_the_gradebook_and_says_so(tmp_path: Path, sandbox: Isolation) -> None:
    folder, out = write(tmp_path / "in", {"ada.py": RIGHT, "bob.py": "x = 1\n"}), tmp_path / "out"
    result = INVOKE(app, ["grade", str(folder), "--assignment", str(TABLES), "--out", str(out), "--allow-weak"])
    assert result.exit_code == 0, result.output
    assert "Graded 2 of 2; on average 50.0 %." in result.stdout
    assert "ada: 10 of 10, passed (2 of 2)" in result.stderr
    assert (out / "gradebook.csv").is_file()


def test_grade_refuses_a_weak_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "probe", lambda **options: Isolation("C"))
    mine = write(tmp_path, {"ada.py": RIGHT}) / "ada.py"
    result = INVOKE(app, ["grade", str(mine), "--assignment", str(TABLES), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "--allow-weak" in result.stderr


def test_stopped_it_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "strong_enough", stop)
    mine = write(tmp_path, {"ada.py": RIGHT}) / "ada.py"
    result = INVOKE(app, ["grade", str(mine), "--assignment", str(TABLES), "--out", str(tmp_path / "out")])
    assert result.exit_code == 130
    assert "The same command goes on." in result.stderr


class TestCheckAssignment:
    def test_a_sound_one_passes_with_its_solution(self, tmp_path: Path, sandbox: Isolation) -> None:
        mine = write(tmp_path, {"right.py": RIGHT}) / "right.py"
        command = ["check-assignment", str(TABLES), "--seeds", "1", "--framework", ANY, "--solution", str(mine)]
        result = INVOKE(app, command)
        assert result.exit_code == 0, result.output
        assert "fit to be handed out" in result.stdout

    def test_every_kind_of_fault_is_named(self, tmp_path: Path, sandbox: Isolation) -> None:
        shutil.copytree(TABLES, tmp_path / "tables")
        answers = tmp_path / "tables" / "answers.py"
        text = answers.read_text("utf-8").replace(
            "random_generator(seed, int(public), len(task), 1)", "random_generator(0)"
        )
        twin = 'MISTAKES["doubled"].append(Mistake("twin", "Also {this}.", 0.5, tripled))\n'
        same = 'MISTAKES["centred"].append(Mistake("same", "No.", 0.5, lambda m, i: expected("centred", m, i)))\n'
        answers.write_text(f"{text}{twin}{same}MISTAKES['nothing'] = []\n", "utf-8")
        starter = tmp_path / "tables" / "starter.py"
        starter.write_text(
            starter.read_text("utf-8").replace('raise NotImplementedError("TODO")', "return 2 * table", 1)
        )
        wrong = write(tmp_path, {"wrong.py": HALF}) / "wrong.py"
        command = ["check-assignment", str(tmp_path / "tables"), "--seeds", "2", "--framework", ANY]
        result = INVOKE(app, [*command, "--solution", str(wrong)])
        assert result.exit_code == 1, result.output
        for named in (
            "'nothing', which is no task",
            "a hidden case is the public one",
            "two seeds give the same case",
            "'tripled' and 'twin' cannot be told apart",
            "'twin' names 'this', which is not measured",
            "'twin' is taken for tripled",
            "'same' cannot be told from the reference",
            "'same' gets all points",
            "the starter gets 4 of 4 points",
            "the solution 'wrong.py' does not pass",
        ):
            assert named in result.stdout, result.stdout


class TestGradescope:
    def test_the_zip_holds_what_gradescope_runs_and_all_that_it_needs(self, tmp_path: Path) -> None:
        path = tmp_path / "auto.zip"
        assert INVOKE(app, ["gradescope", str(TABLES), "--out", str(path)]).exit_code == 0
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            (wheel,) = [name for name in names if name.endswith(".whl")]
            for name in ("setup.sh", "run_autograder"):
                assert stat.S_IMODE(archive.getinfo(name).external_attr >> 16) == 0o755
                text = archive.read(name).decode()
                assert text.startswith("#!/usr/bin/env bash\n")
                subprocess.run(["bash", "-n"], input=text, text=True, check=True)
            run = archive.read("run_autograder").decode()
            archive.extract(wheel, tmp_path)
        assert {"assignment/answers.py", "assignment/assignment.yaml", "assignment/driver.py"} <= set(names)
        assert "/autograder/results/results.json" in run
        assert "--allow-weak" not in run
        self.imports(tmp_path / wheel)

    def imports(self, wheel: Path) -> None:
        folder = wheel.parent / "site"
        with zipfile.ZipFile(wheel) as archive:
            assert archive.testzip() is None
            archive.extractall(folder)
        program = (
            "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
            f"sys.path.insert(0, {str(folder)!r})\n"
            "import twinlens.cli, twinlens.grading.grade as g, twinlens.datasets, twinlens.figures\n"
            "from twinlens.grading.assignment import shipped\n"
            "print(g.__file__, *shipped())"
        )
        done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        place, *found = done.stdout.split()
        assert Path(place).is_relative_to(folder)
        assert "saliency" in found

    def test_a_weak_sandbox_is_allowed_on_demand_and_the_zip_is_the_same_every_time(self, tmp_path: Path) -> None:
        paths = [tmp_path / "a.zip", tmp_path / "b.zip"]
        for path in paths:
            assert INVOKE(app, ["gradescope", str(TABLES), "--out", str(path), "--allow-weak"]).exit_code == 0
        assert paths[0].read_bytes() == paths[1].read_bytes()
        with zipfile.ZipFile(paths[0]) as archive:
            assert "--allow-weak" in archive.read("run_autograder").decode()

    def test_what_it_runs_writes_the_results(self, tmp_path: Path, sandbox: Isolation) -> None:
        """As in the container, but for the places."""
        path = tmp_path / "auto.zip"
        INVOKE(app, ["gradescope", str(TABLES), "--out", str(path), "--allow-weak"])
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "autograder" / "source")
        write(tmp_path / "autograder", {"submission/homework.py": HALF, "results/stdout": ""})
        run = (tmp_path / "autograder" / "source" / "run_autograder").read_text()
        run = run.replace("/opt/twinlens/bin/twinlens", f"{sys.executable} -m twinlens")
        run = run.replace("/autograder/", f"{tmp_path}/autograder/")
        done = subprocess.run(["bash", "-c", run], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        told = json.loads((tmp_path / "autograder" / "results" / "results.json").read_text("utf-8"))
        assert told["score"] == 4
        assert [test["score"] for test in told["tests"]] == [1, 3]
