"""What a student is told whose code did not get to an answer."""

from __future__ import annotations

from .assignment import Limits, Task
from .protocol import Outcome
from .result import TaskStatus
from .text import one_line


def broken(task: Task, status: TaskStatus, outcome: Outcome, limits: Limits | None) -> str:
    """Tell a student how the process of a task ended, and what to do about it.

    Parameters
    ----------
    task : Task
    status : str
    outcome : Outcome
        Its detail is the student's own text, and is cleaned.
    limits : Limits or None
        Named where one was exceeded.

    Returns
    -------
    str
    """
    detail = one_line(outcome.detail).rstrip(".")
    said = f": {detail}." if detail else "."
    match status:
        case "timeout":
            allowed = _time_allowed(outcome, limits)
            cure = (
                "Its log shows that it waited for processes which may not talk to each other here: give a DataLoader "
                "no workers, num_workers=0."
                if _waited_for_workers(outcome.log_tail)
                else "Look for an endless loop, or for work done one value at a time that a whole array can do at once."
            )
            return f"'{task.title}' was stopped because it ran longer than {allowed}. {cure}"
        case "memory":
            allowed = (
                f"the {limits.memory_mb} MB that it may use on top of the framework's own"
                if limits
                else "the memory that it may use"
            )
            return (
                f"Your function used more than {allowed}. "
                "Process fewer copies at a time, and keep no graph: detach what you store."
            )
        case "crashed":
            return f"Your code stopped with an error in '{task.title}'{said} The end of its log shows where."
        case "bad_output":
            return f"What '{task.title}' handed over cannot be used{said}"
        case _:
            return (
                f"'{task.title}' ended without handing over an answer{said} "
                "Return the arrays; do not end the process yourself."
            )


def _waited_for_workers(log: str) -> bool:
    """Whether the sandbox refused a socket to a worker, whose result is then waited for without end."""
    return "multiprocessing" in log and "socket" in log and "PermissionError" in log


def _time_allowed(outcome: Outcome, limits: Limits | None) -> str:
    if limits is None:
        return "it may"
    # Waiting costs no processor time: the nearer limit is the one that ended it.
    if outcome.cpu_s / limits.cpu_seconds >= outcome.wall_s / limits.wall_seconds:
        return f"the {limits.cpu_seconds:g} seconds of computing that it has"
    return f"the {limits.wall_seconds:g} seconds that it has"
