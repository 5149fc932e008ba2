"""The command line: every command says what it does, what went wrong, and what to do about it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from .commands.check import check
from .commands.check_assignment import check_assignment
from .commands.compare import compare
from .commands.convert import convert
from .commands.diff import diff
from .commands.explain import explain
from .commands.grade import grade
from .commands.gradescope import gradescope
from .commands.start import start
from .console import one_line_errors, print_json, print_table, say

app = typer.Typer(
    name="twinlens",
    help="Explainable AI on PaddlePaddle and PyTorch alike.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        typer.echo(f"twinlens {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    # Figures are written to files: without this a machine without a screen can fail on the first one.
    os.environ.setdefault("MPLBACKEND", "Agg")
    # torch's threads wait for each other in busy loops: beside other work on the same cores that is many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="A YAML file, such as configs/saliency.yaml.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; runs/NAME when left out.")] = None,
    backend: Annotated[str | None, typer.Option(help="torch, paddle or both.")] = None,
    data: Annotated[Path | None, typer.Option(help="A Food-11 folder, or a picture to add to the photographs.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Put a value over the file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Where everything random comes from.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda:0, or auto.")] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Do the tasks of a configuration; write explanations, figures, results.json and report.html."""
    with one_line_errors(debug):
        from .tasks.config_file import load_config, with_data
        from .tasks.runner import run as run_tasks

        chosen = load_config(config, settings or (), backend=backend, seed=seed, device=device)
        if data is not None:
            chosen = with_data(chosen, data)
        folder = out or Path("runs") / config.stem
        run_tasks(chosen, folder, say)
        typer.echo(f"Wrote {folder / 'report.html'}")


app.command()(explain)
app.command()(compare)
app.command()(convert)
app.command()(diff)
app.command()(start)
app.command()(check)
app.command()(grade)
app.command("check-assignment")(check_assignment)
app.command()(gradescope)


@app.command()
def methods(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the explanation methods: family, taxonomy, needs, error estimate, paper."""
    from .methods.registry import methods as table

    found = table().values()
    if as_json:
        keys = ("family", "time", "access", "scope", "needs", "error", "paper", "summary")
        print_json({m.name: {key: getattr(m, key) for key in keys} for m in found})
        return
    rows = [
        [m.name, m.family, m.access.removeprefix("model-"), m.scope, m.needs, m.error.partition(":")[0], m.citation]
        for m in found
    ]
    columns = ["name", "family", "model", "scope", "needs", "error estimate", "paper"]
    print_table("Explanation methods (all post hoc)", columns, rows)


@app.command()
def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the networks that are written once for both frameworks."""
    from .models.registry import models as table

    found = table()
    if as_json:
        keys = ("source", "input_shape", "classes", "parameters")
        print_json({m.name: {key: getattr(m, key) for key in keys} for m in found})
        return
    rows = [[m.name, "×".join(map(str, m.input_shape)), str(m.classes), f"{m.parameters:,}", m.source] for m in found]
    print_table("Networks", ["name", "input", "classes", "parameters", "source"], rows)
    typer.echo("Also torchvision:NAME, paddle:NAME (every constructor of both libraries) and file.py:function.")


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is installed, in which builds, on which devices, and how to get what is missing."""
    from .doctor import doctor as examine

    raise typer.Exit(examine(as_json=as_json))


def main() -> None:
    """Entry point of the console script."""
    # Ended from outside, as by a batch system, a command clears up as it does after Ctrl-C.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
