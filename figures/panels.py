"""One picture a row: the picture, what speaks for the class, what speaks against it, and the map with its scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Patch

from ..errors import InputError
from .canvas import MUTED, new_figure, style
from .grids import wrapped
from .palettes import GREEN_RED, Palette
from .rendering import HEAT_CMAP, Array, Floats, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _GAP, _BAR, _HEAD, _NOTE, _LEGEND = 2.1, 0.12, 0.75, 0.3, 0.38, 0.34


@dataclass(frozen=True, eq=False)
class PanelRow:
    """One picture in several forms.

    Attributes
    ----------
    title : str
        Written above the row.
    note : str
        Written under it.
    pictures : sequence of arrays (H, W, 3)
    values : ndarray (H, W)
        The map; one with both signs is drawn around 0.
    """

    title: str
    note: str
    pictures: Sequence[Floats]
    values: Array


def panels(
    rows: Sequence[PanelRow],
    columns: Sequence[str],
    title: str,
    palette: Palette = GREEN_RED,
    legend: Sequence[tuple[bool, str]] = (),
) -> Figure:
    """Draw pictures side by side with their maps.

    Parameters
    ----------
    rows : sequence of PanelRow
        All with one picture less than there are columns.
    columns : sequence of str
        What stands under each other; the last one is the map.
    title : str
    palette : Palette
    legend : sequence of (bool, str)
        In words what the colours mean: True for the positive one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is nothing to draw, or a row has too many or too few pictures.
    """
    if not rows or any(len(row.pictures) + 1 != len(columns) for row in rows):
        raise InputError("There are no rows of one picture per column.", "Give each row as many pictures as columns.")
    width = 0.15 + len(columns) * (_CELL + _GAP) + _BAR
    lines = wrapped(title, width - 0.3, 12)
    top = 0.15 + 0.2 * len(lines) + _HEAD
    each = 0.24 + _CELL + _NOTE
    height = top + len(rows) * each + (_LEGEND * (len(legend) > 0)) + 0.05
    with style():
        figure = new_figure(width, height)
        figure.text(0.15 / width, 1 - 0.1 / height, "\n".join(lines), size=12, weight="bold", va="top")
        for place, row in enumerate(rows):
            bottom = height - top - place * each - 0.24 - _CELL
            figure.text(0.15 / width, (bottom + _CELL + 0.05) / height, row.title, size=9, weight="bold", va="bottom")
            axes = []
            for column in range(len(columns)):
                x = 0.15 + column * (_CELL + _GAP)
                axes.append(figure.add_axes((x / width, bottom / height, _CELL / width, _CELL / height)))
                if place == 0:
                    y = (bottom + _CELL + 0.24 + 0.06) / height
                    figure.text((x + _CELL / 2) / width, y, columns[column], size=9, color=MUTED, ha="center")
            for spot, picture in zip(axes, row.pictures, strict=False):
                _bare(spot).imshow(picture, interpolation="nearest")
            x = 0.15 + len(columns) * (_CELL + _GAP) - 0.04
            bar = figure.add_axes((x / width, (bottom + 0.1) / height, 0.11 / width, (_CELL - 0.2) / height))
            _map(_bare(axes[-1]), bar, row.values, palette)
            note = "\n".join(wrapped(row.note, width - 0.3, 8.5)[:2])
            figure.text(0.15 / width, (bottom - 0.06) / height, note, size=8.5, color=MUTED, va="top")
        if legend:
            _legend(figure, legend, palette)
    return figure


def _bare(axes: Axes) -> Axes:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _map(axes: Axes, bar: Axes, values: Array, palette: Palette) -> None:
    numbers = finite(np.asarray(values), "The map")
    low, high = float(numbers.min()), float(numbers.max())
    both = low < 0
    if both:
        high = max(-low, high)
        low = -high
    high = high if high > low else low + 1.0
    limits = Normalize(low, high)
    cmap: Any = palette.cmap() if both else HEAT_CMAP
    axes.imshow(numbers, cmap=cmap, norm=limits, interpolation="nearest")
    colours = axes.figure.colorbar(ScalarMappable(limits, cmap), cax=bar)
    colours.outline.set_visible(False)
    ticks = [low, 0.0, high] if both else [low, high]
    colours.set_ticks(ticks, labels=[f"{tick:.2g}".replace("-", "−") for tick in ticks])
    bar.tick_params(labelsize=7, length=2, color=MUTED, pad=2)


def _legend(figure: Figure, legend: Sequence[tuple[bool, str]], palette: Palette) -> None:
    patches = [
        Patch(
            facecolor=palette.positive if positive else palette.negative,
            edgecolor="white" if palette.hatched and not positive else "none",
            hatch="////" if palette.hatched and not positive else None,
            label=words,
        )
        for positive, words in legend
    ]
    figure.legend(handles=patches, loc="lower left", ncols=len(patches), fontsize=9, borderaxespad=0.3)
