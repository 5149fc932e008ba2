"""Starts a student's Python behind the barriers of the tier, waits for it and reports how it ended.

Processes, from the outside in: the grader; this supervisor, which adopts every orphan; in the namespaces tier the first
process of the new process namespace; the student's Python. The plan comes as JSON on standard input; the report goes
as lines of JSON through a pipe that the student's process never has.
"""

from __future__ import annotations

import ctypes  # noqa: F401  (loaded before any limit holds)
import json
import os
import resource
import select
import signal
import sys
from typing import Any, NoReturn

from . import filesystem, kernel, system_calls

Plan = dict[str, Any]


def main() -> None:
    """Read the plan, start the student, wait."""
    if len(sys.argv) > 2:  # started again by bubblewrap, within its jail
        plan = json.loads(sys.argv[2])
        _become_student(plan)
    plan = json.loads(sys.stdin.buffer.read())
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    try:
        if kernel.LINUX:
            kernel.die_with_parent(signal.SIGKILL)
            if os.getppid() != plan["grader"]:
                os._exit(1)
            kernel.adopt_orphans()
        if plan["tier"] == "B":
            _with_namespaces(plan)
        else:
            _start_and_wait(plan)
    except BaseException as error:
        _report(plan, error=f"{type(error).__name__}: {error}")
        os._exit(1)
    os._exit(0)


def _report(plan: Plan, **entry: object) -> None:
    os.write(plan["report"], json.dumps(entry).encode() + b"\n")


def _with_namespaces(plan: Plan) -> None:
    ready, told = os.pipe()
    mapper = os.fork()
    if mapper == 0:
        os.close(told)
        os.read(ready, 1)
        os._exit(_write_maps(plan, os.getppid()))
    os.close(ready)
    try:
        kernel.unshare(kernel.NEW_NAMESPACES)
    finally:
        os.close(told)
        _, status = os.waitpid(mapper, 0)
    if status != 0:
        raise OSError("the accounts of the namespace cannot be set")
    kernel.die_with_parent(signal.SIGKILL)
    pulse, held = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(held)
        _first_process(plan, pulse)
    os.waitpid(first, 0)


def _write_maps(plan: Plan, process: int) -> int:
    """Give the namespace its accounts: 0 is the grader's; 1000 the student's, where it has one of its own."""
    own = plan["account"]["kind"] == "own"
    try:
        for name, outer in (("uid_map", os.geteuid()), ("gid_map", os.getegid())):
            if name == "gid_map" and not own:
                _write(f"/proc/{process}/setgroups", "deny")
            extra = f"1000 {plan['account']['uid']} 1\n" if own else ""
            _write(f"/proc/{process}/{name}", f"0 {outer} 1\n{extra}")
    except OSError:
        return 1
    return 0


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _first_process(plan: Plan, pulse: int) -> NoReturn:
    """Build the file system, start the student, adopt its orphans; with its end the kernel kills all of them."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if select.select([pulse], [], [], 0)[0]:  # the supervisor ended before that line
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # from inside it does not reach the first process
        filesystem.build_root(plan["root"], plan["work"], plan["inside"], plan["visible"], plan["hidden"])
        _write("/proc/sys/user/max_user_namespaces", "0")
        _start_and_wait(plan)
    except BaseException as error:
        _report(plan, error=f"{type(error).__name__}: {error}")
    os._exit(0)


def _start_and_wait(plan: Plan) -> None:
    parent = os.getpid()
    student = os.fork()
    if student == 0:
        try:
            if kernel.LINUX:
                kernel.die_with_parent(signal.SIGKILL)
            if os.getppid() != parent and plan["tier"] != "B":
                os._exit(1)
            if plan["tier"] == "A":
                os.set_inheritable(plan["report"], True)
                os.execv(plan["bubblewrap"][0], plan["bubblewrap"])
            _become_student(plan)
        finally:
            os._exit(1)
    if kernel.LINUX:
        kernel.set_dumpable(False)
    while True:
        child, status, usage = os.wait4(-1, 0)
        if child == student:
            break
    _report(
        plan,
        ended=os.waitstatus_to_exitcode(status),
        cpu=usage.ru_utime + usage.ru_stime,
        peak_kb=usage.ru_maxrss // (1 if kernel.LINUX else 1024),
    )
    if plan["tier"] == "B":
        return  # and with this process all others of the namespace
    while True:  # the grader kills what is left; until then they have a parent
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _become_student(plan: Plan) -> NoReturn:
    try:
        _drop(plan)
        _report(plan, started=True)
        os.set_inheritable(plan["report"], False)
        os.execve(plan["command"][0], plan["command"], plan["environment"])
    except BaseException as error:
        _report(plan, error=f"{type(error).__name__}: {error}")
    os._exit(1)


def _drop(plan: Plan) -> None:
    if plan["tier"] != "A":
        os.setsid()
    for known in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(known, signal.SIG_DFL)
    os.umask(0o077)
    os.chdir(plan["inside"])
    if kernel.LINUX:
        _write(
            "/proc/self/oom_score_adj", "1000"
        )  # should the machine run out of memory, it is not the grader that ends
        _change_account(plan)
        kernel.no_new_privileges()
        kernel.die_with_parent(signal.SIGKILL)
    for name, (soft, hard) in plan["limits"].items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            most = resource.getrlimit(number)[1]
            if most != resource.RLIM_INFINITY:
                soft, hard = min(soft, most), min(hard, most)
            resource.setrlimit(number, (soft, hard))
    if plan["filter"]:
        program = system_calls.build_filter(own_signals_only=plan["own_signals_only"], no_forks=plan["no_forks"])
        kernel.install_filter(program)


def _change_account(plan: Plan) -> None:
    kind = plan["account"]["kind"]
    keep = (kernel.READ_SEARCH,) if kind == "reading" else ()
    kernel.clear_ambient()
    kernel.drop_bounding_set(*keep)
    if kind != "same" and plan["tier"] != "A":
        number = 1000 if plan["tier"] == "B" else plan["account"]["uid"]
        if keep:
            kernel.keep_capabilities()
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
    # Inheritable and permitted alike: what is ambient has to be both.
    kernel.set_capabilities(*keep)
    for capability in keep:
        kernel.raise_ambient(capability)
