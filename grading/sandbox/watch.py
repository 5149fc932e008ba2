"""Watches a running student's process: time, memory, processes, disk and what it prints."""

from __future__ import annotations

import json
import os
import select
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from ..assignment import Limits
from .ending import Cause
from .plan import Memory
from .processes import measure, proportional_memory
from .workfolder import size

_INTERVAL = 0.02
_CHUNK = 1 << 16
_MIB = 1 << 20
_LONGEST_REPORT = 1 << 16
MOST_FILES = 4096
FOLDER_FILES = 4
"""The work folder may hold this many times the largest file."""


class Watch:
    """Looks after one run.

    Parameters
    ----------
    report, log : int
        Read ends of the supervisor's pipe, and of standard output and error. Closed with the context.
    limits : Limits
    memory : Memory
        What the framework takes by itself.
    work : Path
        The work folder.

    Attributes
    ----------
    cause : str or None
        Which limit was broken.
    started : bool
        Whether the student's Python was reached.
    error : str
        What the supervisor says that failed.
    exit_code : int or None
    cpu_s, wall_s : float
    peak : int
        Bytes.
    near_memory : bool
    """

    def __init__(self, report: int, log: int, limits: Limits, memory: Memory, work: Path) -> None:
        self.cause: Cause | None = None
        self.started = False
        self.error = ""
        self.exit_code: int | None = None
        self.cpu_s = 0.0
        self.wall_s = 0.0
        self.peak = 0
        self._report_fd, self._log_fd = report, log
        self._limits = limits
        self._most_memory = memory.resident + limits.memory_mb * _MIB
        self._work = work
        self._report = b""
        self._log = bytearray()
        self._printed = 0
        self._rounds = 0
        self._open = {report, log}
        os.set_blocking(report, False)
        os.set_blocking(log, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._report_fd)
        os.close(self._log_fd)

    @property
    def near_memory(self) -> bool:
        """Whether the memory limit was reached, or nearly."""
        return self.cause == "memory" or self.peak > 0.9 * self._most_memory

    def until_end(self, supervisor: int) -> None:
        """Return when the student's process has ended, or has broken a limit."""
        start = looked = time.monotonic()
        while self.cause is None and self._report_fd in self._open:
            ready, _, _ = select.select(list(self._open), [], [], _INTERVAL)
            if self._log_fd in ready:
                self._read_log()
                if self._printed > 16 * len(self._log) + _CHUNK:
                    time.sleep(_INTERVAL / 10)  # what prints without end waits for us, and we do not spin
            if self._report_fd in ready and self._read_report():
                break
            now = time.monotonic()
            if now - start > self._limits.wall_seconds:
                self.cause = "timeout"
            if now - looked >= _INTERVAL or self.cause is not None:
                self._look(supervisor)
                looked = now
        self.wall_s = time.monotonic() - start

    def _look(self, supervisor: int) -> None:
        used = measure(supervisor)
        self.cpu_s = max(self.cpu_s, used.cpu_s)
        memory = used.memory
        if memory > self._most_memory:  # children share pages with their parents: count each once
            exact = proportional_memory(supervisor)
            memory = memory if exact is None else exact
        self.peak = max(self.peak, memory)
        self._rounds += 1
        if self.cause is not None:
            return
        if memory > self._most_memory:
            self.cause = "memory"
        elif self.cpu_s > self._limits.cpu_seconds:
            self.cause = "timeout"
        elif used.threads > self._limits.processes + 4:
            self.cause = "processes"
        elif self._rounds % 4 == 0 and self._overfull():
            self.cause = "disk"

    def _overfull(self) -> bool:
        total, number = size(self._work, MOST_FILES)
        return total > FOLDER_FILES * self._limits.file_mb * _MIB or number > MOST_FILES

    def _read_log(self) -> bool:
        """Keep the end of what is there; False at the end of the pipe."""
        with suppress(BlockingIOError):
            chunk = os.read(self._log_fd, _CHUNK)
            if not chunk:
                self._open.discard(self._log_fd)
                return False
            self._printed += len(chunk)
            self._log += chunk
            del self._log[: -self._limits.log_kb * 1024]
            return True
        return False

    def _read_report(self) -> bool:
        """Take in what the supervisor says; True if the student's process has ended."""
        with suppress(BlockingIOError):
            chunk = os.read(self._report_fd, _CHUNK)
            if not chunk:
                self._open.discard(self._report_fd)
            self._report += chunk[:_LONGEST_REPORT]
        *lines, self._report = self._report.split(b"\n")
        for line in lines:
            entry = json.loads(line)
            self.started = self.started or "started" in entry
            self.error = str(entry.get("error", self.error))
            if "ended" in entry:
                code = int(entry["ended"])
                self.exit_code = 128 - code if code > 128 else code  # bubblewrap tells of a signal as shells do
                self.cpu_s = max(self.cpu_s, float(entry["cpu"]))
                self.peak = max(self.peak, 1024 * int(entry["peak_kb"]))
                return True
        return False

    def read_rest(self) -> None:
        """Take what is still in the pipes, after all processes are dead."""
        for _ in range(64):
            if not self._read_log():
                break
        if self._report_fd in self._open:
            self._read_report()

    def log(self) -> str:
        """The end of what was printed."""
        return self._log.decode("utf-8", errors="replace")
