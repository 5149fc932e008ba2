"""What the supervisor of a student's process is told: what is visible, what may be used, in which environment."""

from __future__ import annotations

import functools
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..assignment import Limits
from .isolation import Isolation, SandboxError
from .processes import accounts_with_processes, count_of_account
from .workfolder import WorkFolder

INSIDE = "/student"
"""Where the work folder is seen in the tiers that have a file system of their own."""

_MIB = 1 << 20
_OPEN_FILES = 256
_HERE = Path(__file__).parent
_START = "import sys; sys.path.insert(0, sys.argv[1]); from jail.supervisor import main; main()"
_ACCOUNTS = range(61184, 65520)  # what systemd sets aside for accounts that live as long as a process
_PLACES = """
import json, site, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps([sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"], paths["platlib"],
                  *site.getsitepackages()]))
"""


@dataclass(frozen=True)
class Memory:
    """What a framework takes by itself, in bytes: address space and resident memory."""

    address_space: int
    resident: int


def draw_account(isolation: Isolation) -> int | None:
    """An account for one run, from those that no user has; None where the run has no account of its own."""
    if isolation.account == "same":
        return None
    # Within namespaces two runs of one number do not meet; elsewhere one would be killed with the other.
    busy = accounts_with_processes() if isolation.tier == "C" else set()
    return random.SystemRandom().choice([account for account in _ACCOUNTS if account not in busy])


def environment(home: str) -> dict[str, str]:
    """All that a student's process finds in its environment."""
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "RAYON")
    return {
        "HOME": home,
        "TMPDIR": home,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "",
        "GLOG_minloglevel": "2",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": home,
        "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of address space
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }


def python_command(python: str | Path, script: str) -> list[str]:
    """Python with nothing of the work folder or of the user on its path.

    ``-s -P`` and an environment of ours is what ``-I`` means, but for ``PYTHONHASHSEED``, which ``-I`` would ignore.
    """
    return [str(python), "-s", "-P", script]


@functools.cache
def visible_paths(python: str) -> tuple[str, ...]:
    """The folders without which a Python does not run: its installation and its packages.

    Raises
    ------
    SandboxError
        If it does not start.
    """
    try:
        told = subprocess.run(
            [python, "-I", "-c", _PLACES], capture_output=True, check=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"'{python}' does not start ({error}).", "Give the path of a Python.") from error
    places = {*json.loads(told.stdout), str(Path(python).resolve().parent.parent)}
    found = {str(path) for place in places for path in (Path(os.path.abspath(place)), Path(place).resolve())}
    kept = {path for path in found if os.path.exists(path) and path not in ("/", "/usr", "/home", "/root")}
    # What lies within another one is shown with it.
    return tuple(sorted(path for path in kept if not any(path.startswith(other + "/") for other in kept)))


@functools.cache
def own_paths() -> tuple[str, ...]:
    """Where this package's code lies, assignments and their answers with it."""
    packages = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "twinlens"]
    places = {str(Path(place)) for module in packages for place in getattr(module, "__path__", ())}
    return tuple(sorted(places | {str(_HERE.parent), str(_HERE.parents[1])}))


def build_plan(
    folder: WorkFolder,
    isolation: Isolation,
    limits: Limits,
    memory: Memory,
    *,
    script: str,
    python: str,
    hidden: Sequence[str | Path],
    account: int | None,
    report: int,
) -> dict[str, Any]:
    """The plan, ready for JSON."""
    tier = isolation.tier
    inside = INSIDE if tier in ("A", "B") else str(folder.work)
    # Kernels count this by ticks, some a quarter more than what was computed: it only steps in where `Watch` does not.
    seconds = math.ceil(1.5 * limits.cpu_seconds) + 1
    space = memory.address_space + limits.memory_mb * _MIB
    processes = limits.processes
    if tier == "A":
        processes += 2  # the first process of the jail, and its own
    elif isolation.account == "same":
        # The kernel counts all that the account runs; in a namespace, what the account runs there.
        processes += 3 if tier == "B" else count_of_account() + 64
    plan: dict[str, Any] = {
        "tier": tier,
        "grader": os.getpid(),
        "report": report,
        "command": python_command(python, script),
        "environment": environment(inside),
        "root": str(folder.root),
        "work": str(folder.work),
        "inside": inside,
        "visible": visible_paths(python) if tier in ("A", "B") else (),
        "hidden": sorted({*own_paths(), *(str(Path(path).resolve()) for path in hidden), *map(str, hidden)}),
        "account": {"kind": isolation.account, "uid": account},
        "filter": isolation.filters,
        "own_signals_only": tier == "C" and isolation.account == "same",
        "no_forks": isolation.no_forks,
        "limits": {
            "CPU": (seconds, seconds + 1),
            "AS": (space, space),
            "FSIZE": (limits.file_mb * _MIB,) * 2,
            "NPROC": (processes, processes),
            "NOFILE": (_OPEN_FILES, _OPEN_FILES),
            "CORE": (0, 0),
            "MSGQUEUE": (0, 0),
            "MEMLOCK": (0, 0),
        },
    }
    if sys.platform != "linux":  # the number counts all processes of the user there
        del plan["limits"]["NPROC"]
    if tier == "A":
        plan["bubblewrap"] = _bubblewrap(isolation, plan)
    return plan


def supervisor_command(folder: str = str(_HERE)) -> list[str]:
    """How the supervisor is started; the plan follows on its standard input."""
    return [sys.executable, "-I", "-S", "-c", _START, folder]


def _bubblewrap(isolation: Isolation, plan: dict[str, Any]) -> list[str]:
    """The command of bubblewrap, ending in the supervisor's second half."""
    shown = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/sys/devices/system/cpu"}
    shown |= {f"/etc/{name}" for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime")}
    shown |= {*plan["visible"], *visible_paths(sys.executable)}
    jail = str(_HERE / "jail")
    hidden = [path for path in plan["hidden"] if os.path.exists(path)]
    steps: list[tuple[str, list[str]]] = [(path, ["--ro-bind-try", path, path]) for path in shown]
    for path in hidden:
        if any(path.startswith(parent.rstrip("/") + "/") for parent in shown):
            cover = ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]
            steps.append((path, cover))
    mounts = [argument for _, step in sorted(steps) for argument in step]
    command = [isolation.bubblewrap or "bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    command += ["--clearenv", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", *_scratch("/tmp"), *mounts]
    command += ["--proc", "/proc", "--dev", "/dev", *_scratch("/dev/shm"), "--remount-ro", "/dev"]
    command += ["--ro-bind", jail, "/jail", "--bind", plan["work"], INSIDE, "--remount-ro", "/"]
    return [*command, "--chdir", INSIDE, "--", *supervisor_command("/"), json.dumps(plan)]


def _scratch(path: str) -> list[str]:
    return ["--size", str(16 * _MIB), "--tmpfs", path]
