"""``twinlens start``: a folder to work in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import one_line_errors


def start(
    assignment: Annotated[str, typer.Argument(help="Name of an assignment, or an instructor's folder.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder to write.")],
    framework: Annotated[str, typer.Option(help="torch or paddle.")],
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Write a folder with the task in words, functions to fill in as a script and as a notebook, and public data.

    twinlens start saliency --framework paddle my_homework
    """
    with one_line_errors(debug):
        from ..grading.assignment import load_assignment
        from ..grading.start import start as write

        write(load_assignment(assignment), framework, folder)
        typer.echo(f"Wrote {folder}. Read README.md, fill in submission.py or submission.ipynb, then:")
        typer.echo(f"twinlens check {folder}")
