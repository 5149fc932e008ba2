"""What a tree of processes uses, and how it is ended, read from ``/proc``; on systems without one, little of it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LINUX = sys.platform == "linux"
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Usage:
    """What a tree of processes uses at one moment.

    Attributes
    ----------
    cpu_s : float
        Seconds of all that live and of those that they waited for.
    memory : int
        Bytes; memory that several share is counted once, as far as can be told quickly.
    threads : int
    """

    cpu_s: float = 0.0
    memory: int = 0
    threads: int = 0


def descendants(root: int) -> list[int]:
    """Processes below a process, parents first.

    Parameters
    ----------
    root : int
        Its own number is not among them.
    """
    found: list[int] = []
    queue = [root]
    while queue:
        children = _children(queue.pop())
        found += children
        queue += children
    return found


def _children(process: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            found += map(int, Path(f"/proc/{process}/task/{thread}/children").read_bytes().split())
        except FileNotFoundError:
            if os.path.isdir(f"/proc/{process}"):  # a kernel without that file, or the thread has just ended
                return [child for child, parent in _parents() if parent == process]
        except OSError:
            continue
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields is not None:
            yield int(name), int(fields[1])


def _stat(process: int) -> list[bytes] | None:
    """The fields of ``stat`` from the state on; the name before it may hold anything."""
    try:
        return Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def measure(root: int) -> Usage:
    """What the processes below a process use."""
    ticks = memory = shared = threads = 0
    for process in descendants(root):
        fields = _stat(process)
        if fields is None or fields[0] == b"Z":
            continue
        ticks += sum(map(int, fields[11:15]))
        threads += int(fields[17])
        try:
            _, resident, of_files, *_ = map(int, Path(f"/proc/{process}/statm").read_bytes().split())
        except (OSError, ValueError):
            continue
        memory += resident - of_files
        shared = max(shared, of_files)
    return Usage(ticks / _TICKS, (memory + shared) * _PAGE, threads)


def proportional_memory(root: int) -> int | None:
    """Bytes of the processes below a process, each page divided among those that share it: slow and exact.

    Returns
    -------
    int or None
        None where the kernel does not tell.
    """
    total = 0
    for process in descendants(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except ProcessLookupError:
            continue
        except OSError:
            if os.path.isdir(f"/proc/{process}"):
                return None
            continue
        total += 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def end_tree(root: int, account: int | None = None, seconds: float = 10.0) -> int:
    """Kill all processes below a process, and then all of an account.

    Parameters
    ----------
    root : int
        Lives on: it takes over the children of those that are killed, so none gets away.
    account : int, optional
        An account that only these processes have.
    seconds : float
        After these it gives up.

    Returns
    -------
    int
        How many are left: 0 unless the kernel holds one fast.
    """
    until = time.monotonic() + seconds
    while left := _living(root, account):
        if time.monotonic() > until:
            return len(left)
        for number in (signal.SIGSTOP, signal.SIGKILL):  # first hold them, so that none starts others meanwhile
            for process in left:
                _send(process, number)
        time.sleep(0.002)
    return 0


def hold(process: int, seconds: float = 2.0) -> None:
    """Stop a process, and wait until it has stopped: it starts no other from then on."""
    _send(process, signal.SIGSTOP)
    until = time.monotonic() + seconds
    while LINUX and time.monotonic() < until and (_stat(process) or [b"Z"])[0] not in (b"T", b"Z", b"X"):
        time.sleep(0.001)


def _living(root: int, account: int | None) -> list[int]:
    found = set(descendants(root))
    if account is not None:
        found |= set(processes_of(account))
    return [process for process in found if (_stat(process) or [b"Z"])[0] not in (b"Z", b"X")]


def _owners() -> Iterator[tuple[int, int]]:
    """All processes and their accounts."""
    for name in os.listdir("/proc") if LINUX else ():
        with suppress(OSError, StopIteration, ValueError):
            if name.isdigit():
                lines = Path(f"/proc/{name}/status").read_text("utf-8", "replace").splitlines()
                yield int(name), int(next(line for line in lines if line.startswith("Uid:")).split()[1])


def processes_of(account: int) -> list[int]:
    """The processes of an account."""
    return [process for process, owner in _owners() if owner == account]


def accounts_with_processes() -> set[int]:
    """The accounts that run something."""
    return {owner for _, owner in _owners()}


def _send(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def count_of_account() -> int:
    """How many threads the account of this process has."""
    account, total = os.geteuid(), 0
    for process in processes_of(account):
        fields = _stat(process)
        total += int(fields[17]) if fields is not None else 0
    return total


_lock = threading.Lock()
_runs = 0


@contextmanager
def unreadable() -> Iterator[None]:
    """Keep this process's memory and environment from others of the same account, while a student's process runs."""
    global _runs
    if not LINUX:
        yield
        return
    from .jail import kernel

    with _lock:
        _runs += 1
        kernel.set_dumpable(False)
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0:
                kernel.set_dumpable(True)
