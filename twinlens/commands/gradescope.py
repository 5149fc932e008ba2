"""``twinlens gradescope``: the autograder zip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import one_line_errors


def gradescope(
    assignment: Annotated[str, typer.Argument(help="Name of an assignment, or your folder.")],
    out: Annotated[Path | None, typer.Option(help="The zip to write; ASSIGNMENT_autograder.zip if left out.")] = None,
    allow_weak: Annotated[
        bool,
        typer.Option("--allow-weak", help="Grade also where the container gives no barrier to the answers."),
    ] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Build the zip to upload to Gradescope as the autograder. It holds the answers: keep it to yourself."""
    with one_line_errors(debug):
        from ..grading.assignment import load_assignment
        from ..grading.gradescope_zip import write_gradescope_zip

        loaded = load_assignment(assignment)
        path = write_gradescope_zip(loaded, out or Path(f"{loaded.assignment.id}_autograder.zip"), allow_weak)
        typer.echo(f"Wrote {path}. Choose a container with 2 CPUs and 3 GB of memory or more.")
        if not allow_weak:
            typer.echo(
                "Where the container allows no user namespaces it refuses to grade: then build with --allow-weak."
            )
