"""The gradebook: a CSV file with one row per submission, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ..result import Result, TaskResult

# What a spreadsheet takes for the beginning of a formula, full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001
_HEAD = ("id", "framework", "status", "score", "max_score", "percent")
_TAIL = ("isolation", "flags", "sha256")


def gradebook_csv(results: Sequence[Result]) -> str:
    """Write the gradebook.

    Rows are sorted by submission; columns follow the order of the tasks, so that the same results always give the
    same file. A text that a spreadsheet would take for a formula gets an apostrophe before it.

    Parameters
    ----------
    results : sequence of Result

    Returns
    -------
    str
        Lines that end in a line feed.
    """
    names = list(dict.fromkeys(task.id for result in results for task in result.tasks))
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(
        [
            *_HEAD,
            *(neutral(f"{name}{ending}") for name in names for ending in ("", "_status", "_hint")),
            *_TAIL,
        ]
    )
    for result in sorted(results, key=lambda result: (result.submission.id, result.submission.sha256)):
        tasks = {task.id: task for task in result.tasks}
        writer.writerow(
            [
                neutral(result.submission.id),
                result.submission.framework or "",
                result.status,
                _number(result.score),
                _number(result.max_score),
                _number(round(result.percent, 2)),
                *(cell for name in names for cell in _cells(tasks.get(name))),
                result.isolation.tier,
                neutral("; ".join(result.flags)),
                result.submission.sha256,
            ]
        )
    return content.getvalue()


def neutral(text: str) -> str:
    """A cell that no spreadsheet runs as a formula.

    Parameters
    ----------
    text : str
    """
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def _cells(task: TaskResult | None) -> tuple[str, str, str]:
    if task is None:
        return "", "", ""
    return _number(task.score), task.status, neutral(task.hint_id or "")


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
