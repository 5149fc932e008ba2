"""How well a student's process can be shut in on this machine: found by trying."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ...errors import TwinlensError

Tier: TypeAlias = Literal["A", "B", "C", "D"]
Account: TypeAlias = Literal["own", "reading", "same"]

NAMES: dict[Tier, str] = {
    "A": "bubblewrap",
    "B": "namespaces",
    "C": "limits only",
    "D": "Windows, no barriers",
}


class SandboxError(TwinlensError):
    """The sandbox itself failed, or this machine has none that will do: never the student's fault."""


@dataclass(frozen=True)
class Barrier:
    """One thing that is kept from a student's process, or is not.

    Attributes
    ----------
    id : str
        ``"network"``, ``"files"``, ``"processes"``, ``"signals"``, ``"grader_memory"``, ``"leftovers"``,
        ``"memory"`` or ``"process_count"``.
    holds : bool
    how : str
        In a few words.
    """

    id: str
    holds: bool
    how: str


@dataclass(frozen=True)
class Isolation:
    """The sandbox of this machine.

    Attributes
    ----------
    tier : str
        ``"A"`` bubblewrap, ``"B"`` namespaces, ``"C"`` limits of the operating system only, ``"D"`` Windows.
    account : str
        ``"own"``: a student's process has an account of its own; ``"reading"``: it has, and may read what the grader
        may; ``"same"``: it has the grader's.
    filters : bool
        Whether the kernel refuses system calls that no answer needs, the network's among them.
    barriers : tuple of Barrier
        What holds and what does not, as tried.
    bubblewrap : str or None
        Its path.
    """

    tier: Tier
    account: Account = "same"
    filters: bool = False
    barriers: tuple[Barrier, ...] = ()
    bubblewrap: str | None = None

    @property
    def name(self) -> str:
        """The tier in words."""
        return NAMES[self.tier]

    @property
    def weak(self) -> bool:
        """Whether a student's process sees the files of the grader."""
        return self.tier in ("C", "D")

    @property
    def no_forks(self) -> bool:
        """Whether a student's process may not double itself: the kernel does not limit how many the account 0 has."""
        return self.account == "same" and os.name == "posix" and os.geteuid() == 0

    def holds(self, barrier: str) -> bool:
        """Whether a barrier holds."""
        return any(known.holds for known in self.barriers if known.id == barrier)

    def record(self) -> dict[str, object]:
        """What a result says of it."""
        return {
            "tier": self.tier,
            "name": self.name,
            "account": self.account,
            "barriers": {barrier.id: {"holds": barrier.holds, "how": barrier.how} for barrier in self.barriers},
        }


@functools.cache
def probe(only: Tier | None = None, *, allow_none: bool = False) -> Isolation:
    """Find the strongest sandbox that works here, by running a small process in it.

    Parameters
    ----------
    only : str, optional
        Try this tier alone.
    allow_none : bool
        Whether to go on where there are no barriers at all (Windows).

    Raises
    ------
    SandboxError
        If there is none, with the reason.
    """
    if os.name == "nt":
        if not allow_none:
            raise SandboxError(
                "Windows has no barrier between a student's code and this account's files.",
                "Grade on Linux, in WSL or in a container; or allow it for code that you trust.",
            )
        return Isolation("D", barriers=(Barrier("files", False, "all of the account is visible"),))
    reasons = []
    for candidate in _candidates():
        if only is not None and candidate.tier != only:
            continue
        try:
            return _tried(candidate)
        except SandboxError as error:
            reasons.append(f"{candidate.tier}: {error.cause}")
    raise SandboxError(
        f"No sandbox works here ({'; '.join(reasons) or 'no ' + NAMES[only or 'A']}).",
        "Install bubblewrap or allow user namespaces.",
    )


def _candidates() -> Iterator[Isolation]:
    """What might work, the strongest first."""
    bubblewrap = shutil.which("bwrap")
    if sys.platform == "linux":
        if os.geteuid() == 0:  # then namespaces give the student an account of its own, and bubblewrap does not
            yield from _with_and_without_filters(Isolation("B", "own"))
        if bubblewrap is not None:
            yield from _with_and_without_filters(Isolation("A", bubblewrap=bubblewrap))
        yield from _with_and_without_filters(Isolation("B"))
    accounts: tuple[Account, ...] = ("own", "reading", "same") if os.geteuid() == 0 else ("same",)
    for account in accounts:
        yield from _with_and_without_filters(Isolation("C", account))


