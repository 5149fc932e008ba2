"""Hostile submissions get the right status, leave nothing behind and reach nothing."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from twinlens.grading.assignment import Limits
from twinlens.grading.sandbox import Isolation, probe

from .conftest import BUSY, IDLE, MARK, Run, X

RIGHT = "def answer(x):\n    return x * 2\n"


def need_forks(isolation: Isolation, source: str) -> None:
    if "fork" in source and isolation.no_forks:
        pytest.skip(
            "no process can be started at all here: the tests run as root, and this tier gives no other account"
        )


def test_a_right_answer_comes_back_whatever_it_prints(run: Run) -> None:
    outcome = run(
        "import sys, warnings, logging\n"
        "def answer(x):\n"
        "    print('hello'); print('oh', file=sys.stderr); warnings.warn('careful'); logging.error('look')\n"
        "    return (x * 2).tolist()\n"
    )
    assert outcome.status == "ok", outcome
    assert outcome.outputs is not None
    np.testing.assert_array_equal(outcome.outputs["y"], X * 2)
    assert all(word in outcome.log_tail for word in ("hello", "oh", "careful", "look"))
    assert outcome.detail == ""
    assert 0 < outcome.cpu_s <= outcome.wall_s * 4
    assert outcome.peak_mb > 1


@pytest.mark.parametrize(
    "source",
    [
        "def answer(x):\n    while True: pass\n",
        "import signal\n"
        "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "def answer(x):\n"
        "    while True:\n"
        "        try:\n"
        "            while True: pass\n"
        "        except BaseException: pass\n",
        "import os\ndef answer(x):\n    for _ in range(3):\n        if os.fork() == 0: break\n    while True: pass\n",
    ],
    ids=["loop", "loop that catches everything", "loops in several processes"],
)
def test_computing_without_end_is_a_timeout(run: Run, isolation: Isolation, source: str) -> None:
    need_forks(isolation, source)
    outcome = run(source, limits=BUSY)
    assert outcome.status == "timeout", outcome
    assert outcome.outputs is None
    assert outcome.detail == "It computed for longer than 0.8 s."


def test_sleeping_without_end_is_a_timeout(run: Run) -> None:
    outcome = run("import time\ndef answer(x):\n    time.sleep(1000)\n", limits=IDLE)
    assert outcome.status == "timeout"
    assert outcome.detail == "It did not end within 1.5 s."


def test_arrays_written_before_a_timeout_do_not_count(run: Run) -> None:
    outcome = run(
        "import time, numpy\ndef answer(x):\n    numpy.savez('outputs.npz', y=x * 2)\n    time.sleep(1000)\n",
        limits=IDLE,
    )
    assert (outcome.status, outcome.outputs) == ("timeout", None)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy\ndef answer(x):\n    return numpy.ones((1 << 40,))\n",
        "def answer(x):\n    kept = []\n    while True: kept.append(bytearray(1 << 20))\n",
        "def answer(x):\n"
        "    kept = []\n"
        "    while True:\n"
        "        try: kept.append(bytearray(1 << 16))\n"
        "        except MemoryError: raise\n",
        "import os, time\n"
        "def answer(x):\n"
        "    for _ in range(6):\n"
        "        if os.fork() == 0: break\n"
        "    kept = bytearray(os.urandom(1 << 20) * 40)\n"
        "    time.sleep(10)\n",
    ],
    ids=["at once", "piece by piece", "small pieces", "in several processes"],
)
def test_too_much_memory_is_named_as_such(run: Run, isolation: Isolation, source: str) -> None:
    need_forks(isolation, source)
    outcome = run(source)
    assert outcome.status == "memory", outcome
    assert outcome.detail == "It needed more than 96 MiB of memory besides the framework's own."
    assert outcome.peak_mb < 96 * 4


def test_a_fork_bomb_ends(run: Run) -> None:
    outcome = run(
        "import os, time\n"
        "def answer(x):\n"
        "    for _ in range(300):\n"
        "        try:\n"
        "            if os.fork() == 0: time.sleep(0.01)\n"
        "        except OSError: time.sleep(0.01)\n"
        "    time.sleep(100)\n",
        limits=IDLE,
    )
    assert outcome.status in ("crashed", "timeout", "memory"), outcome
    assert outcome.outputs is None


def test_a_thread_bomb_ends(run: Run) -> None:
    outcome = run(
        "import threading, time\n"
        "def answer(x):\n"
        "    while True: threading.Thread(target=time.sleep, args=(100,)).start()\n",
        limits=IDLE,
    )
    assert outcome.status in ("crashed", "timeout", "memory"), outcome


def test_a_daemon_that_rewrites_the_outputs_is_dead_before_they_are_read(run: Run, isolation: Isolation) -> None:
    need_forks(isolation, "fork")
    outcome = run(
        "import os, sys, time\n"
        "def answer(x):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.execv(sys.executable, [sys.executable, '-S', '-c',\n"
        "                'import time, sys\\n'\n"
        "                'while True:\\n'\n"
        f'                \'    time.sleep(0.3); open("outputs.npz", "wb").write(b"x")\', {MARK!r}])\n'
        "        os._exit(0)\n"
        "    os.wait()\n"
        "    return x\n"
    )
    assert outcome.status == "ok", outcome


def test_endless_output_is_cut_to_its_end(run: Run) -> None:
    outcome = run(
        "def answer(x):\n    while True: print('z' * 100_000)\n",
        limits=IDLE,
    )
    assert outcome.status == "timeout"
    assert 0 < len(outcome.log_tail) <= 8 * 1024
    finite = run("def answer(x):\n    print('z' * 1_000_000); print('the end')\n    return x\n")
    assert finite.status == "ok"
    assert finite.log_tail.endswith("the end\n")
    assert len(finite.log_tail) <= 8 * 1024


def test_files_are_bounded_each_and_together(run: Run) -> None:
    one = run("def answer(x):\n    open('big', 'wb').write(bytes(3 << 20))\n")
    assert one.status == "crashed"
    assert "File too large" in one.detail
    many = run(
        "import time\n"
        "def answer(x):\n"
        "    for i in range(100):\n"
        "        open(f'big{i}', 'wb').write(bytes(1 << 20)); time.sleep(0.02)\n"
    )
    assert many.status == "crashed", many
    assert many.detail == "It wrote more than 8 MiB or 4096 files."


def test_a_bomb_of_zeros_is_refused(run: Run) -> None:
    outcome = run(
        "import os, zipfile\n"
        "def answer(x):\n"
        "    with zipfile.ZipFile('outputs.npz', 'w', zipfile.ZIP_DEFLATED) as archive:\n"
        "        with archive.open('y.npy', 'w') as member:\n"
        "            for _ in range(20): member.write(bytes(1 << 20))\n"
        "    os._exit(0)\n"
    )
    assert outcome.status == "bad_output", outcome
    assert outcome.detail == "The arrays are larger than 1 MiB."


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)", "exit()", "os.execv('/bin/true', ['true'])"])
def test_ending_before_the_arrays_are_written_is_no_output(run: Run, end: str) -> None:
    outcome = run(f"import os, sys\ndef answer(x):\n    {end}\n")
    assert outcome.status == "no_output", outcome
    assert outcome.detail == "It ended before it had handed over its arrays (exit code 0)."


@pytest.mark.parametrize("end", ["os.abort()", "ctypes.string_at(0)", "os.kill(os.getpid(), 9)"])
def test_python_that_is_ended_has_crashed(run: Run, end: str) -> None:
    outcome = run(f"import os, ctypes\ndef answer(x):\n    {end}\n")
    assert outcome.status == "crashed", outcome


def test_a_crash_names_the_line(run: Run) -> None:
    outcome = run("def answer(x):\n    y = 3\n    return y / 0\n")
    assert outcome.status == "crashed"
    assert outcome.detail == "ZeroDivisionError: division by zero (line 3 of submission.py)"
    syntax = run("def answer(x)\n    pass\n")
    assert syntax.status == "crashed"
    assert syntax.detail == "SyntaxError: expected ':' (line 1 of submission.py)"


def test_words_of_a_crash_are_one_short_clean_line(run: Run) -> None:
    outcome = run("def answer(x):\n    raise ValueError('\\x1b[31m' + 'a\\n' * 5000 + '\\u202e')\n")
    assert outcome.status == "crashed"
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 500


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("numpy.savez('outputs.npz', y=numpy.array([print, {}], dtype=object))", "objects"),
        ("open('outputs.npz', 'wb').write(b'PK')", "whole"),
        ("os.symlink('inputs.npz', 'outputs.npz')", "ordinary"),
        ("os.symlink('/etc/passwd', 'outputs.npz')", "ordinary"),
        ("os.mkfifo('outputs.npz')", "ordinary"),
        ("os.mkdir('outputs.npz')", "ordinary"),
        ("numpy.savez('outputs.npz', z=x)", "missing"),
    ],
)
def test_outputs_that_are_no_arrays_are_bad(run: Run, body: str, why: str) -> None:
    outcome = run(f"import os, numpy\ndef answer(x):\n    {body}\n    os._exit(0)\n")
    assert outcome.status == "bad_output", outcome
    assert why in outcome.detail


def test_a_pickle_in_the_outputs_is_never_loaded(run: Run, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    outcome = run(
        "import numpy, os\n"
        "class Evil:\n"
        f"    def __reduce__(self): return os.mkdir, ({str(mark)!r},)\n"
        "def answer(x):\n    return numpy.array([Evil()], dtype=object)\n"
    )
    assert outcome.status == "bad_output"
    assert not mark.exists()


def test_odd_values_arrive_for_the_scoring_to_judge(run: Run) -> None:
    for value, shape in (("float('nan')", ()), ("[]", (0,)), ("x * float('nan')", (2, 3)), ("None", None)):
        outcome = run(f"def answer(x):\n    return {value}\n")
        if shape is None:
            assert outcome.status == "bad_output"
        else:
            assert outcome.status == "ok", outcome
            assert outcome.outputs is not None
            assert outcome.outputs["y"].shape == shape


def test_memory_and_environment_of_the_grader_are_closed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERS", "secret-of-the-grader")
    outcome = run(
        "import os\n"
        "def answer(x):\n"
        "    found = []\n"
        "    for process in filter(str.isdigit, os.listdir('/proc')):\n"
        f"        if int(process) == {os.getpid()} or int(process) == os.getppid() != 1:\n"
        "            for name in ('environ', 'mem', 'maps', 'fd/0'):\n"
        "                try: open(f'/proc/{process}/{name}', 'rb').read(10); found.append((process, name))\n"
        "                except OSError: pass\n"
        "    assert not found, found\n"
        "    assert 'secret-of-the-grader' not in str(os.environ)\n"
        "    return x\n"
    )
    assert outcome.status == "ok", outcome


def test_nothing_can_be_killed_but_itself(run: Run, isolation: Isolation) -> None:
    assert isolation.holds("signals")  # else this test would end itself
    outcome = run(
        "import os, resource\n"
        "def answer(x):\n"
        f"    for process in (-1, {os.getpid()}, {os.getppid()}, -{os.getpgrp()}, os.getppid(), 1):\n"
        "        try: os.kill(process, 15)\n"
        "        except OSError: pass\n"
        "    try: os.killpg(os.getpgid(os.getppid()), 15)\n"
        "    except OSError: pass\n"
        f"    try: resource.prlimit({os.getpid()}, resource.RLIMIT_CPU, (1, 1))\n"
        "    except OSError: pass\n"
        "    return x\n"
    )
    assert outcome.status in ("ok", "crashed"), outcome
    import resource

    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != 1


def test_no_network_is_reached(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        outcome = run(
            "import socket\n"
            "def attempt(function, *arguments):\n"
            "    try: function(*arguments)\n"
            "    except OSError: return\n"
            "    raise RuntimeError(str(arguments))\n"
            "def answer(x):\n"
            f"    attempt(socket.create_connection, ('127.0.0.1', {port}), 0.2)\n"
            "    attempt(socket.create_connection, ('8.8.8.8', 53), 0.2)\n"
            "    attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53)))\n"
            "    attempt(socket.getaddrinfo, 'example.org', 80)\n"
            "    return x\n"
        )
        assert outcome.status == "ok", outcome
        with pytest.raises(BlockingIOError):
            server.accept()


def test_files_beside_the_submission_shadow_nothing(run: Run) -> None:
    evil = b"raise SystemExit('shadowed')"
    names = ("numpy", "json", "sitecustomize", "usercustomize", "conftest", "traceback", "os", "twinlens", "pathlib")
    extra = {f"{name}.py": evil for name in names} | {"helper.py": b"FACTOR = 2", "numpy/__init__.py": evil}
    outcome = run("import helper\ndef answer(x):\n    return x * helper.FACTOR\n", extra=extra)
    assert outcome.status == "ok", outcome


@pytest.mark.parametrize("name", ["twinlens", "twinlens.grading.assignment", "twinlens.methods"])
def test_this_package_cannot_be_imported(run: Run, name: str) -> None:
    outcome = run(f"import {name}\ndef answer(x):\n    return x\n")
    assert outcome.status == "crashed"
    assert "twinlens" in outcome.detail


def test_the_environment_is_our_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    outcome = run(
        "import os, sys, tempfile\n"
        "def answer(x):\n"
        "    assert os.environ['HOME'] == os.environ['TMPDIR'] == os.getcwd() == tempfile.gettempdir()\n"
        "    assert os.environ['OMP_NUM_THREADS'] == '1' and os.environ['CUDA_VISIBLE_DEVICES'] == ''\n"
        "    assert 'LD_PRELOAD' not in os.environ and '/nowhere' not in sys.path\n"
        "    assert sys.flags.hash_randomization == 0 and sys.flags.no_user_site and sys.flags.safe_path\n"
        "    assert sorted(map(int, os.listdir('/proc/self/fd')))[:3] == [0, 1, 2]\n"
        "    assert len(os.listdir('/proc/self/fd')) <= 4\n"
        "    return x\n"
    )
    assert outcome.status == "ok", outcome


def test_runs_at_the_same_time_do_not_meet(isolation: Isolation, run: Run) -> None:
    outcomes = []
    sources = [f"import time\ndef answer(x):\n    time.sleep(0.3); return x + {k}\n" for k in range(3)]
    threads = [
        threading.Thread(target=lambda source=source: outcomes.append(run_quietly(isolation, source)))
        for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(float(outcome.outputs["y"][0, 0]) for outcome in outcomes) == [0, 1, 2]


def run_quietly(isolation: Isolation, source: str):  # type: ignore[no-untyped-def]
    from twinlens.grading.sandbox import run_student, task_files

    from .conftest import DRIVER

    files = task_files(
        "task", "none", ["y"], {"x": X}, {}, {"submission.py": source.encode(), "driver.py": DRIVER.encode()}
    )
    return run_student(files, expected=["y"], limits=Limits(), isolation=isolation, framework="none")


def test_the_strongest_tier_is_chosen_and_recorded() -> None:
    found = probe()
    record = found.record()
    assert record["tier"] == found.tier
    barriers = record["barriers"]
    assert isinstance(barriers, dict)
    assert {"network", "files", "processes", "leftovers", "memory"} <= barriers.keys()
    assert found.weak == (found.tier in ("C", "D"))
