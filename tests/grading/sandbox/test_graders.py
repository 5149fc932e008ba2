"""A grader that is killed leaves no process, and its folders are gone after the next start."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinlens.grading.assignment import Limits
from twinlens.grading.sandbox import Isolation, SandboxError, remove_leftovers, run_student, task_files
from twinlens.grading.sandbox.processes import descendants, measure
from twinlens.grading.sandbox.workfolder import remove, work_folder

from .conftest import DRIVER, X, left_behind

GRADER = """
import sys
from twinlens.grading.assignment import Limits
from twinlens.grading.sandbox import probe, run_student
files = {"task.json": b'{"task": "t", "framework": "none", "submission": "submission.py", "outputs": ["y"]}',
         "driver.py": b"def run(task, submission, net, inputs, framework): return {}",
         "submission.py": b"import time; open('started', 'w').close(); time.sleep(1000)"}
run_student(files, expected=["y"], limits=Limits(), isolation=probe(sys.argv[1]), framework="none")
"""


def wait_for(condition: object, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.02)


def test_a_killed_grader_leaves_nothing(isolation: Isolation, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    if isolation.account != "same":  # the student's account has to get to its folder
        for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
            if folder.stat().st_uid == os.geteuid():
                folder.chmod(folder.stat().st_mode | 0o111)
    grader = subprocess.Popen([sys.executable, "-c", GRADER, isolation.tier], env=environment)
    try:
        wait_for(lambda: list(tmp_path.glob("twinlens-run-*/work/started")) or grader.poll() is not None)
        assert grader.poll() is None
        below = descendants(grader.pid)
        assert below
        assert remove_leftovers(tmp_path) == []  # it is at work
    finally:
        grader.send_signal(signal.SIGKILL)
        grader.wait()
    wait_for(lambda: not any(map(alive, below)))
    assert left_behind() == []
    assert len(remove_leftovers(tmp_path)) == 1
    assert list(tmp_path.glob("twinlens-run-*")) == []


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "twinlens-run-file").write_text("")
    (tmp_path / "twinlens-run-without-lock").mkdir()
    (tmp_path / "twinlens-run-link").symlink_to(tmp_path)
    assert remove_leftovers(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_in_use_is_private_and_locked() -> None:
    with work_folder({"a/b.txt": b"1"}) as folder:
        assert (folder.work / "a" / "b.txt").read_bytes() == b"1"
        assert folder.work.stat().st_mode & 0o777 == 0o700
        with open(folder.top / "lock") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not folder.top.exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\0b"])
def test_no_file_is_written_outside_of_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a file"), work_folder({name: b""}):
        pass


def test_whatever_a_student_made_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "twinlens-run-x"
    top.mkdir()
    (tmp_path / "kept").write_text("kept")
    here = os.open(top, os.O_RDONLY)
    for _ in range(1500):  # deeper than any path may be long
        os.mkdir("abcdefgh", dir_fd=here)
        deeper = os.open("abcdefgh", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.symlink(tmp_path, "link", dir_fd=here)
    os.close(here)
    (top / "locked").mkdir()
    (top / "locked" / "file").write_text("")
    (top / "locked").chmod(0)
    (top / "out").symlink_to(tmp_path)
    os.mkfifo(top / "pipe")
    remove(top)
    assert not top.exists()
    assert (tmp_path / "kept").read_text() == "kept"


def test_a_sandbox_that_does_not_start_is_not_the_students_fault() -> None:
    files = task_files("t", "none", ["y"], {"x": X}, {}, {"submission.py": b"", "driver.py": DRIVER.encode()})
    broken = Isolation("A", bubblewrap="/nonexistent/bwrap")
    with pytest.raises(SandboxError):
        run_student(files, expected=["y"], limits=Limits(), isolation=broken, framework="none")


def test_a_python_that_does_not_start_is_named() -> None:
    files = task_files("t", "none", ["y"], {"x": X}, {}, {})
    with pytest.raises(SandboxError, match="/nonexistent/python"):
        run_student(
            files,
            expected=["y"],
            limits=Limits(),
            isolation=Isolation("C"),
            framework="none",
            python="/nonexistent/python",
        )


def test_what_processes_use_is_measured() -> None:
    code = "import os, time\nkept = bytearray(30 << 20)\nif os.fork(): pass\nprint('x', flush=True)\ntime.sleep(100)"
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(4)
        assert len([found for found in descendants(os.getpid()) if found == process.pid]) == 1
        used = measure(process.pid)
        for below in descendants(process.pid):
            os.kill(below, signal.SIGKILL)
        process.kill()
    assert used.threads == 1
    assert used.memory > 30 << 20
