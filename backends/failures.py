"""Tell a framework's own complaints from the errors of the user's code, and put them in one line."""

from __future__ import annotations

from types import TracebackType


def raised_by(error: BaseException, package: str) -> bool:
    """Whether an error was raised inside `package`, and not by a user's forward or hook that it called.

    Parameters
    ----------
    error : BaseException
    package : str
        Top-level name of the framework's package, ``"torch"`` or ``"paddle"``.
    """
    trace = error.__traceback__
    innermost: TracebackType | None = None
    while trace is not None:
        innermost, trace = trace, trace.tb_next
    return innermost is not None and str(innermost.tb_frame.f_globals.get("__name__")).split(".")[0] == package


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
