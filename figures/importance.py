"""Pictures of what models say of their features: coefficients with signs, and importances side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from ..errors import InputError
from .bar_chart import draw_bars, shortened
from .canvas import INK, MUTED, NEGATIVE, PALETTE, POSITIVE, new_figure, style
from .rendering import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 25


@dataclass(frozen=True)
class Panel:
    """One measure of importance.

    Attributes
    ----------
    title, xlabel : str
    values : array of shape (D,)
    errors : array of shape (D,) or None
        Half lengths of error bars.
    log : bool
        Whether the axis is logarithmic, which suits counts.
    limit : float or None
        Where the axis ends; longer bars are cut off, and their number is written in.
    """

    title: str
    xlabel: str
    values: npt.ArrayLike
    errors: npt.ArrayLike | None = None
    log: bool = False
    limit: float | None = None


def coefficient_bars(
    names: Sequence[str],
    outputs: Sequence[str],
    coefficients: npt.ArrayLike,
    errors: npt.ArrayLike,
    doubtful: npt.ArrayLike,
    title: str,
    doubt: str = "shared with other columns",
) -> Figure:
    """Draw the coefficients of a linear model, one chart an output: red raises it, blue lowers it.

    Parameters
    ----------
    names : sequence of D str
        Columns.
    outputs : sequence of O str
        What the coefficients add to.
    coefficients, errors : arrays of shape (O, D)
        With half lengths of error bars.
    doubtful : boolean array of shape (D,)
        Columns whose bars are hatched.
    title : str
        Above all charts.
    doubt : str
        What the hatching means.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    numbers, spread = np.asarray(coefficients, dtype=float), np.asarray(errors, dtype=float)
    marked = np.asarray(doubtful, dtype=bool)
    if numbers.shape != (len(outputs), len(names)) or spread.shape != numbers.shape or len(marked) != len(names):
        raise InputError(
            f"Coefficients {numbers.shape} do not fit {len(outputs)} outputs and {len(names)} names.",
            "Give one coefficient and one error per output and name.",
        )
    across = min(3, len(outputs))
    down = -(-len(outputs) // across)
    shown = min(len(names), MOST_BARS)
    with style():
        figure = new_figure(max(6.2, 4.1 * across), down * (0.9 + 0.29 * max(shown, 3)) + 0.5, constrained=True)
        charts = figure.subplots(down, across, squeeze=False).ravel()
        for axes, output, values, half in zip(charts, outputs, numbers, spread, strict=False):
            draw_bars(axes, names, values, half, maximum=MOST_BARS)
            for patch, i in zip(axes.patches, np.argsort(-np.abs(values), kind="stable"), strict=False):
                if marked[i]:
                    patch.set(hatch="////", edgecolor="white", linewidth=0)
            axes.set_title(shortened(output, 40), loc="left")
            axes.set_xlabel("change per standard deviation of the column")
        for axes in charts[len(outputs) :]:
            axes.set_axis_off()
        keys = [Patch(color=POSITIVE, label="raises"), Patch(color=NEGATIVE, label="lowers")]
        if marked.any():
            keys.append(Patch(facecolor=MUTED, hatch="////", edgecolor="white", linewidth=0, label=doubt))
        figure.legend(handles=keys, loc="outside lower right", ncols=len(keys), fontsize=7.5)
        figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def importance_panels(
    names: Sequence[str], panels: Sequence[Panel], title: str, strange: npt.ArrayLike | None = None, note: str = ""
) -> Figure:
    """Draw several measures of the same features side by side, in the order of the first measure.

    Parameters
    ----------
    names : sequence of D str
        Features.
    panels : sequence of Panel
        One chart each.
    title : str
        Above all charts.
    strange : boolean array of shape (D,) or None
        Features to be drawn in another colour.
    note : str
        What these are.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is nothing to draw, or names and values differ in number.
    """
    if not panels or not names or any(np.shape(panel.values) != (len(names),) for panel in panels):
        raise InputError(f"{len(panels)} panels do not fit {len(names)} names.", "Give one number per name and panel.")
    marked = np.zeros(len(names), bool) if strange is None else np.asarray(strange, dtype=bool)
    order = np.argsort(-np.asarray(panels[0].values, dtype=float), kind="stable")[:MOST_BARS]
    places = np.arange(len(order))
    colours = [PALETTE[1] if marked[i] else PALETTE[0] for i in order]
    with style():
        figure = new_figure(1.6 + 3.1 * len(panels), 1.2 + 0.25 * max(len(order), 4), constrained=True)
        charts = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(charts, panels, strict=True):
            values = finite(np.asarray(panel.values, dtype=float), panel.title)[order]
            axes.barh(places, values, color=colours, height=0.68)
            half = np.zeros(len(order))
            if panel.errors is not None:
                half = finite(np.asarray(panel.errors, dtype=float), panel.title)[order]
                axes.errorbar(values, places, xerr=half, fmt="none", ecolor=INK, capsize=2, elinewidth=0.9)
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.set(xlabel=panel.xlabel, xscale="log" if panel.log else "linear")
            if panel.log:
                axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
                axes.xaxis.set_minor_formatter(NullFormatter())
            else:
                axes.locator_params(axis="x", nbins=5)
            if panel.limit is not None and 0 < panel.limit < values.max():
                _cut_off(axes, values, panel.limit, min(0.0, float((values - half).min())))
            axes.set_title(panel.title, loc="left", size=9)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x")
            axes.spines["left"].set_visible(False)
        charts[0].set_yticks(places, [shortened(names[i], 24) for i in order])
        charts[0].set_ylim(len(order) - 0.4, -0.6)
        if marked.any() and note:
            figure.legend(
                handles=[Patch(color=PALETTE[1], label=note)], loc="outside lower right", ncols=1, fontsize=7.5
            )
        if len(names) > len(order):
            figure.text(0.01, 0.01, f"and {len(names) - len(order)} smaller", size=7, color=MUTED)
        figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def _cut_off(axes: Axes, values: npt.NDArray[np.float64], limit: float, lowest: float) -> None:
    axes.set_xlim(1.1 * lowest, limit)
    for place in np.flatnonzero(values > limit):
        axes.text(limit, float(place), f"{values[place]:.2g} ▸ ", ha="right", va="center", size=7.5, color="white")
