"""Run one Python script in the sandbox, watched, with everything that it started dead before anybody looks at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..assignment import Limits
from .ending import Ending
from .isolation import Isolation, SandboxError
from .memory import framework_memory
from .plan import build_plan, draw_account, supervisor_command
from .processes import end_tree, hold, unreadable
from .unconfined import run_unconfined
from .watch import Watch
from .workfolder import work_folder


@contextmanager
def confine(
    files: Mapping[str, bytes],
    *,
    script: str,
    limits: Limits,
    isolation: Isolation,
    framework: str = "",
    python: str | Path = sys.executable,
    hidden: Sequence[str | Path] = (),
) -> Iterator[Ending]:
    """Run a script of the given files and wait for its end.

    Parameters
    ----------
    files : mapping of str to bytes
        The work folder.
    script : str
        Which of them is run.
    limits : Limits
    isolation : Isolation
    framework : str
        Whose memory comes on top of the limit.
    python : path
    hidden : sequence of path
        What must not be seen, besides this package itself.

    Yields
    ------
    Ending
        With no process left.

    Raises
    ------
    SandboxError
        If the sandbox failed.
    """
    if isolation.tier == "D":
        with run_unconfined(files, script, limits, str(python)) as ending:
            yield ending
        return
    memory = framework_memory(framework, str(python))
    account = draw_account(isolation)
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder(files, account))
        stack.enter_context(unreadable())
        report_read, report_write = os.pipe()
        log_read, log_write = os.pipe()
        watch = stack.enter_context(Watch(report_read, log_read, limits, memory, folder.work))
        try:
            plan = build_plan(
                folder,
                isolation,
                limits,
                memory,
                script=script,
                python=str(python),
                hidden=hidden,
                account=account,
                report=report_write,
            )
            process = subprocess.Popen(
                supervisor_command(),
                stdin=subprocess.PIPE,
                stdout=log_write,
                stderr=log_write,
                pass_fds=[report_write],
                cwd=folder.top,
                env={"PATH": "/usr/bin:/bin"},
                start_new_session=True,
            )
        finally:
            os.close(report_write)
            os.close(log_write)
        try:
            _tell(process, json.dumps(plan).encode())
            watch.until_end(process.pid)
        finally:
            hold(process.pid)
            # In tier C the account is what tells a student's processes apart, should the supervisor be gone.
            left = end_tree(process.pid, account if isolation.tier == "C" else None)
            process.kill()
            process.wait()
        if left:
            raise SandboxError(f"{left} processes of a submission cannot be killed.", "Restart the machine.")
        watch.read_rest()
        if not watch.started:
            reason = watch.error or watch.log().strip().replace("\n", " ")[-300:] or "it gives no reason"
            raise SandboxError(f"The sandbox did not start: {reason}.", "Run 'twinlens doctor'.")
        yield Ending(
            folder.work,
            watch.cause,
            watch.exit_code,
            watch.cpu_s,
            watch.wall_s,
            watch.peak / (1 << 20),
            watch.log(),
            (os.geteuid(),) if account is None else (os.geteuid(), account),
            watch.near_memory,
        )


def _tell(process: subprocess.Popen[bytes], plan: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(plan)
        process.stdin.close()
    except BrokenPipeError:  # it has ended already; its report says why
        pass
