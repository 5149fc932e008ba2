"""Hostile submissions end with the points that their arrays earn, and neither the grader nor anybody else notices.

What does not depend on a framework is tried on the small assignment in ``assignment_folders/tables``, whose students'
processes start at once; what does, on `saliency`, on both frameworks.
"""

from __future__ import annotations

import csv
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from twinlens.grading.archives import SubmissionError
from twinlens.grading.assignment import Limits, LoadedAssignment, load_assignment
from twinlens.grading.grade import grade, grade_one
from twinlens.grading.result import Result
from twinlens.grading.sandbox import Isolation, SandboxError, probe
from twinlens.grading.submission import Submission, read_submission
from twinlens.grading.trusted import Trusted

from ..frameworks import ANY, BOTH, need
from .assignments.trying import source
from .handed_in import HALF, RIGHT, TABLES, Known, tables, write
from .hostile_submissions import FOUND, Attack, attacks, hostile_archives
from .sandbox.conftest import left_behind

LIMITS = Limits(cpu_seconds=2, wall_seconds=30, memory_mb=64, processes=16, file_mb=4, output_mb=2, log_kb=16)
NAMES = [attack.name for attack in attacks(1, 1, "/")]


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    try:
        found = probe()
    except SandboxError as error:
        pytest.skip(f"no sandbox works here: {error.cause}")
    if found.weak or found.no_forks:
        pytest.skip(f"this machine's sandbox is weak: {found.name}")
    return found


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secret")
    return write(folder, {"answers.txt": "the answers"}) / "answers.txt"


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture(scope="module")
def known_attacks(secret: Path, server: socket.socket) -> dict[str, Attack]:
    return {attack.name: attack for attack in attacks(os.getpid(), server.getsockname()[1], str(secret))}


def state_of_this_process() -> dict[str, Any]:
    """What an attack on the grader would change."""
    kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE)
    return {
        "process": os.getpid(),
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "masked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "limits": [resource.getrlimit(kind) for kind in kinds],
        "folder": os.getcwd(),
        "path": list(sys.path),
        "functions": (np.allclose, np.load, np.asarray, isinstance, np.testing.assert_allclose),
        "open files": len(os.listdir("/proc/self/fd")),
    }


@pytest.fixture
def unharmed(
    monkeypatch: pytest.MonkeyPatch, secret: Path, server: socket.socket, isolation: Isolation
) -> Iterator[None]:
    """The grader, its files and its network are as they were, and no process is left."""
    monkeypatch.setenv("TWINLENS_TEST_SECRET", "of the grader")
    before = state_of_this_process()
    yield
    assert state_of_this_process() == before
    assert left_behind() == []
    assert [path.name for path in secret.parent.iterdir()] == ["answers.txt"]
    assert secret.read_text() == "the answers"
    with pytest.raises(BlockingIOError):
        server.accept()


def on_tables(wall_seconds: float) -> LoadedAssignment:
    loaded = tables()
    limits = LIMITS.model_copy(update={"wall_seconds": wall_seconds})
    return replace(loaded, assignment=loaded.assignment.model_copy(update={"limits": limits}))


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", NAMES)
def test_an_attack_earns_nothing_and_costs_nobody(
    name: str, known_attacks: dict[str, Attack], isolation: Isolation
) -> None:
    attack = known_attacks[name]
    files = {file: text.encode() for file, text in {"submission.py": attack.text, **attack.files}.items()}
    submission = Submission("eve", ANY, files, "0" * 64)  # type: ignore[arg-type]
    loaded = on_tables(attack.wall_seconds)
    result = grade_one(submission, loaded, 11, isolation, Known(loaded))
    check(attack, result)
    if attack.files:
        return
    if "output" in attack.id:
        assert len(result.tasks[0].log_tail.encode()) <= 1024 * LIMITS.log_kb


def check(attack: Attack, result: Result) -> None:
    first, second = result.tasks
    told = (first.status, first.score, first.message, first.log_tail[-500:])
    assert first.status in attack.statuses, told
    assert first.score == attack.score, told
    assert second.status == attack.beside, (second.status, second.message, second.log_tail[-500:])
    assert second.score == (6 if attack.beside == "passed" else 0)
    assert FOUND not in first.log_tail, told
    assert all(letter.isprintable() or letter == "\n" for letter in first.message)


