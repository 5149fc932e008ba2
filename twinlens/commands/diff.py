"""``twinlens diff``: two networks held against each other layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import one_line_errors, say

_NETWORK = "a name of `twinlens models`, torchvision:NAME, paddle:NAME or file.py:function"
_WEIGHTS = "A weights file, or 'pretrained'; random when left out."


def diff(
    model_a: Annotated[str, typer.Argument(metavar="A", help=f"The reference: {_NETWORK}.")],
    model_b: Annotated[str, typer.Argument(metavar="B", help="The network to hold against it.")],
    weights_a: Annotated[str | None, typer.Option(help=_WEIGHTS)] = None,
    weights_b: Annotated[str | None, typer.Option(help="The same for B.")] = None,
    backend_a: Annotated[str | None, typer.Option(help="torch or paddle, where A can be built on both.")] = None,
    backend_b: Annotated[str | None, typer.Option(help="The same for B.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture file; random numbers when left out.")] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Side of the picture; network A's own when left out.")] = None,
    teacher_forced: Annotated[
        bool, typer.Option("--teacher-forced", help="Name every place in which they part, not only the first.")
    ] = False,
    tolerance: Annotated[
        float | None, typer.Option(help="Relative L2 that one step may add; 1e-10 when left out.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers to this file as well.")] = None,
    fail: Annotated[bool, typer.Option("--fail", help="End with exit code 1 when the networks differ.")] = False,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Where everything random comes from.")] = 0,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Find the layer in which two networks part, and the cause: forward, backward, on one input."""
    with one_line_errors(debug):
        from rich.console import Console

        from ..tasks.differing import differ, save

        found = differ(
            (model_a, model_b),
            weights=(weights_a, weights_b),
            backends=(backend_a, backend_b),
            image=image,
            size=size,
            seed=seed,
            teacher_forced=teacher_forced,
            tolerance=tolerance,
            say=say,
        )
        Console().print(found, soft_wrap=True)
        if json_file is not None:
            save(found, json_file)
            say(f"wrote {json_file}")
        if fail and not found.agrees:
            raise typer.Exit(1)
