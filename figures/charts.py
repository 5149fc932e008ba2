"""Charts of numbers: agreement of two frameworks, training curves, confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import LogLocator, NullFormatter

from ..errors import InputError
from .bar_chart import shortened
from .canvas import INK, MUTED, PALETTE, new_figure, style
from .rendering import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def agreement(
    first: npt.ArrayLike, second: npt.ArrayLike, names: tuple[str, str] = ("torch", "paddle"), title: str | None = None
) -> Figure:
    """Plot the values of one framework against those of the other, and their differences.

    Parameters
    ----------
    first, second : arrays of one shape
        Attributions or activations.
    names : tuple of 2 str
        What they come from.
    title : str or None
        Above both charts.

    Returns
    -------
    matplotlib.figure.Figure
        Left the values with the line of identity, right how often each size of difference occurs. Above 5000 values,
        hexagons count the points.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    a, b = finite(np.asarray(first), names[0]), finite(np.asarray(second), names[1])
    if a.shape != b.shape or a.size == 0:
        raise InputError(
            f"{names[0]} has shape {a.shape}, {names[1]} has {b.shape}.", "Compare results of one method on one input."
        )
    a, b = a.ravel(), b.ravel()
    with style():
        figure = new_figure(8.0, 3.7, constrained=True)
        left, right = figure.subplots(1, 2)
        draw_scatter(left, a, b, names)
        difference = np.abs(a - b)
        nonzero = difference[difference > 0]
        if nonzero.size:
            edges = np.logspace(np.floor(np.log10(nonzero.min())), np.ceil(np.log10(nonzero.max())) + 1e-9, 40)
            right.hist(nonzero, bins=edges, color=PALETTE[0])
            right.set_xscale("log")
            right.xaxis.set_major_locator(LogLocator(numticks=5))
            right.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("-", "−"))
            right.xaxis.set_minor_formatter(NullFormatter())
        else:
            right.text(0.5, 0.5, "bit for bit the same", ha="center", va="center", transform=right.transAxes)
            right.set(xticks=[], yticks=[])
        right.set(xlabel=f"|{names[0]} − {names[1]}|", ylabel="values")
        equal = int((difference == 0).sum())
        right.set_title(f"{equal} of {a.size} are equal; largest difference {difference.max():.2g}", size=8.5)
        left.set_title(_closeness(a, b), size=8.5)
        if title:
            figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def draw_scatter(axes: Axes, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], names: tuple[str, str]) -> None:
    """Draw one vector's values against another's, with the line of identity; many points are counted by hexagons."""
    low = min(a.min(), b.min())
    axes.axline((low, low), slope=1, color=MUTED, linewidth=0.8, linestyle="--", label="identity")
    if a.size > 5000:
        axes.hexbin(a, b, gridsize=60, bins="log", cmap="viridis", mincnt=1, linewidths=0.1)
    else:
        axes.scatter(a, b, s=9, color=PALETTE[0], alpha=0.6, linewidths=0)
    axes.set(xlabel=names[0], ylabel=names[1], aspect="equal", adjustable="datalim")
    axes.locator_params(nbins=5)
    axes.legend(loc="upper left", fontsize=7.5)


def training_curves(runs: Mapping[str, Mapping[str, Sequence[float]]], title: str | None = None) -> Figure:
    """Plot loss and accuracy by epoch, one colour per run.

    Parameters
    ----------
    runs : mapping of run name to mapping of quantity to numbers by epoch
        Such as ``{"torch": {"training_loss": [...], "validation_loss": [...]}}``. Quantities that differ only in a
        leading ``training_`` or ``validation_`` share a chart; validation is drawn solid, training dashed.
        Accuracies in 0..1.
    title : str or None
        Above the charts.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per quantity.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    quantities = list(dict.fromkeys(_quantity(key)[0] for history in runs.values() for key in history))
    if not quantities:
        raise InputError("There is no training history to draw.", "Train for at least one epoch.")
    with style():
        figure = new_figure(4.0 * len(quantities), 3.1, constrained=True)
        for axes, quantity in zip(figure.subplots(1, len(quantities), squeeze=False)[0], quantities, strict=True):
            for colour, (run, history) in zip(_cycle(len(runs)), runs.items(), strict=True):
                for key, numbers in history.items():
                    name, part = _quantity(key)
                    if name == quantity:
                        line, marker = ("-", "o") if part == "validation" else ("--", ".")
                        epochs = np.arange(1, len(numbers) + 1)
                        label = f"{run}, {part}"
                        axes.plot(epochs, numbers, line, marker=marker, color=colour, markersize=4, label=label)
            axes.set(xlabel="epoch", ylabel=quantity)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.grid()
            axes.legend(fontsize=7.5)
            if quantity.startswith("accuracy"):
                axes.set_ylim(0, 1.03)
        if title:
            figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def confusion_matrix(matrix: npt.ArrayLike, classes: Sequence[str], title: str | None = None) -> Figure:
    """Draw how often each true class was taken for each other one, the counts written in.

    Parameters
    ----------
    matrix : integer array of shape (K, K)
        Rows are true classes, columns predicted ones.
    classes : sequence of K str
        Names.
    title : str or None
        Above the matrix.

    Returns
    -------
    matplotlib.figure.Figure
        Colours show each row's shares, so that rare classes are as visible as frequent ones.

    Raises
    ------
    InputError
        If matrix and classes do not fit.
    """
    counts = finite(np.asarray(matrix), "The confusion matrix")
    k = len(classes)
    if counts.shape != (k, k) or k == 0:
        raise InputError(f"A confusion matrix of shape {counts.shape} does not fit {k} classes.", "Give K × K counts.")
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    with style():
        side = float(np.clip(1.6 + 0.44 * k, 3.2, 14.0))
        figure = new_figure(side + 0.7, side, constrained=True)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        names = [shortened(name) for name in classes]
        axes.set_xticks(range(k), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(k), names)
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(length=0, labelsize=8)
        axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.2)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
        for row, column in np.ndindex(k, k):
            if counts[row, column]:
                colour = "white" if shares[row, column] > 0.55 else INK
                axes.text(column, row, f"{counts[row, column]:g}", ha="center", va="center", color=colour, size=8)
        bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, label="share of the true class")
        bar.outline.set_visible(False)
        accuracy = np.trace(counts) / counts.sum() if counts.sum() else 0.0
        heading = f"accuracy {accuracy:.1%} of {counts.sum():g}"
        axes.set_title(f"{title}: {heading}" if title else heading, loc="left", weight="bold")
    return figure


def _closeness(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> str:
    sizes = np.linalg.norm(a), np.linalg.norm(b)
    if min(sizes) == 0:
        return "both are zero" if max(sizes) == 0 else "one of them is zero"
    cosine = float((a / sizes[0]) @ (b / sizes[1]))
    relative = float(np.linalg.norm(a - b) / max(sizes))
    return f"cosine {cosine:.6f}, relative L2 {relative:.2g}"


def _quantity(key: str) -> tuple[str, str]:
    part, _, quantity = key.partition("_")
    return (quantity, part) if quantity and part in ("training", "validation") else (key, "training")


def _cycle(count: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(count)]
