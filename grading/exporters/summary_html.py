"""The class at a glance: how many points, which mistakes, what broke."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import DataError
from ..result import STATUSES, Result, TaskStatus
from .pages import render

_BINS = 10


@dataclass(frozen=True)
class TaskSummary:
    """One task over all submissions.

    Attributes
    ----------
    name : str
    average, max_score : float
        Points.
    statuses : dict of str to int
        How many submissions have each status.
    """

    name: str
    average: float
    max_score: float
    statuses: dict[TaskStatus, int]

    @property
    def percent(self) -> float:
        """Average in per cent of the points."""
        return 100 * self.average / self.max_score if self.max_score else 0.0


@dataclass(frozen=True)
class CommonMistake:
    """A mistake, and how many submissions made it in which task."""

    task: str
    id: str
    count: int
    message: str


def summary_page(results: Sequence[Result]) -> str:
    """Write the page for the instructor.

    Parameters
    ----------
    results : sequence of Result
        Of one assignment.

    Returns
    -------
    str
        An HTML document that needs no network and runs no script.

    Raises
    ------
    DataError
        If there are no results.
    """
    if not results:
        raise DataError("There is nothing graded to sum up.", "Grade at least one submission first.")
    percents = [result.percent for result in results]
    isolation = Counter(f"{result.isolation.tier} ({result.isolation.name})" for result in results)
    return render(
        "summary.html.j2",
        title=results[0].name,
        count=len(results),
        facts={
            "Submissions": str(len(results)),
            "Average": f"{np.mean(percents):.1f} %",
            "Median": f"{np.median(percents):.1f} %",
            "All points": str(sum(result.status == "passed" for result in results)),
            "Without any points": str(sum(result.score == 0 for result in results)),
        },
        picture=_histogram(percents),
        bins=_bins(percents),
        tasks=task_summaries(results),
        statuses=[status for status in STATUSES if any(t.status == status for r in results for t in r.tasks)],
        mistakes=common_mistakes(results),
        isolation=sorted(isolation.items()),
        lacking=sorted({barrier for result in results for barrier in result.isolation.lacks}),
        frameworks=sorted(Counter(result.submission.framework or "unknown" for result in results).items()),
        flagged=sorted((result.submission.id, flag) for result in results for flag in result.flags),
        rows=sorted(results, key=lambda result: (result.submission.id, result.submission.sha256)),
    )


def task_summaries(results: Sequence[Result]) -> list[TaskSummary]:
    """Averages and statuses of each task, in the order of the assignment.

    Parameters
    ----------
    results : sequence of Result
    """
    found = []
    for name in dict.fromkeys(task.id for result in results for task in result.tasks):
        tasks = [task for result in results for task in result.tasks if task.id == name]
        found.append(
            TaskSummary(
                tasks[0].name,
                float(np.mean([task.score for task in tasks])),
                tasks[0].max_score,
                dict(Counter(task.status for task in tasks)),
            )
        )
    return found


def common_mistakes(results: Sequence[Result], most: int = 20) -> list[CommonMistake]:
    """Known mistakes by how often they were made; the message is the first one given for it.

    Parameters
    ----------
    results : sequence of Result
    most : int
        So many of them.
    """
    hints = [(task.id, task.hint_id, task) for result in results for task in result.tasks if task.hint_id]
    counts = Counter((task_id, hint_id) for task_id, hint_id, _ in hints)
    first = {(task_id, hint_id): task for task_id, hint_id, task in reversed(hints)}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]
    return [CommonMistake(first[key].name, key[1], count, first[key].message) for key, count in ranked]


def _bins(percents: Sequence[float]) -> list[tuple[str, int]]:
    """How many submissions lie in each tenth, the last one with its upper end."""
    counts, edges = np.histogram(np.clip(percents, 0, 100), bins=_BINS, range=(0, 100))
    return [(f"{low:.0f}–{high:.0f} %", int(count)) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _histogram(percents: Sequence[float]) -> str:
    """The distribution of scores as a picture within the page."""
    from matplotlib.ticker import MaxNLocator

    from ...figures.canvas import PALETTE, new_figure, style

    content = io.BytesIO()
    with style():
        figure = new_figure(7.0, 2.8, constrained=True)
        axes = figure.add_subplot()
        axes.hist(np.clip(percents, 0, 100), bins=_BINS, range=(0, 100), color=PALETTE[0], edgecolor="white")
        axes.set(xlabel="score (per cent of the points)", ylabel="submissions", xlim=(0, 100))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        figure.savefig(content, format="png", dpi=130, metadata={"Software": None})
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
