"""From submissions to results: one by one, and a whole class that nothing can stop."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinlens.backends import available_backends
from twinlens.errors import ConfigError, DataError
from twinlens.grading import grade as module
from twinlens.grading import one, pool
from twinlens.grading.archives import SubmissionError
from twinlens.grading.grade import grade, grade_one
from twinlens.grading.one import NOT_GRADED, refused
from twinlens.grading.output import file_name
from twinlens.grading.protocol import Arrays, Expected, Outcome
from twinlens.grading.result import Result
from twinlens.grading.sandbox import Isolation, SandboxError, probe
from twinlens.grading.submission import Submission, read_submission

from ..frameworks import ANY
from .handed_in import BY_COLUMN, CENTRED, DOUBLED, HALF, RIGHT, TABLES, Known, code, tables, write, zipped

CRASH = code("def doubled(table):\n    raise ValueError('no')\n", CENTRED)


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    try:
        return probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox works here: {error.cause}")


def graded(text: str, isolation: Isolation, seed: int = 1, known: Known | None = None) -> Result:
    submission = Submission("lee", ANY, {"submission.py": text.encode()}, "0" * 64)  # type: ignore[arg-type]
    return grade_one(submission, tables(), seed, isolation, known or Known(tables()))


def scores(result: Result) -> list[tuple[float, str, str | None]]:
    return [(task.score, task.status, task.hint_id) for task in result.tasks]


class TestOne:
    def test_a_right_submission_has_all_points_on_every_seed(self, isolation: Isolation) -> None:
        for seed in (0, 1, 2**47):
            result = graded(RIGHT, isolation, seed)
            assert (result.score, result.status, result.seed) == (10, "passed", seed)

    def test_known_mistakes_get_their_hints_and_credit(self, isolation: Isolation) -> None:
        result = graded(HALF, isolation)
        assert scores(result) == [(1, "partial", "tripled"), (3, "partial", "by_column")]
        assert "three times" in result.tasks[0].message

    def test_a_crash_costs_its_own_task_alone_and_nothing_is_computed_for_it(self, isolation: Isolation) -> None:
        known = Known(tables())
        result = graded(CRASH, isolation, known=known)
        assert scores(result) == [(0, "crashed", None), (6, "passed", None)]
        assert known.asked == ["centred"]

    def test_the_answers_are_computed_only_after_the_last_process_of_the_student(
        self, isolation: Isolation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order: list[str] = []
        run = one.run_student

        def running(*arguments: object, **options: object) -> Outcome:
            outcome = run(*arguments, **options)  # type: ignore[arg-type]
            order.append("student ended")
            return outcome

        class Ordered(Known):
            def expected(self, task: str, inputs: Arrays, weights: Arrays) -> Expected:
                order.append("answers")
                return super().expected(task, inputs, weights)

        monkeypatch.setattr(one, "run_student", running)
        graded(RIGHT, isolation, known=Ordered(tables()))
        assert order == ["student ended"] * 2 + ["answers"] * 2

    def test_modules_beside_it_can_be_imported_and_the_assignments_own_files_cannot_be_replaced(
        self, isolation: Isolation, tmp_path: Path
    ) -> None:
        files = {
            "submission.py": f"{code(CENTRED)}from helper import doubled\n",
            "helper.py": DOUBLED,
            "driver.py": "def run(*arguments):\n    return {}\n",
            "numpy.py": "1 / 0\n",
        }
        submission = read_submission(write(tmp_path / "lee", files))
        result = grade_one(submission, tables(), 1, isolation, Known(tables()))
        assert result.status == "passed"
        assert len(result.flags) == 2

    def test_the_result_names_the_sandbox_and_the_versions(self, isolation: Isolation) -> None:
        result = graded(RIGHT, isolation)
        assert (result.isolation.tier, result.isolation.name) == (isolation.tier, isolation.name)
        assert len(result.isolation.holds) + len(result.isolation.lacks) == len(isolation.barriers)
        assert {"python", "numpy", "twinlens", ANY} <= set(result.submission.versions)

    def test_a_submission_for_another_assignment_is_flagged(self, isolation: Isolation, tmp_path: Path) -> None:
        files = {"submission.py": RIGHT, "submission.toml": 'assignment = "saliency"\n'}
        submission = read_submission(write(tmp_path / "lee", files))
        result = grade_one(submission, tables(), 1, isolation, Known(tables()))
        assert result.score == 10
        assert "saliency" in result.flags[0]

    def test_a_refused_one_has_the_sentence_in_every_task(self, isolation: Isolation) -> None:
        result = refused("lee", tables(), 1, isolation, SubmissionError("It is a link.", "Hand in files."))
        assert scores(result) == [(0, "no_output", None)] * 2
        assert {task.message for task in result.tasks} == {"It is a link. Hand in files."}
        assert result.flags == ["Refused: It is a link."]

    def test_a_framework_that_the_grader_lacks_is_not_the_students_fault(
        self, isolation: Isolation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(one, "available_backends", list)
        with pytest.raises(Exception, match="grader's machine"):
            graded(RIGHT, isolation)


def gradebook(out: Path) -> list[dict[str, str]]:
    with (out / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def handed_in(folder: Path) -> Path:
    """A small class, on all frameworks that there are, some of it hostile."""
    last = available_backends()[-1]
    write(
        folder,
        {
            "ada/submission.py": RIGHT,
            "bob.py": HALF,
            "crash.py": CRASH,
            "exit.py": code("import os\nos._exit(0)", DOUBLED, CENTRED),
            "kim_12_34_hw.py": code(DOUBLED, BY_COLUMN, framework=last),
            "none/notes.txt": "I was ill.",
            "syntax.py": 'FRAMEWORK = "torch"\ndef doubled(:\n'.replace("torch", ANY),
        },
    )
    (folder / "zoe.zip").write_bytes(zipped({"hw/submission.py": code(DOUBLED, CENTRED, framework=last)}))
    (folder / "evil.zip").write_bytes(zipped({"../../submission.py": RIGHT}))
    return folder


SCORES = {
    "ada": ("10", "passed"), "bob": ("4", "partial"), "crash": ("6", "partial"), "evil": ("0", "no_output"),
    "exit": ("0", "no_output"), "kim_12": ("7", "partial"), "none": ("0", "no_output"), "syntax": ("0", "crashed"),
    "zoe": ("10", "passed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> tuple[Path, Path, list[Result]]:
    folder = tmp_path_factory.mktemp("batch")
    submissions = handed_in(folder / "in")
    return submissions, folder / "out", grade([submissions], tables(), folder / "out", 2, seed=7, allow_weak=True)


class TestClass:
    def test_everybody_gets_what_the_arrays_earn(self, batch: tuple[Path, Path, list[Result]]) -> None:
        rows = gradebook(batch[1])
        assert {row["id"]: (row["score"], row["status"]) for row in rows} == SCORES
        assert [row["id"] for row in rows] == sorted(SCORES)

    def test_every_submission_has_its_files_and_the_class_its_own(self, batch: tuple[Path, Path, list[Result]]) -> None:
        _, out, results = batch
        assert {path.name for path in out.iterdir()} == {
            "results", "feedback", "gradescope", "gradebook.csv", "junit.xml", "summary.html", "journal.jsonl",
        }  # fmt: skip
        for kind, ending in (("results", "json"), ("feedback", "html"), ("gradescope", "json")):
            assert {path.name for path in (out / kind).iterdir()} == {f"{name}.{ending}" for name in SCORES}
        assert Result.load(out / "results" / "bob.json") == next(r for r in results if r.submission.id == "bob")

    def test_students_read_neither_seed_nor_hidden_values(self, batch: tuple[Path, Path, list[Result]]) -> None:
        for result in batch[2]:
            table = tables().answers().cases("doubled", result.seed, public=False)["table"]
            for kind, ending in (("feedback", "html"), ("gradescope", "json")):
                text = (batch[1] / kind / f"{result.submission.id}.{ending}").read_text("utf-8")
                assert str(result.seed) not in text
                assert not any(f"{value:.4f}" in text for value in table.flat)

    def test_everybody_has_cases_of_their_own(self, batch: tuple[Path, Path, list[Result]]) -> None:
        assert len({result.seed for result in batch[2]}) == len(SCORES)

    def test_run_again_nothing_is_graded_twice(
        self, batch: tuple[Path, Path, list[Result]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = (batch[1] / "gradebook.csv").read_bytes()

        def never(jobs: list[pool.Job], *arguments: object) -> object:
            assert jobs == []
            return (result for result in ())

        monkeypatch.setattr(module, "grade_all", never)
        grade([batch[0]], tables(), batch[1], allow_weak=True)
        assert (batch[1] / "gradebook.csv").read_bytes() == before


class TestGoingOn:
    def test_killed_at_random_moments_it_ends_with_the_same_gradebook(
        self, batch: tuple[Path, Path, list[Result]], tmp_path: Path
    ) -> None:
        program = (
            "import sys; from pathlib import Path\n"
            "from twinlens.grading.assignment import load_assignment\n"
            "from twinlens.grading.grade import grade\n"
            "here, there, out = map(Path, sys.argv[1:])\n"
            "grade([there], load_assignment(here), out, 2, seed=7, allow_weak=True)\n"
        )
        command = [sys.executable, "-c", program, str(TABLES), str(batch[0]), str(tmp_path / "out")]
        journal, moments = tmp_path / "out" / "journal.jsonl", random.Random(3)
        for lines in (0, 3):
            process = subprocess.Popen(command)
            until = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < until:
                if journal.exists() and journal.read_bytes().count(b"\n") > lines:
                    time.sleep(moments.uniform(0, 0.3))
                    break
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        until = time.monotonic() + 20
        while True:  # the workers of the killed one let go
            try:
                grade([batch[0]], tables(), tmp_path / "out", 2, seed=7, allow_weak=True)
                break
            except ConfigError:
                assert time.monotonic() < until
                time.sleep(0.1)
        assert gradebook(tmp_path / "out") == gradebook(batch[1])


class TestTheGraderFails:
    def test_a_worker_that_dies_is_replaced_and_the_rest_is_graded(
        self, isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask = pool._Worker.ask
        killed: list[str] = []

        def ask_a_dead_one(worker: pool._Worker, job: pool.Job) -> dict[str, object]:
            if not killed:
                killed.append(job.id)
                process = worker._running()
                assert process is not None
                os.kill(process.pid, signal.SIGKILL)
            return ask(worker, job)

        monkeypatch.setattr(pool._Worker, "ask", ask_a_dead_one)
        folder = write(tmp_path / "in", {"ada.py": RIGHT, "bob.py": RIGHT})
        assert [result.score for result in grade([folder], tables(), tmp_path / "out", allow_weak=True)] == [10, 10]

    def test_what_could_not_be_graded_is_named_and_tried_again_and_what_is_gone_is_gone(
        self, isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, out = write(tmp_path / "in", {"ada.py": RIGHT, "bob.py": RIGHT}), tmp_path / "out"
        ask = pool._Worker.ask
        with monkeypatch.context() as patched:
            patched.setattr(
                pool._Worker, "ask", lambda w, job: {"error": "No luck."} if job.id == "ada" else ask(w, job)
            )
            ada, bob = grade([folder], tables(), out, allow_weak=True)
        assert ada.flags == [f"{NOT_GRADED} No luck."]
        assert (ada.score, bob.score) == (0, 10)
        assert "no fault of yours" in ada.tasks[0].message
        (folder / "bob.py").unlink()
        assert [result.score for result in grade([folder], tables(), out, allow_weak=True)] == [10]
        assert [path.name for path in (out / "feedback").iterdir()] == ["ada.html"]

    def test_stopped_in_the_midst_no_process_is_left_and_what_is_done_is_kept(
        self, isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[int] = []
        popen = subprocess.Popen

        class Noted(popen):  # type: ignore[type-arg, misc, valid-type]
            def __init__(self, *arguments: object, **options: object) -> None:
                super().__init__(*arguments, **options)
                started.append(self.pid)

        sleeper = code("import time", "def doubled(table):\n    time.sleep(100)\n", CENTRED)
        folder = write(tmp_path / "in", {"ada.py": RIGHT, "sleeper.py": sleeper})

        def stop(*told: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(pool.subprocess, "Popen", Noted)
        with pytest.raises(KeyboardInterrupt):
            grade([folder], tables(), tmp_path / "out", 2, allow_weak=True, told=stop)
        monkeypatch.undo()
        assert started
        assert not any(os.path.exists(f"/proc/{number}") for number in started)
        lines = (tmp_path / "out" / "journal.jsonl").read_text().splitlines()
        assert [json.loads(line)["result"]["submission"]["id"] for line in lines[1:]] == ["ada"]


class TestItsOwnFolder:
    def test_a_run_among_the_submissions_goes_on_without_grading_itself(
        self, isolation: Isolation, tmp_path: Path
    ) -> None:
        folder = write(tmp_path / "in", {"ada/submission.py": RIGHT, "bob/submission.py": RIGHT})
        out = folder / "graded"
        for paths in ([folder], [folder], sorted(folder.iterdir())):
            found = grade(paths, tables(), out, seed=1, allow_weak=True)
            assert [result.submission.id for result in found] == ["ada", "bob"]

    @pytest.mark.parametrize(
        ("path", "out", "single"), [("ada", "ada/out", False), (".", "ada/out", False), (".", "out", True)]
    )
    def test_inside_of_a_submission_it_is_refused_before_anything_is_written(
        self, tmp_path: Path, path: str, out: str, single: bool
    ) -> None:
        write(tmp_path, {"ada/submission.py": RIGHT})
        with pytest.raises(ConfigError, match=r"lies inside of a submission.*Choose an --out outside of it"):
            grade([tmp_path / path], tables(), tmp_path / out, single=single)
        assert [path.name for path in tmp_path.rglob("*")] == ["ada", "submission.py"]


class TestRefusals:
    def test_a_weak_sandbox_needs_permission_and_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "probe", lambda **options: Isolation("C"))
        folder = write(tmp_path / "in", {"ada.py": "x = 1\n"})
        with pytest.raises(ConfigError, match=r"tier C: limits only.*--allow-weak"):
            grade([folder], tables(), tmp_path / "out")
        assert not (tmp_path / "out").exists()
        told: list[str] = []
        (result,) = grade([folder], tables(), tmp_path / "out", allow_weak=True, say=told.append)
        assert result.isolation.tier == "C"
        assert any("weak" in line for line in told)

    def test_a_folder_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        folder = write(tmp_path / "in", {"ada.py": RIGHT})
        out = write(tmp_path / "out", {"thesis.txt": "mine"})
        with pytest.raises(DataError, match="no grader wrote"):
            grade([folder], tables(), out)
        assert [path.name for path in out.iterdir()] == ["thesis.txt"]

    @pytest.mark.parametrize(
        ("paths", "options", "named"),
        [
            (["nowhere"], {}, "no 'nowhere'|There is no"),
            (["empty"], {}, "no submissions"),
            (["in"], {"jobs": 0}, "--jobs"),
            (["in"], {"seed": -1}, "seed"),
        ],
    )
    def test_wrong_arguments_are_named(
        self, tmp_path: Path, paths: list[str], options: dict[str, int], named: str
    ) -> None:
        write(tmp_path, {"in/ada.py": RIGHT, "empty/notes.txt": ""})
        (tmp_path / "empty" / "notes.txt").rename(tmp_path / "notes.txt")
        with pytest.raises((ConfigError, DataError), match=named):
            grade([tmp_path / path for path in paths], tables(), tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("id", ["lee", "Kim Lee_12", "李雷"])
def test_plain_ids_are_file_names(id: str) -> None:
    assert file_name(id) == id


def test_other_ids_get_file_names_of_their_own() -> None:
    ids = ["a/b", "a\\b", "a:b", "..", ".", "a" * 300, "a" * 299, "con*", "<b>"]
    names = [file_name(id) for id in ids]
    assert len({name.casefold() for name in names}) == len(ids)
    assert all(set(name).isdisjoint('/\\:*?"<>|') and not name.startswith(".") and len(name) < 120 for name in names)
