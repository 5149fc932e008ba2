"""``twinlens compare``: the same pictures explained twice, or two saved results, held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import one_line_errors, print_table, say
from ..errors import ConfigError

if TYPE_CHECKING:
    from ..comparison.comparison import Comparison
    from ..comparison.measures import Failure, Threshold
    from ..comparison.pair import Pair

_BESIDE = 3
_NETWORK = "a name of `twinlens models`, torchvision:NAME, paddle:NAME or file.py:function"
_WEIGHTS = "A weights file, 'pretrained', or 'random' for none; pretrained when left out."


def compare(
    images: Annotated[list[Path] | None, typer.Argument(help="Picture files, which both networks explain.")] = None,
    model_a: Annotated[str | None, typer.Option(help=f"Network A: {_NETWORK}.")] = None,
    model_b: Annotated[
        str | None,
        typer.Option(help="Network B; when left out, A in the other framework, with the same weights."),
    ] = None,
    weights_a: Annotated[str | None, typer.Option(help=_WEIGHTS)] = None,
    weights_b: Annotated[str | None, typer.Option(help="The same for B.")] = None,
    backend_a: Annotated[str | None, typer.Option(help="torch or paddle, where A can be built on both.")] = None,
    backend_b: Annotated[str | None, typer.Option(help="The same for B.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="A method of `twinlens methods`; may be repeated.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD", help="Explain B by this method instead; without --model-b, B is then network A itself."
        ),
    ] = None,
    files: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B",
            help="Instead of pictures and networks: two saved explanations (.npz), or two folders that `twinlens "
            "explain`, `run` or `compare` wrote.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Class name or number; the class that A predicts when left out.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the method, such as steps=9."),
    ] = None,
    background: Annotated[list[Path] | None, typer.Option(help="A picture that stands for 'nothing there'.")] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of the pictures; network A's own when left out.")
    ] = None,
    top: Annotated[float, typer.Option(help="Share of the values that count as most important, for top_k.")] = 0.05,
    float64: Annotated[
        bool, typer.Option("--float64", help="Compute in float64: what then differs is more than rounding.")
    ] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar='"MEASURE>NUMBER"',
            help="End with exit code 1 if this is true of one picture or if explanations are missing; in quotes, may "
            'be repeated: "relative_l2>1e-4", "cosine<0.99". The measures are named above.',
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/compare"),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Where everything random comes from.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda:0, or auto.")] = "auto",
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Say how far two explanations of the same pictures agree; write figures, results.json and report.html.

    Two frameworks: twinlens compare cat.jpg --model-a torchvision:resnet18

    Two networks: twinlens compare cat.jpg --model-a small_cnn --model-b lenet

    Two methods: twinlens compare cat.jpg --model-a lenet --method lime --against saliency

    Two earlier runs: twinlens compare --files runs/monday runs/tuesday

    Measures for --fail-if. Equal explanations have 0 in these:
    max_abs: largest difference of two values
    relative_l2: length of the difference over the length of B
    score_difference: largest difference between the networks' scores
    probability_difference: the same for their probabilities

    Equal explanations have 1 in these:
    cosine: same direction
    spearman: same order of all values
    top_k: share of the most important places in common, see --top
    sign: share of the values with the same sign
    ssim: maps that look the same
    same_prediction: 1 if both networks predict the same class, else 0
    """
    with one_line_errors(debug):
        from ..comparison.measures import Threshold

        limits = [Threshold.parse(text) for text in fail_if or ()]
        if files is not None:
            _only_files(images, model_a, model_b, method, against)
            from ..tasks.comparing import compare_results

            comparison, failures = compare_results(*files, out, limits, top, say)
        else:
            from ..tasks.comparing import Network, Wish, compare_files

            if not images or model_a is None:
                raise ConfigError(
                    f"There is no {'picture' if not images else 'network'} to compare with.",
                    "Name pictures and --model-a, or two saved results with --files A B.",
                )
            if model_b is None and (weights_b is not None or backend_b is not None):
                raise ConfigError("--weights-b and --backend-b belong to a second network.", "Name it with --model-b.")
            comparison, failures = compare_files(
                images,
                out,
                Network(model_a, _weights(model_a, weights_a), backend_a),
                None if model_b is None else Network(model_b, _weights(model_b, weights_b), backend_b),
                Wish(
                    methods=method or ["integrated_gradients"],
                    against=against,
                    target=target,
                    settings=settings or (),
                    background=background or (),
                    size=size,
                    top=top,
                    double=float64,
                    thresholds=limits,
                    seed=seed,
                    device=device,
                ),
                say,
            )
        _print(comparison, limits, failures, out)
    if failures:
        raise typer.Exit(1)


def _only_files(*others: object) -> None:
    if any(others):
        raise ConfigError("--files compares what is already made.", "Leave out pictures, networks and methods.")


def _weights(model: str, weights: str | None) -> str | None:
    """As for `twinlens explain`: pretrained, but for a network of the user's own file."""
    known = weights if weights is not None else (None if ".py:" in model else "pretrained")
    return None if known == "random" else known


def _print(comparison: Comparison, limits: Sequence[Threshold], failures: Sequence[Failure], out: Path) -> None:
    typer.echo(f"A: {comparison.names[0]}\nB: {comparison.names[1]}")
    for start in range(0, len(comparison.pairs), _BESIDE):
        _print_numbers(comparison.pairs[start : start + _BESIDE])
    for pair in comparison.pairs:
        for note in pair.notes:
            typer.echo(f"{pair.name}: {note}")
    for name, reason in comparison.missing.items():
        typer.echo(f"Not compared: {name}: {reason}")
    for failure in failures:
        typer.secho(f"Fell short: {failure}", err=True, fg=typer.colors.RED)
    if limits and not failures:
        typer.echo(f"All limits are kept: {', '.join(f'not {limit}' for limit in limits)}")
    typer.echo(f"Wrote {out / 'report.html'}")


def _print_numbers(pairs: Sequence[Pair]) -> None:
    """A column per pair: more than a few of them would not fit a terminal, more rows do."""
    from ..comparison.measures import MEASURES
    from ..figures.report import format_cell

    worst = [pair.worst() for pair in pairs]
    rows = [[measure.title, *(format_cell(each[name]) for each in worst)] for name, measure in MEASURES.items()]
    for side, place in zip("AB", (0, 1), strict=True):
        rows.append([f"seconds {side}", *(format_cell((p.first, p.second)[place].seconds) for p in pairs)])
    for side, place in zip("AB", (0, 1), strict=True):
        rows.append([f"peak memory {side}, MiB", *(format_cell(p.memory[place]) for p in pairs)])
    print_table("The least favourable picture", ["", *(pair.name for pair in pairs)], rows)
