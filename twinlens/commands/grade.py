"""``twinlens grade``: a class's submissions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..console import one_line_errors, say

if TYPE_CHECKING:
    from ..grading.result import Result

    Told: TypeAlias = Callable[[Result, int, int], None]


def grade(
    submissions: Annotated[
        list[Path], typer.Argument(help="A folder of submissions, or submissions: folders, .zip, .py, .ipynb.")
    ],
    assignment: Annotated[str, typer.Option(help="Name of an assignment, or an instructor's folder.")],
    out: Annotated[Path, typer.Option(help="Folder to write; one of an earlier run is gone on with.")],
    jobs: Annotated[int, typer.Option(help="Submissions at a time; each takes about a GiB of memory.")] = 1,
    seed: Annotated[
        int | None, typer.Option(help="From which all hidden cases are drawn; a secret one when left out.")
    ] = None,
    regrade: Annotated[bool, typer.Option("--regrade", help="Grade again what is graded already.")] = False,
    single: Annotated[
        bool, typer.Option("--single", help="Each path is one submission, whatever its files are called.")
    ] = False,
    allow_weak: Annotated[
        bool,
        typer.Option("--allow-weak", help="Go on where the sandbox lets students' code see the answers; see `doctor`."),
    ] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Grade submissions; write a gradebook, a page for each student, Gradescope and JUnit files, a class summary.

    twinlens grade handed_in/ --assignment saliency --out grades --jobs 2

    Killed or stopped, the same command goes on where it was. Exit code 1 if some could not be graded.
    """
    with one_line_errors(debug):
        from ..grading.assignment import load_assignment
        from ..grading.grade import grade as grade_all
        from ..grading.one import NOT_GRADED, is_graded

        loaded = load_assignment(assignment)
        done = [0, 0]
        try:
            with _progress(done) as (speak, told):
                results = grade_all(
                    submissions,
                    loaded,
                    out,
                    jobs,
                    seed,
                    allow_weak,
                    speak,
                    regrade=regrade,
                    single=single,
                    told=told,
                )
        except KeyboardInterrupt:
            typer.secho(
                f"Stopped; {done[0]} of {done[1] or 'the'} submissions are graded. The same command goes on.", err=True
            )
            raise typer.Exit(130) from None
        failed = [result for result in results if not is_graded(result)]
        average = sum(result.percent for result in results) / len(results)
        typer.echo(f"Graded {len(results) - len(failed)} of {len(results)}; on average {average:.1f} %.")
        for result in failed:
            reason = next(flag for flag in result.flags if flag.startswith(NOT_GRADED))
            typer.secho(f"{result.submission.id}: {reason}", err=True, fg=typer.colors.RED)
        typer.echo(f"Wrote {out / 'summary.html'} and {out / 'gradebook.csv'}")
    if failed:
        raise typer.Exit(1)


@contextmanager
def _progress(done: list[int]) -> Iterator[tuple[Callable[[str], None], Told]]:
    """How far it is: a bar on a terminal, lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = sys.stderr.isatty()
    progress = Progress(
        TextColumn("graded"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        disable=not bar,
    )
    row = progress.add_task("", total=None)

    def told(result: Result, number: int, count: int) -> None:
        done[:] = [number, count]
        line = f"{result.submission.id}: {result.score:g} of {result.max_score:g}, {result.status}"
        if bar:
            progress.update(row, total=count, completed=number, description=line)
        else:
            say(f"{line} ({number} of {count})")

    with progress:
        yield (say if not bar else lambda line: progress.console.print(line, style="dim", markup=False)), told
