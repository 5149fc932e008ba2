"""The SHAP values of one row, as several models and methods give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bar_chart import shortened
from .canvas import INK, PALETTE, new_figure, style
from .tables_shap_matrix import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "osD^vPX*"

Values = tuple[np.ndarray, "np.ndarray | None"]
"""One number a feature, and the standard errors of these."""


def row_plot(
    panels: Mapping[str, Mapping[str, Values]], feature_names: Sequence[str], title: str = "", most: int = 10
) -> Figure:
    """Draw the values of one row as dots beside each other, one line a feature.

    Parameters
    ----------
    panels : mapping of str to mapping of str to (values, errors)
        By unit, which shares an axis, and then by model and method: (d,) values and their standard errors or None.
    feature_names : sequence of str
        d names.
    title : str
        Above all panels.
    most : int
        How many features to show: those that are strongest, measured within each panel.
    """
    strength = np.zeros(len(feature_names))
    for series in panels.values():
        largest = np.max([np.abs(values) for values, _ in series.values()], axis=0)
        strength = np.maximum(strength, largest / (largest.max() or 1.0))
    order = np.argsort(-strength, kind="stable")[:most]
    count = max(map(len, panels.values()))
    with style():
        figure = new_figure(2.2 + 4.4 * len(panels), 1.6 + 0.16 * count + len(order) * (0.12 + 0.075 * count), True)
        for number, (axes, (unit, series)) in enumerate(
            zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True)
        ):
            for i, (name, (values, errors)) in enumerate(series.items()):
                shift = 0.7 * ((i + 0.5) / len(series) - 0.5)
                spread = None if errors is None else np.nan_to_num(errors)[order]
                axes.errorbar(
                    values[order], np.arange(len(order)) + shift, xerr=spread, fmt=_MARKERS[i % len(_MARKERS)],
                    markersize=4.5, linewidth=1, color=PALETTE[i % len(PALETTE)], label=shortened(name, 48),
                )  # fmt: skip
            axes.axvline(0, color=INK, linewidth=0.8)
            names = [shortened(feature_names[i], 26) for i in order]
            axes.set_yticks(range(len(order)), [""] * len(order) if number else names)
            axes.set_yticks(np.arange(len(order) - 1) + 0.5, minor=True)
            axes.grid(axis="y", which="minor")
            axes.grid(axis="x")
            axes.tick_params(axis="y", which="both", length=0)
            axes.set_ylim(len(order) - 0.5, -0.5)
            axes.set_xlabel(f"SHAP value, {unit}")
            axes.spines["left"].set_visible(False)
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=7.5)
        figure.suptitle(counted(title, len(order), len(feature_names)), x=0.01, ha="left", weight="bold")
    return figure
