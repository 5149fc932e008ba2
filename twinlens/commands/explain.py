"""``twinlens explain``: what a network sees in picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import one_line_errors, say

_NETWORK, _PICTURES, _METHOD, _REGIONS, _RUN = "The network", "The pictures", "The method", "Drawing regions", "The run"


def explain(
    images: Annotated[list[Path], typer.Argument(help="Picture files.")],
    method: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=_METHOD, help="A method of `twinlens methods`; may be repeated."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(rich_help_panel=_METHOD, help="Class name or number; the predicted class when left out."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", rich_help_panel=_METHOD, metavar="NAME=VALUE", help="A parameter of the method: samples=500."
        ),
    ] = None,
    background: Annotated[
        list[Path] | None,
        typer.Option(rich_help_panel=_METHOD, help="A picture that stands for 'nothing there'."),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            rich_help_panel=_NETWORK,
            help="A name of `twinlens models`, torchvision:NAME, paddle:NAME or file.py:function. Your file may also "
            "say LABELS, SIZE, MEAN and STD, or preprocess(x).",
        ),
    ] = "efficientnet_lite0",
    weights: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_NETWORK, help="A weights file, 'pretrained', or 'random' for none; pretrained if left out."
        ),
    ] = None,
    backend: Annotated[str, typer.Option(rich_help_panel=_NETWORK, help="torch, paddle or both.")] = "torch",
    labels: Annotated[
        str | None,
        typer.Option(rich_help_panel=_NETWORK, help="Class names: a file, one a line, or 'mask,no mask'."),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(rich_help_panel=_NETWORK, help="Number of outputs to build; the network's own when left out."),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(rich_help_panel=_NETWORK, help="Of the colours, for pictures of 0..1: R,G,B or imagenet."),
    ] = None,
    std: Annotated[str | None, typer.Option(rich_help_panel=_NETWORK, help="As --mean.")] = None,
    outputs: Annotated[
        str | None,
        typer.Option(rich_help_panel=_NETWORK, help="logits or probabilities; found out when left out."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=_PICTURES, help="Side of the pictures; the network's own when left out."),
    ] = None,
    fit: Annotated[
        str,
        typer.Option(rich_help_panel=_PICTURES, help="To a square: crop to the middle, or stretch."),
    ] = "crop",
    crop: Annotated[
        str, typer.Option(rich_help_panel=_PICTURES, help="face: explain the largest face alone; or none.")
    ] = "none",
    margin: Annotated[
        float, typer.Option(rich_help_panel=_PICTURES, help="Around the face, as a share of its side.")
    ] = 0.2,
    no_face: Annotated[
        str, typer.Option(rich_help_panel=_PICTURES, help="Where there is no face: fail, or take the whole picture.")
    ] = "fail",
    on_error: Annotated[
        str,
        typer.Option(rich_help_panel=_PICTURES, help="A picture that cannot be read: skip it and go on, or fail."),
    ] = "skip",
    regions: Annotated[
        str,
        typer.Option(
            rich_help_panel=_REGIONS, help="Those that speak for the class and against: both, positive, none."
        ),
    ] = "both",
    num_regions: Annotated[int, typer.Option(rich_help_panel=_REGIONS, help="At most so many, the strongest.")] = 5,
    min_weight: Annotated[float, typer.Option(rich_help_panel=_REGIONS, help="Weaker ones are not drawn.")] = 0.0,
    hide_rest: Annotated[
        bool, typer.Option("--hide-rest", rich_help_panel=_REGIONS, help="Blank the rest of the picture.")
    ] = False,
    palette: Annotated[
        str, typer.Option(rich_help_panel=_REGIONS, help="green-red, or blue-orange with stripes.")
    ] = "green-red",
    out: Annotated[Path, typer.Option(rich_help_panel=_RUN, help="Folder to write.")] = Path("runs/explain"),
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, rich_help_panel=_RUN, help="Where everything random comes from.")
    ] = 0,
    device: Annotated[str, typer.Option(rich_help_panel=_RUN, help="cpu, cuda:0, or auto.")] = "auto",
    debug: Annotated[
        bool, typer.Option("--debug", rich_help_panel=_RUN, help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Explain what a network sees in pictures; write explanations, figures, results.json and report.html.

    A cat: twinlens explain cat.jpg --method gradcam

    Your own classifier: twinlens explain me.jpg --model file.py:build --weights mask.pth --method lime --crop face
    """
    with one_line_errors(debug):
        from ..tasks.classifier import Classifier
        from ..tasks.explained_drawing import Drawing
        from ..tasks.explained_files import Reading
        from ..tasks.explanations import Wish, explain_files

        known = weights if weights is not None else (None if ".py:" in model else "pretrained")
        found = explain_files(
            images,
            out,
            Classifier(
                model, None if known == "random" else known, classes, labels, size, mean=mean, std=std, outputs=outputs
            ),
            Wish(
                methods=method or ["integrated_gradients"],
                target=target,
                settings=settings or (),
                background=background or (),
                backend=backend,
                reading=Reading(crop, margin, no_face, fit, on_error),  # type: ignore[arg-type]
                drawing=Drawing(regions, num_regions, min_weight, hide_rest, palette),
                seed=seed,
                device=device,
            ),
            say,
        )
        _print(found)
        typer.echo(f"Wrote {out / 'report.html'}")


def _print(found: dict[str, Any]) -> None:
    for backend, guesses in found["predictions"].items():
        for path, best in zip(found["pictures"], guesses, strict=True):
            said = ", ".join(f"{guess['name']} {guess['probability']:.3f}" for guess in best)
            typer.echo(f"{Path(path).name} ({backend}): {said}")
