"""``twinlens check``: one's own work on the public cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import one_line_errors, print_json, print_table, say

if TYPE_CHECKING:
    from ..grading.result import Result

_LOG_LINES = 15


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Your folder, .zip, .py or .ipynb.")],
    assignment: Annotated[
        str | None, typer.Option(help="Name or folder; what submission.toml names when left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Try your work on the public cases, with hints; exit code 1 if anything is not right yet.

    The grade is given on other cases. Nothing is sent anywhere.
    """
    with one_line_errors(debug):
        from ..grading.public_check import check_submission

        say("Your code runs in a sandbox, one process a task.")
        result = check_submission(folder, assignment)
        if as_json:
            print_json(result.model_dump(mode="json"))
        else:
            _print(result)
    if result.status != "passed":
        raise typer.Exit(1)


def _print(result: Result) -> None:
    rows = [[task.name, f"{task.score:g} of {task.max_score:g}", task.status, task.message] for task in result.tasks]
    title = f"{result.name}, on {result.submission.framework}: {result.score:g} of {result.max_score:g} points"
    print_table(f"{title} on the public cases", ["task", "points", "", "what to know"], rows)
    for task in result.tasks:
        if task.status != "passed" and task.log_tail.strip():
            lines = task.log_tail.rstrip().splitlines()[-_LOG_LINES:]
            typer.echo("\n".join([f"\nPrinted in '{task.name}':", *lines]))
    for flag in result.flags:
        typer.echo(f"Note: {flag}")
    typer.echo(f"Sandbox: {result.isolation.name}. The grade is given on other cases.")
