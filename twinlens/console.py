"""What the commands share: errors in one line, progress on the error stream, tables and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from .errors import TwinlensError


@contextmanager
def one_line_errors(debug: bool) -> Iterator[None]:
    """Turn an error that the user can mend into one line on the error stream and exit code 2."""
    try:
        yield
    except TwinlensError as error:
        if debug:
            raise
        typer.secho(f"Error: {error}", err=True, fg=typer.colors.RED)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.secho("Stopped; nothing was written.", err=True)
        raise typer.Exit(130) from None


def say(message: str) -> None:
    """Tell the user what is going on: on the error stream, so that the results alone can be redirected."""
    from rich.console import Console

    Console(stderr=True).print(message, style="dim", markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print on the output stream, indented."""
    import json

    typer.echo(json.dumps(value, indent=2))


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table that folds what is too wide."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
