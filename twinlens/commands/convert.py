"""``twinlens convert``: weights from one framework's file into the other's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import one_line_errors
from ..errors import ConfigError


def convert(
    source: Annotated[Path, typer.Argument(help="A .pth, .pt, .pdparams or .safetensors file.")],
    destination: Annotated[Path, typer.Argument(help="The file to write; its ending says the format.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="The network: a name of `twinlens models`, torchvision:NAME, paddle:NAME or file.py:function."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the network, such as classes=11."),
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="Shape of one sample, such as 3,32,32, where the network does not say it.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace the destination where it exists.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Turn weights of PyTorch into weights of Paddle and back: checked bit for bit and, with --model, by the scores."""
    with one_line_errors(debug):
        from ..comparison.checkpoints import convert_checkpoint

        report = convert_checkpoint(
            source, destination, model, options=_options(settings or ()), input_shape=_shape(shape), force=force
        )
        typer.echo(f"Wrote {report}.")
        for note in report.notes:
            typer.echo(f"Note: {note}.")
        if model is None:
            typer.echo("Note: without --model the names and the layout were not tried on a network.")


def _options(settings: Any) -> dict[str, Any]:
    import yaml

    options = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise ConfigError(f"--set {setting} is not a setting.", "Write --set name=value, such as classes=11.")
        try:
            options[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: the value is not valid YAML.", "Quote it.") from error
    return options


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        shape = tuple(int(part) for part in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ConfigError(f"--shape {text} is not a shape.", "Write whole numbers with commas, such as 3,224,224.")
    return shape
