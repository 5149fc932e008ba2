"""One submission's page: what was right, what was not, and the sentence that helps."""

from __future__ import annotations

from ..result import Result
from .pages import render


def feedback_page(result: Result) -> str:
    """Write the page that a student gets.

    It needs no network, runs no script, and shows neither the seed nor anything of the hidden cases. Tasks that are
    not visible to students are left out.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        An HTML document.
    """
    shown = [task for task in result.tasks if task.visibility == "visible"]
    return render(
        "feedback.html.j2",
        result=result,
        tasks=shown,
        complete=len(shown) == len(result.tasks),
        score=sum(task.score for task in shown),
        max_score=sum(task.max_score for task in shown),
    )