def _with_and_without_filters(candidate: Isolation) -> tuple[Isolation, Isolation]:
    return replace(candidate, filters=True), candidate


_TRIAL = """
import ctypes, json, os, resource, socket, sys
import numpy
told = {}
try:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 9))
    told["network"] = True
except ConnectionRefusedError:  # the loopback of a network of its own that is up, or the machine's
    told["network"] = True
except OSError:
    told["network"] = False
told["files"] = any(map(os.path.exists, json.load(open("task.json"))["hidden"]))
grader = json.load(open("task.json"))["grader"]
try:
    told["processes"] = int(grader) in map(int, filter(str.isdigit, os.listdir("/proc")))
except OSError:
    told["processes"] = None
try:
    open(f"/proc/{grader}/environ", "rb").read(1)
    told["memory_of_grader"] = True
except OSError:
    told["memory_of_grader"] = False
try:
    os.kill(grader, 0)
    told["signals"] = True
except OSError:
    told["signals"] = False
try:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    told["forks"] = True
except BlockingIOError:
    told["forks"] = False
print("told:" + json.dumps(told), flush=True)
"""


def _tried(candidate: Isolation) -> Isolation:
    """The sandbox with what was found to hold in it."""
    from ..assignment import Limits
    from .confine import confine
    from .jail import system_calls
    from .plan import own_paths

    if candidate.filters and (sys.platform != "linux" or not system_calls.supported()):
        raise SandboxError("the system calls of this machine are not known")
    if candidate.no_forks and not candidate.filters:
        raise SandboxError("processes of the account 0 cannot be limited")
    # Files, not their folders: where the environment lies inside the source tree, the way to it is an empty folder.
    hidden = [entry.path for place in own_paths() for entry in os.scandir(place) if entry.is_file()]
    task = {"hidden": hidden, "grader": os.getpid()}
    files = {"trial.py": _TRIAL.encode(), "task.json": json.dumps(task).encode()}
    limits = Limits(cpu_seconds=20, wall_seconds=30, memory_mb=512, processes=16)
    with confine(files, script="trial.py", limits=limits, isolation=candidate) as ending:
        lines = [line for line in ending.log.splitlines() if line.startswith("told:")]
        if not lines:
            raise SandboxError((ending.log.strip().splitlines() or [ending.cause or "it ended without a word"])[-1])
        told = json.loads(lines[0][5:])
    return replace(candidate, barriers=_barriers(candidate, told))


def _files(own_world: bool, hidden: bool) -> str:
    if not hidden:
        return "it sees what its account may read"
    return "only Python and its packages are visible" if own_world else "closed to its account"


def _barriers(candidate: Isolation, told: dict[str, bool | None]) -> tuple[Barrier, ...]:
    own_world = candidate.tier in ("A", "B")
    linux = sys.platform == "linux"
    network, files = not told["network"], not told["files"]
    processes, signals = told["processes"] is False, not told["signals"]
    closed, counted = not told["memory_of_grader"], not told["forks"]
    return (
        Barrier(
            "network", network, ("none but itself" if own_world else "refused by the kernel") if network else "open"
        ),
        Barrier("files", files, _files(own_world, files)),
        Barrier("processes", processes, "sees its own only" if processes else "sees those of the machine"),
        Barrier("signals", signals, "do not reach the grader" if signals else "reach the grader"),
        Barrier("grader_memory", closed, "closed to it" if closed else "may be read by the same account"),
        Barrier(
            "leftovers",
            linux,
            ("killed by the kernel" if own_world else "found and killed") if linux else "killed unless they hide",
        ),
        Barrier(
            "memory",
            linux,
            "address space of each process, resident memory of all" if linux else "of each process, if at all",
        ),
        Barrier("process_count", counted or linux, _counting(candidate, counted) if linux else "not limited"),
    )


def _counting(candidate: Isolation, by_the_kernel: bool) -> str:
    if candidate.no_forks:
        return "forks are refused, programs and threads watched"
    return "limited by the kernel" if by_the_kernel else "watched"
