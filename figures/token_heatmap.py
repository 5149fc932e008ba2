"""A heat map of tokens: what each token of the input adds to each token of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bar_chart import shortened
from .canvas import INK, NEGATIVE, POSITIVE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..methods.perturbation.token_attributions import TokenAttributions

# Up to as many cells each holds its number.
_MOST_NUMBERS = 260
_LONGEST = 14


def token_heatmap(
    found: TokenAttributions,
    title: str,
    names: tuple[str, str] = ("input", "output"),
    unit: str = "log-odds",
) -> Figure:
    """Draw input tokens from left to right and output tokens from top to bottom.

    Parameters
    ----------
    found : TokenAttributions
    title : str
    names : tuple of 2 str
        What the tokens of input and output are called: the labels of the axes.
    unit : str
        What the values are parts of: the label of the colour bar.

    Returns
    -------
    matplotlib.figure.Figure
        Red raises and blue lowers; the largest value of each row has a frame. Of small maps every cell holds its
        number.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.patches import Rectangle

    values = found.values.T
    rows, columns = values.shape
    limit = float(np.abs(values).max()) or 1.0
    colours = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "#ffffff", POSITIVE])
    side = 0.46 if values.size <= _MOST_NUMBERS else 0.24
    with style():
        figure = new_figure(max(4.2, 1.9 + side * columns), max(2.4, 1.2 + side * 0.8 * rows), constrained=True)
        axes = figure.subplots()
        image = axes.imshow(values, cmap=colours, norm=Normalize(-limit, limit), aspect="auto", interpolation="nearest")
        turned = max(map(len, found.tokens)) > 2
        axes.set_xticks(range(columns), [shortened(t, _LONGEST) for t in found.tokens], rotation=90 if turned else 0)
        axes.set_yticks(range(rows), [shortened(t, _LONGEST) for t in found.output])
        axes.tick_params(length=0, labelsize=9)
        axes.set(xlabel=names[0], ylabel=names[1], title=title)
        for row, column in enumerate(values.argmax(axis=1)):
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.2))
        if values.size <= _MOST_NUMBERS:
            for (row, column), value in np.ndenumerate(values):
                ink = "white" if abs(value) > 0.65 * limit else INK
                text = f"{round(value, 1) + 0.0:.1f}".replace("-", "−")
                axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=ink)
        figure.colorbar(image, ax=axes, label=unit, fraction=0.05, pad=0.02)
    return figure
