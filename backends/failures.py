"""Tell a framework's own complaints from the errors of the user's code, and put them in one line."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from ..errors import TwinlensError


def raised_by(error: BaseException, package: str) -> bool:
    """Whether an error was raised inside `package`, and not by a user's forward or hook that it called.

    Between the two may stand a rule of twinlens for the operation that failed.

    Parameters
    ----------
    error : BaseException
    package : str
        Top-level name of the framework's package, ``"torch"`` or ``"paddle"``.
    """
    if isinstance(error, TwinlensError):
        return False
    packages = [_package(trace) for trace in _traces(error)]
    while packages and packages[-1] == "twinlens":
        packages.pop()
    return bool(packages) and packages[-1] == package


def _traces(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _package(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__")).split(".")[0]


def in_one_line(error: BaseException) -> str:
    """The first line of an error that says something; Paddle puts a C++ traceback before it.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
        At most 200 characters, without a full stop at the end.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    complaint = next((line for line in lines if line.startswith("(") or "Error: " in line), lines[0] if lines else "")
    text = f"{type(error).__name__}: {complaint}" if complaint else type(error).__name__
    return (text if len(text) <= 200 else f"{text[:197]}...").rstrip(".; ")
