from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.grading.assignment import Limits
from twinlens.grading.protocol import Outcome
from twinlens.grading.sandbox import Isolation, SandboxError, probe, run_student, task_files
from twinlens.grading.sandbox.processes import descendants

Run = Callable[..., Outcome]

DRIVER = """
def run(task, submission, net, inputs, framework):
    return {"y": submission.answer(inputs["x"])}
"""
MARK = f"left-by-a-student-of-{os.getpid()}"
X = np.arange(6, dtype=np.float32).reshape(2, 3)
QUICK = Limits(cpu_seconds=20, wall_seconds=40, memory_mb=96, processes=24, file_mb=2, output_mb=1, log_kb=8)
BUSY = QUICK.model_copy(update={"cpu_seconds": 0.8})
IDLE = QUICK.model_copy(update={"wall_seconds": 1.5})


def need_tier(tier: str) -> Isolation:
    """The sandbox of a tier, or a skip that says why there is none."""
    try:
        return probe(tier)  # type: ignore[arg-type]
    except SandboxError as error:
        pytest.skip(f"tier {tier} does not work on this machine: {error.cause}")


@pytest.fixture(params=["A", "B", "C"])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return need_tier(request.param)


@pytest.fixture
def run(isolation: Isolation) -> Run:
    """Run the source of a submission, check that nothing is left of it, and give its outcome."""

    def run_it(source: str, *, limits: Limits = QUICK, extra: dict[str, bytes] | None = None, **more: Any) -> Outcome:
        own = {"submission.py": source.encode(), "driver.py": DRIVER.encode(), **(extra or {})}
        files = task_files("task", "none", ["y"], {"x": X}, {}, own)
        outcome = run_student(files, expected=["y"], limits=limits, isolation=isolation, framework="none", **more)
        assert left_behind() == []
        return outcome

    return run_it


def left_behind(seconds: float = 3.0) -> list[str]:
    """Command lines of students' processes that stay: below this one, without a parent, or marked as this one's."""
    until = time.monotonic() + seconds  # graders of other runs on this machine may be killed at any time
    while (found := _students()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _students() -> list[str]:
    lines = []
    below = set(descendants(os.getpid()))
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, UnicodeDecodeError):
            continue
        of_a_sandbox = "runner.py" in line or "jail.supervisor" in line
        if MARK in line or (of_a_sandbox and (int(name) in below or parent == 1)):
            lines.append(line)
    return lines
