"""Gradescope's ``results.json``."""

from __future__ import annotations

import json
from typing import Any

from ..result import Result, TaskResult

LARGEST = 1_000_000
"""Bytes of the file: Gradescope takes no more."""

_LONGEST = 16_000


def results(result: Result, longest: int = _LONGEST) -> dict[str, Any]:
    """What Gradescope reads about one submission, as plain values.

    All texts are declared to be plain text, so that nothing in them is markup. The seed of the hidden cases and the
    measured distances stay out.

    Parameters
    ----------
    result : Result
    longest : int
        Characters of each task's message, and of its log.

    Returns
    -------
    dict
    """
    return {
        "score": result.score,
        "execution_time": round(sum(task.wall_s for task in result.tasks), 3),
        "output": f"{result.name}: {result.score:g} of {result.max_score:g} points.",
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "schema": result.format,
            "assignment": result.assignment,
            "framework": result.submission.framework or "",
            "isolation": f"{result.isolation.tier}: {result.isolation.name}",
            "status": result.status,
        },
        "tests": [_test(number, task, longest) for number, task in enumerate(result.tasks, 1)],
    }


def results_json(result: Result) -> str:
    """The text of ``results.json``, of at most a million bytes: texts are shortened as far as it takes.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
    """
    longest = _LONGEST
    while True:
        text = json.dumps(results(result, longest), indent=1, allow_nan=False)
        if len(text) <= LARGEST or longest == 0:
            return text
        longest //= 2


def _test(number: int, task: TaskResult, longest: int) -> dict[str, Any]:
    message = task.message[:longest]
    log = task.log_tail[max(0, len(task.log_tail) - longest) :]
    return {
        "score": task.score,
        "max_score": task.max_score,
        "status": "passed" if task.status == "passed" else "failed",
        "name": task.name,
        "name_format": "text",
        "number": str(number),
        "output": f"{message}\n\nWhat your code printed:\n{log}" if log.strip() else message,
        "output_format": "text",
        "tags": [task.status] if task.hint_id is None else [task.status, task.hint_id],
        "visibility": task.visibility,
        "extra_data": {"id": task.id, "status": task.status},
    }
