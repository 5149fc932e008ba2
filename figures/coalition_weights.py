"""How much coalitions count in a regression, by their size: the kernels of SHAP and LIME side by side."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .canvas import PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def coalition_weights(kernels: Mapping[str, npt.NDArray[np.float64]], title: str | None = None) -> Figure:
    """Draw what one coalition of each size weighs, and what all coalitions of that size weigh together.

    Parameters
    ----------
    kernels : mapping of str to ndarray (K + 1,)
        Weights by size, from nobody to everybody; infinite ones are drawn as arrows at the upper edge.
    title : str or None
        Above both charts.

    Returns
    -------
    matplotlib.figure.Figure
        Left one coalition, on a logarithmic scale; right all of a size, as shares of what is finite.

    Raises
    ------
    InputError
        If the kernels differ in length or weigh nothing.
    """
    lengths = {len(weights) for weights in kernels.values()}
    if len(lengths) != 1 or any(not (weights > 0).all() for weights in kernels.values()):
        raise InputError("The kernels do not fit one game.", "Give each one positive weight per size, 0 to K.")
    sizes = np.arange(lengths.pop())
    every = np.array([comb(len(sizes) - 1, size) for size in sizes.tolist()], dtype=np.float64)
    with style():
        figure = new_figure(9.6, 3.9, constrained=True)
        left, right = figure.subplots(1, 2)
        for number, (name, weights) in enumerate(kernels.items()):
            colour, marker = PALETTE[number % len(PALETTE)], "osD^v"[number % 5]
            finite = np.isfinite(weights)
            # The scale of the weights means nothing to a regression: the largest finite one is drawn at 1.
            one = np.where(finite, weights, np.nan) / weights[finite].max()
            all_of_a_size = np.where(finite, weights, 0.0) * every
            left.plot(sizes, one, color=colour, marker=marker, markersize=4.5, label=name)
            right.plot(
                sizes[finite],
                (all_of_a_size / all_of_a_size.sum())[finite],
                color=colour,
                marker=marker,
                markersize=4.5,
            )
            for size in sizes[~finite]:
                left.annotate("∞", (size, 1.3), color=colour, size=13, ha="center", va="bottom")
        left.set(yscale="log", xlabel="players in the coalition", ylabel="weight of one coalition (largest finite: 1)")
        left.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.set_ylim(top=6)
        right.set(xlabel="players in the coalition", ylabel="share of all coalitions of a size")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.grid()
            axes.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside lower center", ncols=len(kernels), fontsize=8.5)
        if title:
            figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure
