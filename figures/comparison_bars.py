"""Explanation A beside explanation B for the rows of a table: bars of both, and their differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bar_chart import shortened
from .canvas import INK, MUTED, PALETTE, new_figure, style
from .rendering import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEATURES = 12


def comparison_bars(
    a: Array, b: Array, names: tuple[str, str], samples: Sequence[str], below: Sequence[str], title: str
) -> Figure:
    """Draw A and B as pairs of bars, and A − B beside them on the same scale.

    Parameters
    ----------
    a, b : ndarray (N, ...)
    names : tuple of 2 str
        What A and B are.
    samples, below : sequence of N str
        Titles of the samples, and what is written below them.
    title : str
        Above everything.

    Returns
    -------
    matplotlib.figure.Figure
    """
    first, second = (each.reshape(len(each), -1) for each in (a, b))
    shown = min(first.shape[1], _FEATURES)
    with style():
        figure = new_figure(8.4, 0.95 + len(a) * (0.95 + 0.3 * shown), constrained=True)
        grid = figure.subplots(len(a), 2, squeeze=False, width_ratios=(1.5, 1))
        for index, (left, right) in enumerate(grid):
            one, other = first[index], second[index]
            order = np.argsort(-np.maximum(np.abs(one), np.abs(other)), kind="stable")[:shown]
            places, thickness = np.arange(shown), 0.36
            colours = PALETTE[0], PALETTE[1]
            for shift, values, colour, side in zip((-0.5, 0.5), (one, other), colours, "AB", strict=True):
                left.barh(places + shift * thickness, values[order], thickness, color=colour, label=side)
            right.barh(places, (one - other)[order], 0.5, color=INK)
            reach = 1.08 * float(max(np.abs(one).max(), np.abs(other).max(), np.abs(one - other).max()) or 1.0)
            for axes in (left, right):
                _finish(axes, shown, reach)
            left.set_yticks(places, [_feature(int(i), a.shape[1:]) for i in order])
            right.set_yticks([])
            left.set_title(shortened(samples[index], 60), size=9.5, loc="left")
            right.set_title("A − B, same scale", size=9.5, loc="left")
            left.set_xlabel(below[index], size=7.5, color=MUTED, loc="left")
            hidden = first.shape[1] - shown
            if hidden:
                right.set_xlabel(f"{hidden} smaller values are not shown", size=7.5, color=MUTED, loc="right")
        handles, _ = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, sides(names).splitlines(), loc="outside lower left", fontsize=8.5)
        figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def sides(names: tuple[str, str]) -> str:
    """What A and B are, in two lines."""
    return "\n".join(shortened(f"{side}: {name}", 110) for side, name in zip("AB", names, strict=True))


def _finish(axes: Axes, count: int, reach: float) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(count - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _feature(index: int, shape: tuple[int, ...]) -> str:
    return f"feature {', '.join(str(int(i)) for i in np.unravel_index(index, shape))}"