class TestArchives:
    @pytest.mark.parametrize("name", hostile_archives("/outside"))
    def test_a_hostile_zip_is_refused_and_nothing_is_unpacked(self, name: str, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        path = tmp_path / "in" / "lee.zip"
        path.parent.mkdir()
        path.write_bytes(hostile_archives(str(outside))[name])
        with pytest.raises(SubmissionError):
            read_submission(path)
        assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["in", "lee.zip", "outside"]


@pytest.fixture(scope="module")
def classes(
    tmp_path_factory: pytest.TempPathFactory, isolation: Isolation, known_attacks: dict[str, Attack]
) -> tuple[Path, Path, dict[str, Result], dict[str, Result]]:
    """Two students graded alone, and then among all hostile ones."""
    top = tmp_path_factory.mktemp("classes")
    content = yaml.safe_load((TABLES / "assignment.yaml").read_text("utf-8"))
    content["limits"] = LIMITS.model_copy(update={"wall_seconds": 8.0}).model_dump()
    texts = {path.name: path.read_text("utf-8") for path in TABLES.iterdir() if path.is_file()}
    loaded = load_assignment(write(top / "tables", {**texts, "assignment.yaml": yaml.safe_dump(content)}))
    alone, together = (write(top / name, {"ada.py": RIGHT, "zoe.py": HALF}) for name in ("alone", "together"))
    for attack in known_attacks.values():
        write(together / attack.name, {"submission.py": attack.text, **attack.files})
    for name, archive in hostile_archives(str(top)).items():
        (together / f"{name}.zip").write_bytes(archive)
    write(together, {"=cmd() <script>x.py": known_attacks["29-markup_in_messages"].text})
    before, after = (
        {result.submission.id: result for result in grade([folder], loaded, top / f"out_{folder.name}", jobs, seed=5)}
        for folder, jobs in ((alone, 1), (together, 2))
    )
    return top / "out_alone", top / "out_together", before, after


def row(out: Path, id: str) -> dict[str, str]:
    with (out / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        return next(row for row in csv.DictReader(file) if row["id"] == id)


class TestClass:
    def test_the_others_have_what_they_had(
        self, classes: tuple[Path, Path, dict[str, Result], dict[str, Result]]
    ) -> None:
        out_before, out_after, before, after = classes
        used = {"cpu_s", "wall_s", "peak_mb"}
        for id in ("ada", "zoe"):
            assert row(out_before, id) == row(out_after, id)
            first, second = (
                result.model_dump(exclude={"tasks": {"__all__": used}}) for result in (before[id], after[id])
            )
            assert first == second
        assert (after["ada"].score, after["zoe"].score) == (10, 4)

    def test_every_hostile_one_has_what_it_has_alone(
        self, classes: tuple[Path, Path, dict[str, Result], dict[str, Result]], known_attacks: dict[str, Attack]
    ) -> None:
        after = classes[3]
        for attack in known_attacks.values():
            check(attack, after[attack.name])
        assert {after[name].score for name in after if name.startswith("25")} == {0}
        assert len(after) == len(known_attacks) + 2 + 4 + 1

    def test_no_markup_of_a_student_reaches_a_page_or_a_table(
        self, classes: tuple[Path, Path, dict[str, Result], dict[str, Result]]
    ) -> None:
        out = classes[1]
        for path in (*out.glob("feedback/*.html"), out / "summary.html", out / "junit.xml"):
            text = path.read_text("utf-8")
            assert "<script>alert" not in text, path.name
            assert "<script>x" not in text, path.name
            assert "\x1b" not in text, path.name
        with (out / "gradebook.csv").open(encoding="utf-8", newline="") as file:
            cells = [cell for line in csv.reader(file) for cell in line]
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]


# -- what depends on the framework -----------------------------------------------------------------------------------

ROOMY = Limits(cpu_seconds=7, wall_seconds=120, memory_mb=256, processes=32, file_mb=8, output_mb=4, log_kb=16)
TASK = "smooth_grad"
OTHERS = {
    "torch": {"zeros": "torch.zeros(4, 24, 32)", "library": "torch"},
    "paddle": {"zeros": "paddle.zeros([4, 24, 32])", "library": "paddle"},
}
ON_FRAMEWORKS = {
    "endless_loop": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import signal\n"
        "    for n in (signal.SIGXCPU, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
        "    while True:\n"
        "        try: compute_saliency_maps(net, pictures, labels)\n"
        "        except BaseException: pass\n",
        ("timeout",), 0,
    ),
    "memory_bomb": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    kept = []\n"
        "    while True: kept.append({library}.ones([1 << 20]) * len(kept))\n",
        ("memory",), 0,
    ),
    "patches": (
        "def always(*given, **options): return True\n"
        "{library}.allclose = {library}.equal = {library}.isclose = {library}.Tensor.__eq__ = always\n"
        "import numpy; numpy.allclose = numpy.array_equal = always\n"
        "def smooth_grad(net, pictures, labels, noise):\n    return {zeros}\n",
        ("failed",), 0,
    ),
    "odd_object": (
        "class Odd:\n"
        "    shape = (4, 24, 32)\n"
        "    def __eq__(self, other): return True\n"
        "    def __array_function__(self, *given): return True\n"
        "def smooth_grad(net, pictures, labels, noise):\n    return Odd()\n",
        ("bad_output", "crashed"), 0,
    ),
    "looks_for_answers": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import importlib, os, sys\n"
        "    for name in ('twinlens', 'twinlens.methods', 'twinlens.grading.assignment', 'answers'):\n"
        "        sys.modules.pop(name, None)\n"
        "        try: importlib.import_module(name)\n"
        "        except ImportError: continue\n"
        "        print('{found1}' + '{found2}', name)\n"
        "    for folder, folders, names in os.walk({folder!r}): print('{found1}' + '{found2}', folder)\n"
        "    frame = sys._getframe()\n"
        "    while frame is not None:\n"
        "        if {{'expected', 'reference', 'MISTAKES'}} & {{*frame.f_locals, *frame.f_globals}}:\n"
        "            print('{found1}' + '{found2}')\n"
        "        frame = frame.f_back\n"
        "    return {zeros}\n",
        ("failed",), 0,
    ),
    "swaps_weights_and_inputs": (
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import sys, numpy\n"
        "    for values in net.parameters(): values.stop_gradient = True\n"
        "    net.eval()\n"
        "    with {library}.no_grad():\n"
        "        for values in net.parameters():\n"
        "            values.zero_() if hasattr(values, 'zero_') else values.set_value({library}.zeros_like(values))\n"
        "    numpy.savez('network.npz'); numpy.savez('inputs.npz')\n"
        "    sys._getframe(2).f_locals['inputs']['noise'][:] = 0\n"
        "    return {zeros}\n",
        ("failed",), 0,
    ),
    "checkpoint_as_outputs": (
        "class Evil:\n"
        "    def __reduce__(self): return __import__('os').mkdir, ({mark!r},)\n"
        "def smooth_grad(net, pictures, labels, noise):\n"
        "    import os, pickle\n"
        "    {library}.save(dict(net.state_dict()), 'outputs.npz')\n"
        "    pickle.dump(Evil(), open('network.npz', 'wb'))\n"
        "    os._exit(0)\n",
        ("bad_output",), 0,
    ),
    "not_finite": (
        "def smooth_grad(net, pictures, labels, noise):\n    return {zeros} / 0\n",
        ("bad_output",), 0,
    ),
    "noisy_and_right": (
        "def smooth_grad(net, pictures, labels, noise, right=smooth_grad):\n"
        "    import sys, warnings\n"
        "    warnings.warn('a warning'); print('crashed: 0/3 points', file=sys.stderr); print('FAILED')\n"
        "    return right(net, pictures, labels, noise)\n",
        ("passed",), 3,
    ),
}  # fmt: skip


