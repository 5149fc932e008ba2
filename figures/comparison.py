"""Explanation A beside explanation B: maps and their difference on one scale, and value against value."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from ..comparison.measures import MEASURES
from ..errors import InputError
from .canvas import INK, MUTED, new_figure, style
from .charts import draw_scatter
from .comparison_bars import comparison_bars, sides
from .rendering import SIGNED_CMAP, Array, as_picture
from .report import format_cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..comparison.pair import Pair

_PERCENTILE = 99.5
_CELL, _GAP, _LEFT, _BAR, _BELOW = 1.65, 0.08, 1.45, 0.74, 0.34
_TOP, _BOTTOM = 0.98, 0.3
_NOTE = (
    "Channels are summed. A, B and A − B of a row have one scale, the last column has its own; each ends where "
    f"{_PERCENTILE:g} % of the values lie within."
)


def comparison_figure(
    pair: Pair, names: tuple[str, str], samples: Sequence[str] | None = None, maximum: int = 6
) -> Figure:
    """Draw both explanations and their difference: maps for pictures, bars for everything else.

    Parameters
    ----------
    pair : Pair
    names : tuple of 2 str
        What A and B are.
    samples : sequence of str, optional
        A name per sample.
    maximum : int
        At most so many samples are drawn; the title says so.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is not one name per sample.
    """
    a, b = pair.values
    labels = list(samples) if samples is not None else [f"sample {i}" for i in range(len(a))]
    if len(labels) != len(a):
        raise InputError(f"There are {len(labels)} names for {len(a)} samples.", "Give one per sample.")
    count = min(len(a), maximum)
    shown = "" if count == len(a) else f", {count} of {len(a)} samples"
    heading = pair.name.replace("_", " ") + shown
    below = [_numbers(pair, index) for index in range(count)]
    is_map = np.ndim(pair.first.inputs) == 4 and a.ndim in (3, 4) and min(a.shape[-2:]) > 1
    if not is_map:
        return comparison_bars(a[:count], b[:count], names, labels[:count], below, heading)
    maps = [each[:count].reshape(count, -1, *each.shape[-2:]).sum(axis=1) for each in (a, b)]
    inputs = pair.first.inputs if len(pair.first.inputs) == len(a) else [None] * count
    pictures = [_picture(sample) for sample in inputs[:count]]
    return _maps(maps, pictures, names, labels, below, heading)


def comparison_scatter(pair: Pair, names: tuple[str, str]) -> Figure:
    """Plot every value of A against that of B with the line of identity, and list the numbers.

    Parameters
    ----------
    pair : Pair
    names : tuple of 2 str
        What A and B are.

    Returns
    -------
    matplotlib.figure.Figure
    """
    a, b = (each.ravel() for each in pair.values)
    worst, mean = pair.worst(), pair.mean()
    rows = [
        (MEASURES[name].title, format_cell(value), format_cell(average))
        for name, value in worst.items()
        if value is not None and (average := mean[name]) is not None
    ]
    with style():
        figure = new_figure(8.4, 3.8, constrained=True)
        left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
        draw_scatter(left, a, b, ("A", "B"))
        right.set_axis_off()
        for place, cells in enumerate([("over all samples", "worst", "mean"), *rows]):
            height = 0.97 - 0.083 * place
            colour = MUTED if place == 0 else INK
            right.text(0.0, height, cells[0], size=8.5, color=colour, va="top", transform=right.transAxes)
            for x, cell in zip((0.72, 1.0), cells[1:], strict=True):
                right.text(x, height, cell, size=8.5, color=colour, va="top", ha="right", transform=right.transAxes)
        figure.suptitle(f"{pair.name.replace('_', ' ')}: {a.size:,} values", x=0.01, ha="left", size=11, weight="bold")
        figure.supxlabel(sides(names), x=0.01, ha="left", size=8.5, color=MUTED)
    return figure


def _maps(
    maps: Sequence[Array],
    pictures: Sequence[Array | None],
    names: tuple[str, str],
    labels: Sequence[str],
    below: Sequence[str],
    title: str,
) -> Figure:
    first, second = maps
    rows, aspect = len(first), float(np.clip(first.shape[1] / first.shape[2], 0.4, 2.0))
    cell_height = _CELL * aspect
    width = _LEFT + 5 * (_CELL + _GAP) + 2 * _BAR
    height = _TOP + rows * (cell_height + _BELOW) + _BOTTOM
    with style():
        figure = new_figure(width, height)
        figure.text(0.012, 1 - 0.12 / height, title, size=12, weight="bold", va="top")
        figure.text(0.012, 1 - 0.38 / height, sides(names), size=8.5, color=MUTED, va="top", linespacing=1.35)
        figure.text(0.012, 0.12 / height, _NOTE, size=7.5, color=MUTED, va="bottom")
        for row in range(rows):
            bottom = height - _TOP - row * (cell_height + _BELOW) - cell_height
            difference = first[row] - second[row]
            reach, own = _reach(first[row], second[row]), _reach(difference)
            cells = [pictures[row], first[row], second[row], difference, difference]
            for column, (content, limit) in enumerate(zip(cells, (0, reach, reach, reach, own), strict=True)):
                x = _LEFT + column * (_CELL + _GAP) + (_BAR if column == 4 else 0)
                axes = figure.add_axes((x / width, bottom / height, _CELL / width, cell_height / height))
                _draw(axes, content, limit)
                if row == 0:
                    axes.set_title(("input", "A", "B", "A − B", "A − B, own scale")[column], size=9.5, pad=4)
                if column == 1:
                    place = (x / width, (bottom - 0.05) / height)
                    figure.text(*place, below[row], size=7.5, color=MUTED, va="top")
                if column > 2:
                    bar = ((x + _CELL + 0.06) / width, (bottom + 0.05 * cell_height) / height)
                    _colour_bar(figure, (*bar, 0.1 / width, 0.9 * cell_height / height), limit)
            name = "\n".join(textwrap.wrap(labels[row], 15, break_long_words=True, max_lines=5, placeholder=" …"))
            x, y = (_LEFT - 0.1) / width, (bottom + cell_height / 2) / height
            figure.text(x, y, name, size=9, color=INK, ha="right", va="center")
    return figure


def _draw(axes: Axes, content: Array | None, limit: float) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if content is None:
        return
    if content.ndim == 3:
        axes.imshow(content, aspect="auto")
        return
    axes.imshow(content, cmap=SIGNED_CMAP, vmin=-limit, vmax=limit, aspect="auto")
    # A map that is white all over would end nowhere.
    axes.spines[:].set(visible=True, color="#d0d5dd", linewidth=0.6)
    if not content.any():
        axes.text(0.5, 0.5, "all zero", ha="center", va="center", size=8, color=MUTED, transform=axes.transAxes)


def _colour_bar(figure: Figure, place: tuple[float, float, float, float], limit: float) -> None:
    axes = figure.add_axes(place, label="colour bar")
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), SIGNED_CMAP), cax=axes)
    bar.outline.set_visible(False)
    bar.set_ticks([-limit, 0, limit], labels=[f"{end:.2g}".replace("-", "−") for end in (-limit, 0, limit)])
    axes.tick_params(labelsize=7, length=2, color=MUTED, pad=2)


def _reach(*maps: Array) -> float:
    """End of a scale around zero: nearly all values lie within; 1 for zero maps."""
    sizes = np.abs(np.stack(maps))
    return float(np.percentile(sizes, _PERCENTILE)) or float(sizes.max()) or 1.0


def _picture(sample: Any) -> Array | None:
    return as_picture(sample) if np.ndim(sample) == 3 and np.shape(sample)[0] in (1, 3, 4) else None


def _numbers(pair: Pair, index: int) -> str:
    """The most telling numbers of one sample, in one line."""
    chosen = ("cosine", "relative_l2", "spearman", "top_k", "ssim")
    found = [(MEASURES[name].title, values[index]) for name in chosen if (values := pair.measures[name]) is not None]
    return "   ".join(f"{title} {format_cell(value)}" for title, value in found)
