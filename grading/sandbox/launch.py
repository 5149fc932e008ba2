"""Run a student's code on one task and say what came out of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..assignment import Limits
from ..protocol import Arrays, Outcome, Status
from .collect import BadOutput, npz_bytes, read_outputs, read_regular_file
from .confine import confine
from .ending import Ending
from .isolation import Isolation
from .watch import FOLDER_FILES, MOST_FILES

RUNNER = Path(__file__).parent.parent / "student" / "runner.py"
"""What is started in a student's process."""

_LONGEST_LINE = 400
_TIMEOUT_SIGNALS = (-24, -9)  # SIGXCPU, and SIGKILL where that is ignored


def task_files(
    task: str,
    framework: str,
    outputs: Sequence[str],
    inputs: Arrays,
    weights: Arrays,
    files: Mapping[str, bytes],
) -> dict[str, bytes]:
    """The work folder of one task.

    Parameters
    ----------
    task, framework : str
    outputs : sequence of str
        Names of the arrays to hand over.
    inputs, weights : mapping of str to ndarray
        No weights where there is no network.
    files : mapping of str to bytes
        The submission's files, then ``driver.py`` and ``network.py`` of the assignment, which come last so that no
        submission replaces them.
    """
    description = {"task": task, "framework": framework, "submission": "submission.py", "outputs": list(outputs)}
    return {
        **files,
        "task.json": json.dumps(description).encode(),
        "inputs.npz": npz_bytes(inputs),
        "network.npz": npz_bytes(weights),
    }


def run_student(
    files: Mapping[str, bytes],
    *,
    expected: Sequence[str],
    limits: Limits,
    isolation: Isolation,
    framework: str,
    python: str | Path = sys.executable,
    hidden: Sequence[str | Path] = (),
) -> Outcome:
    """Run a student's code in the sandbox and collect its arrays.

    Parameters
    ----------
    files : mapping of str to bytes
        The work folder, as `task_files` makes it. ``runner.py`` is added here.
    expected : sequence of str
        Names of the arrays that it has to write: these and no others.
    limits : Limits
    isolation : Isolation
        From `probe`.
    framework : str
        ``"torch"`` or ``"paddle"``; any other name has no memory of its own.
    python : path
        The Python that runs it.
    hidden : sequence of path
        Folders and files to hide: the assignment, other submissions, the folder of results. This package's own code is
        always hidden, and so is all that is not Python, where the isolation can.

    Returns
    -------
    Outcome
        By what was measured. An exit code alone fails nothing: arrays that are whole count, whatever the framework
        does while it shuts down.

    Raises
    ------
    SandboxError
        If the sandbox failed, which is not the student's fault.
    """
    content = {**files, RUNNER.name: RUNNER.read_bytes()}
    with confine(
        content,
        script=RUNNER.name,
        limits=limits,
        isolation=isolation,
        framework=framework,
        python=python,
        hidden=hidden,
    ) as ending:
        status, detail, outputs = _classify(ending, expected, limits)
    return Outcome(
        status, outputs, detail, round(ending.cpu_s, 3), round(ending.wall_s, 3), round(ending.peak_mb, 1), ending.log
    )


def _classify(ending: Ending, expected: Sequence[str], limits: Limits) -> tuple[Status, str, Arrays | None]:
    if ending.cause == "timeout" or _ran_out_of_time(ending, limits):
        return "timeout", _time_words(ending, limits), None
    memory = f"It needed more than {limits.memory_mb} MiB of memory besides the framework's own."
    if ending.cause == "memory":
        return "memory", memory, None
    if ending.cause == "processes":
        return "crashed", f"It started more than {limits.processes} processes or threads.", None
    if ending.cause == "disk":
        return "crashed", f"It wrote more than {FOLDER_FILES * limits.file_mb} MiB or {MOST_FILES} files.", None
    error, out_of_memory = _error_of(ending)
    if error and (out_of_memory or ending.near_memory):
        return "memory", memory, None
    if error:
        return "crashed", error, None
    try:
        return "ok", "", read_outputs(ending.work / "outputs.npz", expected, limits.output_mb, ending.owners)
    except FileNotFoundError:
        return _without_outputs(ending, memory)
    except BadOutput as refusal:
        return "bad_output", refusal.reason, None


def _ran_out_of_time(ending: Ending, limits: Limits) -> bool:
    return ending.exit_code in _TIMEOUT_SIGNALS and ending.cpu_s >= 0.95 * limits.cpu_seconds


def _time_words(ending: Ending, limits: Limits) -> str:
    if ending.cpu_s >= 0.95 * limits.cpu_seconds:
        return f"It computed for longer than {limits.cpu_seconds:g} s."
    return f"It did not end within {limits.wall_seconds:g} s."


def _without_outputs(ending: Ending, memory: str) -> tuple[Status, str, None]:
    if ending.near_memory and ending.exit_code != 0:
        return "memory", memory, None
    if ending.exit_code is None or ending.exit_code < 0:
        number = f" (signal {-ending.exit_code})" if ending.exit_code else ""
        return "crashed", f"Python itself was ended{number}.", None
    return "no_output", f"It ended before it had handed over its arrays (exit code {ending.exit_code}).", None


def _error_of(ending: Ending) -> tuple[str, bool]:
    """What the runner wrote of an exception: one line, and whether memory ran out."""
    try:
        told = json.loads(read_regular_file(ending.work / "error.json", 1 << 14, ending.owners))
        text, line = str(told["text"]), told.get("line")
        out_of_memory = told.get("memory") is True
    except (FileNotFoundError, BadOutput, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", False
    where = f" (line {line} of submission.py)" if type(line) is int and 0 < line < 10**6 else ""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:_LONGEST_LINE] + where, out_of_memory