class Framework:
    """`saliency` with one task, and the process that knows its answers."""

    def __init__(self, name: str) -> None:
        need(name)
        loaded = load_assignment("saliency")
        tasks = [loaded.assignment.task(TASK)]
        self.name = name
        self.loaded = replace(loaded, assignment=loaded.assignment.model_copy(update={"tasks": tasks, "limits": ROOMY}))
        self.trusted = Trusted(name, self.loaded)
        self.first = source("saliency", name, "right")

    def submission(self, text: str) -> Submission:
        return Submission("eve", self.name, {"submission.py": text.encode()}, "0" * 64)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=BOTH)
def framework(request: pytest.FixtureRequest, isolation: Isolation) -> Iterator[Framework]:
    one = Framework(request.param)
    with one.trusted:
        case = one.loaded.answers().cases(TASK, 0, public=True)
        one.trusted.expected(TASK, case, one.loaded.answers().weights(0, public=True))  # it runs from now on
        yield one


class TestFrameworks:
    @pytest.mark.usefixtures("unharmed")
    @pytest.mark.parametrize("name", ON_FRAMEWORKS)
    def test_an_attack_earns_nothing(self, name: str, framework: Framework, isolation: Isolation, secret: Path) -> None:
        template, statuses, score = ON_FRAMEWORKS[name]
        text = template.format(
            **OTHERS[framework.name],
            found1=FOUND[:8],
            found2=FOUND[8:],
            folder=str(framework.loaded.folder),
            mark=f"{secret}.mark",
        )
        submission = framework.submission(f"{framework.first}\n\n{text}")
        (task,) = grade_one(submission, framework.loaded, 11, isolation, framework.trusted).tasks
        assert task.status in statuses, (task.message, task.log_tail[-1000:])
        assert task.score == score
        assert FOUND not in task.log_tail

    @pytest.mark.usefixtures("unharmed")
    def test_answers_to_the_public_case_are_worth_next_to_nothing(
        self, framework: Framework, isolation: Isolation
    ) -> None:
        answers = framework.loaded.answers()
        case, weights = answers.cases(TASK, 0, public=True), answers.weights(0, public=True)
        maps = framework.trusted.expected(TASK, case, weights).reference["maps"]
        text = (
            f"import numpy\nFRAMEWORK = {framework.name!r}\n"
            f"def smooth_grad(*given):\n    return numpy.array({maps.tolist()!r}, numpy.float32)\n"
        )
        submission = framework.submission(text)
        replayed = grade_one(submission, framework.loaded, 0, isolation, framework.trusted, public=True)
        assert replayed.percent == 100
        assert grade_one(submission, framework.loaded, 0, isolation, framework.trusted).percent < 15
