"""Pictures of how answers change with a feature: curves row by row with their average, and maps of two features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from ..errors import InputError
from .bar_chart import shortened
from .canvas import INK, MUTED, PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CurvePanel:
    """One model's answers for one feature.

    Attributes
    ----------
    grid : array of shape (G,)
        Values of the feature.
    curves : array of shape (N, G)
        One a row.
    average : array of shape (G,)
    note : str
        Above the panel.
    """

    grid: npt.ArrayLike
    curves: npt.ArrayLike
    average: npt.ArrayLike
    note: str = ""


@dataclass(frozen=True)
class FeatureAxis:
    """A feature along the bottom of the panels.

    Attributes
    ----------
    name : str
    data : array of shape (M,)
        The feature's values in the table, marked along the axis with their deciles.
    categories : sequence of str
        Names of the codes, for a feature of categories.
    """

    name: str
    data: npt.ArrayLike
    categories: Sequence[str] = ()


@dataclass(frozen=True)
class MapPanel:
    """One model's average answer over two features.

    Attributes
    ----------
    title : str
    average : array of shape (G, H)
    supported : boolean array of shape (G, H)
        Where there is data.
    """

    title: str
    average: npt.ArrayLike
    supported: npt.ArrayLike


def dependence_grid(
    panels: Sequence[Sequence[CurvePanel]],
    models: Sequence[str],
    features: Sequence[FeatureAxis],
    ylabel: str,
    title: str,
) -> Figure:
    """Draw a row of panels a model and a column a feature, all with one scale of answers.

    Parameters
    ----------
    panels : sequence of M sequences of F CurvePanel
    models : sequence of M str
        To the left of the rows.
    features : sequence of F FeatureAxis
        Below the columns.
    ylabel : str
        What is answered.
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        Thin lines are rows of the table, the thick one is their average. Short marks at the bottom are rows, long ones
        deciles.

    Raises
    ------
    InputError
        If the panels are not M × F.
    """
    if not panels or len(panels) != len(models) or any(len(row) != len(features) or not row for row in panels):
        raise InputError(
            f"The panels do not fit {len(models)} models and {len(features)} features.", "Give one panel for each pair."
        )
    with style():
        size = max(5.5, 0.6 + 3.2 * len(features)), 0.9 + 2.4 * len(models)
        figure = new_figure(*size, constrained=True)
        charts = figure.subplots(len(models), len(features), sharey=True, sharex="col", squeeze=False)
        for row, model, line in zip(charts, models, panels, strict=True):
            for axes, feature, panel in zip(row, features, line, strict=True):
                _draw_curves(axes, panel, feature)
            row[0].set_ylabel(f"{model}\n{ylabel}")
        for axes, feature in zip(charts[-1], features, strict=True):
            axes.set_xlabel(shortened(feature.name, 40))
        figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def dependence_maps(
    panels: Sequence[MapPanel],
    features: tuple[FeatureAxis, FeatureAxis],
    grids: tuple[npt.ArrayLike, npt.ArrayLike],
    label: str,
    title: str,
) -> Figure:
    """Draw average answers over two features, one map a model with one scale of colours.

    Parameters
    ----------
    panels : sequence of MapPanel
    features : pair of FeatureAxis
        Along the bottom and the side; each row of the table is a dot.
    grids : pair of arrays
        Values of both features.
    label : str
        What the colours mean.
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        Hatched where there is no data.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if not panels:
        raise InputError("There are no maps to draw.", "Give one panel a model.")
    x, y = (np.asarray(grid, dtype=float) for grid in grids)
    maps = [np.asarray(panel.average, dtype=float).T for panel in panels]
    low, high = min(m.min() for m in maps), max(m.max() for m in maps)
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    with style():
        figure = new_figure(1.0 + 3.6 * across, 0.6 + 3.0 * down, constrained=True)
        charts = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, panel, values in zip(charts, panels, maps, strict=False):
            image = axes.pcolormesh(x, y, values, cmap="cividis", vmin=low, vmax=high, shading="nearest")
            for place in np.argwhere(~np.asarray(panel.supported, dtype=bool)):
                axes.add_patch(_cell(x, y, *place))
            axes.scatter(*(np.asarray(f.data) for f in features), s=5, color="white", edgecolors=INK, linewidths=0.3)
            axes.set(xlim=_edges(x)[[0, -1]], ylim=_edges(y)[[0, -1]])
            axes.set_title(panel.title, loc="left")
        for axes in charts[len(panels) :]:
            axes.set_axis_off()
        figure.supxlabel(shortened(features[0].name, 40), size=9)
        figure.supylabel(shortened(features[1].name, 40), size=9)
        figure.colorbar(image, ax=list(charts), label=label).outline.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def _draw_curves(axes: Axes, panel: CurvePanel, feature: FeatureAxis) -> None:
    grid, lines = np.asarray(panel.grid, dtype=float), np.asarray(panel.curves, dtype=float)
    axes.plot(grid, lines.T, color=PALETTE[5], linewidth=0.6, alpha=0.55)
    # Categories have no order, so no line leads from one's average to the next one's.
    look = {"marker": "D", "linestyle": ""} if feature.categories else {"linewidth": 2.4}
    axes.plot(grid, np.asarray(panel.average, dtype=float), color=PALETTE[1], **look)
    if feature.categories:
        axes.set_xticks(grid, [shortened(feature.categories[int(code)], 12) for code in grid], rotation=45, ha="right")
    else:
        data = np.asarray(feature.data, dtype=float)
        _mark(axes, data, 0.025, color=MUTED, linewidth=0.4, alpha=0.5)
        _mark(axes, np.quantile(data, np.arange(0.1, 1, 0.1)), 0.06, color=INK, linewidth=1)
        axes.set_xlim(*_margin(grid))
    axes.grid(axis="y")
    if panel.note:
        axes.set_title(panel.note, loc="right", size=8)


def _mark(axes: Axes, places: npt.NDArray[np.float64], height: float, **look: Any) -> None:
    """Draw short lines up from the bottom, which do not stretch the scale of answers."""
    lines = [((place, 0.0), (place, height)) for place in places]
    axes.add_collection(LineCollection(lines, transform=axes.get_xaxis_transform(), **look), autolim=False)


def _margin(grid: npt.NDArray[np.float64]) -> tuple[float, float]:
    room = 0.03 * float(np.ptp(grid))
    return float(grid.min()) - room, float(grid.max()) + room


def _edges(grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Edges (G + 1,) of the cells around the grid's values (G,)."""
    middle = (grid[1:] + grid[:-1]) / 2
    return np.concatenate([[2 * grid[0] - middle[0]], middle, [2 * grid[-1] - middle[-1]]])


def _cell(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], i: int, j: int) -> Rectangle:
    """The hatched cell around a value of both grids."""
    (left, right), (bottom, top) = _edges(x)[i : i + 2], _edges(y)[j : j + 2]
    return Rectangle(
        (left, bottom), right - left, top - bottom, fill=False, hatch="////", edgecolor="white", linewidth=0
    )
