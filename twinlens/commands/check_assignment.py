"""``twinlens check-assignment``: whether an assignment tells right from wrong and gives nothing away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import one_line_errors, say


def check_assignment(
    assignment: Annotated[str, typer.Argument(help="Name of an assignment, or your folder.")],
    framework: Annotated[
        list[str] | None, typer.Option(help="torch or paddle; all of the assignment's when left out.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many draws of hidden cases are tried.")] = 3,
    solution: Annotated[
        list[Path] | None, typer.Option(help="A right submission, which has to get all points; may be repeated.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Try an assignment out before students see it; exit code 1 if anything is wrong with it.

    The reference gets all points, every known mistake its own hint, the starter nothing, and no file for students
    holds an answer: on both frameworks, on the public cases and on several draws of hidden ones.
    """
    with one_line_errors(debug):
        from ..grading.assignment import load_assignment
        from ..grading.checking import check_assignment as examine

        loaded = load_assignment(assignment)
        found = examine(loaded, range(1, seeds + 1), framework, solution or (), say)
        for sentence in found:
            typer.secho(sentence, fg=typer.colors.RED)
        if not found:
            typer.echo(f"'{loaded.assignment.id}' is fit to be handed out.")
    if found:
        raise typer.Exit(1)
