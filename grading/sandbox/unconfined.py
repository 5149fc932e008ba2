"""Run one Python script with no barrier but its time: Windows, where it was allowed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..assignment import Limits
from .ending import Ending
from .plan import environment, python_command
from .workfolder import inside

_KEPT = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR")
"""Without these Python does not start on Windows."""


@contextmanager
def run_unconfined(files: Mapping[str, bytes], script: str, limits: Limits, python: str) -> Iterator[Ending]:
    """Run a script of the given files; what it starts itself may outlive it.

    Parameters
    ----------
    files : mapping of str to bytes
    script : str
    limits : Limits
        Of which the time and the length of what it prints are kept.
    python : str

    Yields
    ------
    Ending
    """
    with tempfile.TemporaryDirectory(prefix="twinlens-", ignore_cleanup_errors=True) as top:
        work = Path(top, "work")
        for name, content in files.items():
            place = work / inside(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        start, code = time.monotonic(), None
        with open(Path(top, "log"), "w+b") as log:
            process = subprocess.Popen(
                python_command(python, script),
                cwd=work,
                env=environment(str(work)) | {name: os.environ[name] for name in _KEPT if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                code = process.wait(limits.wall_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.seek(max(0, log.seek(0, os.SEEK_END) - 1024 * limits.log_kb))
            tail = log.read(1024 * limits.log_kb).decode("utf-8", "replace")
        spent = time.monotonic() - start
        owners = (os.geteuid(),) if os.name == "posix" else ()
        yield Ending(work, None if code is not None else "timeout", code, 0.0, spent, 0.0, tail, owners, False)
