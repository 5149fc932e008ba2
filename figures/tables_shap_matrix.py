"""Squares of numbers about SHAP values: interactions of features, and how far models agree on what matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bar_chart import shortened
from .canvas import INK, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


def interaction_matrix(
    interactions: np.ndarray, feature_names: Sequence[str], title: str = "", unit: str = "", most: int = 14
) -> Figure:
    """Draw how strong main effects and interactions are: the mean over the rows of their absolute values.

    Parameters
    ----------
    interactions : (n, d, d) float
        Interaction values; a pair's two halves are drawn as their sum, main effects on the diagonal.
    feature_names : sequence of str
        d names.
    title, unit : str
        Texts; `unit` is that of the values.
    most : int
        How many features to show, those with the largest mean |SHAP value|.
    """
    order = np.argsort(-np.abs(interactions.sum(axis=2)).mean(axis=0), kind="stable")[:most]
    doubled = interactions * (2 - np.eye(interactions.shape[1]))
    strength = np.abs(doubled).mean(axis=0)[np.ix_(order, order)]
    names = [shortened(feature_names[i], 22) for i in order]
    with style():
        side = 1.8 + 0.36 * len(order)
        figure = new_figure(side + 1.2, side, constrained=True)
        axes = figure.add_subplot()
        # Main effects are many times stronger: a square root keeps the interactions visible.
        image = draw_matrix(axes, strength, names, names, power=0.5, low=0.0, form=_hundredths(float(strength.max())))
        bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.02, label=f"mean |value|, {unit}" if unit else None)
        bar.outline.set_visible(False)
        axes.set_title(counted(title, len(order), len(feature_names)), loc="left", weight="bold")
    return figure


def share_matrix(
    shares: np.ndarray, feature_names: Sequence[str], series: Sequence[str], title: str = "", most: int = 16
) -> Figure:
    """Draw what share of all attribution each feature gets, one column a model and method.

    Parameters
    ----------
    shares : (s, d) float
        At least 0; each row adds up to 1.
    feature_names : sequence of str
        d names.
    series : sequence of str
        s names.
    title : str
        Above the matrix.
    most : int
        How many features to show, those with the largest mean share.
    """
    order = np.argsort(-shares.mean(axis=0), kind="stable")[:most]
    names = [shortened(feature_names[i], 26) for i in order]
    with style():
        figure = new_figure(2.6 + 0.62 * len(series), 3.0 + 0.3 * len(order), constrained=True)
        axes = figure.add_subplot()
        draw_matrix(axes, 100 * shares[:, order].T, names, series, low=0.0, form="{:.0f}")
        axes.set_title(counted(title, len(order), len(feature_names)), loc="left", weight="bold")
        axes.set_ylabel("share of the mean |value|, %")
    return figure


def rank_matrices(
    overall: np.ndarray, by_row: np.ndarray, series: Sequence[str], title: str = "Do they agree on what matters?"
) -> Figure:
    """Draw two squares of rank correlations.

    Parameters
    ----------
    overall, by_row : (s, s) float in -1..1
        Of the features' mean |value|, and of the values row by row.
    series : sequence of str
        s names.
    title : str
        Above both.
    """
    with style():
        side = 2.4 + 0.44 * len(series)
        figure = new_figure(2 * side - 0.6, side + 0.5, constrained=True)
        left, right = figure.subplots(1, 2)
        for axes, numbers, what in ((left, overall, "mean |value|"), (right, by_row, "values of a row, mean")):
            draw_matrix(axes, numbers, series, series, low=-1.0, high=1.0, colours="RdBu_r")
            axes.set_title(f"Spearman, {what}", loc="left")
        right.set_yticks([])
        figure.suptitle(title, x=0.01, ha="left", weight="bold")
    return figure


def counted(title: str, shown: int, features: int) -> str:
    """Say in the title how many features are shown, where that is not all of them."""
    return title if shown == features else f"{title} (the strongest {shown} of {features} features)".strip()


def _hundredths(largest: float) -> str:
    """Format that shows a hundredth of the largest number, and no digit that matters less."""
    digits = 2 - int(np.floor(np.log10(largest))) if largest > 0 else 0
    return f"{{:.{max(digits, 0)}f}}"


def draw_matrix(
    axes: Axes,
    numbers: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    power: float = 1.0,
    low: float | None = None,
    high: float | None = None,
    colours: str = "Blues",
    form: str = "{:.2f}",
) -> AxesImage:
    """Draw numbers as coloured squares with the numbers written in.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Gets the matrix.
    numbers : (r, c) float
        What is drawn.
    rows, columns : sequence of str
        r and c names.
    power : float
        Exponent of the colour scale.
    low, high : float, optional
        Ends of the colour scale; those of the numbers if left out.
    colours : str
        A colour map of Matplotlib that is dark at its upper end.
    form : str
        Format of a number.
    """
    from matplotlib.colors import PowerNorm

    top = (float(numbers.max()) if high is None else high) or 1.0
    norm = PowerNorm(power, vmin=low, vmax=top)
    image = axes.imshow(numbers, cmap=colours, norm=norm, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    for (row, column), number in np.ndenumerate(numbers):
        red, green, blue, _ = image.cmap(norm(number))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        text = form.format(number).replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", size=7, color="white" if dark else INK)
    return image
