"""One row's SHAP values as a staircase from the base value to the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bar_chart import shortened
from .canvas import INK, MUTED, NEGATIVE, POSITIVE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def waterfall_plot(
    base: float,
    values: np.ndarray,
    features: np.ndarray,
    feature_names: Sequence[str],
    output: str = "f(x)",
    title: str = "",
    most: int = 9,
) -> Figure:
    """Draw the SHAP values of one row one below the other, each starting where the one below ends.

    Parameters
    ----------
    base : float
        Expected output, where the lowest step starts.
    values, features : (d,) float
        SHAP values and feature values of the row.
    feature_names : sequence of str
        d names.
    output : str
        What the axis shows.
    title : str
        Above the steps.
    most : int
        How many features have a step of their own, the strongest on top; the others share the lowest.
    """
    order = np.argsort(-np.abs(values), kind="stable")
    own, others = (order, order[:0]) if len(order) <= most + 1 else (order[:most], order[most:])
    labels = [f"{shortened(feature_names[i], 26)} = {features[i]:.4g}" for i in own]
    steps = [float(values[i]) for i in own]
    if len(others):
        labels.append(f"{len(others)} other features")
        steps.append(float(values[others].sum()))
    ends = base + np.cumsum(steps[::-1])[::-1]
    starts = ends - steps
    low, high = float(min(starts.min(), ends.min())), float(max(starts.max(), ends.max()))
    span = high - low or 1.0
    with style():
        figure = new_figure(7.2, 1.9 + 0.36 * len(steps), constrained=True)
        axes = figure.add_subplot()
        for place, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True)):
            axes.barh(place, step, left=start, height=0.62, color=POSITIVE if step >= 0 else NEGATIVE)
            # The step above starts here.
            axes.plot([end, end], [place - 1 if place else -0.8, place], color=MUTED, linewidth=0.8, linestyle=":")
            rightwards = step >= 0
            axes.annotate(
                f"{step:+.3g}".replace("-", "−"), (end, place), xytext=(4 if rightwards else -4, 0),
                textcoords="offset points", ha="left" if rightwards else "right", va="center", size=8, color=INK,
            )  # fmt: skip
        axes.plot([base, base], [len(steps) - 1, len(steps) - 0.3], color=MUTED, linewidth=0.8, linestyle=":")
        axes.text(base, len(steps) - 0.25, f"base value = {base:.4g}", ha="center", va="top", color=MUTED)
        axes.text(ends[0], -0.85, f"prediction = {ends[0]:.4g}", ha="center", va="bottom", weight="bold")
        axes.set_yticks(range(len(steps)), labels)
        axes.set(xlim=(low - 0.2 * span, high + 0.2 * span), ylim=(len(steps) + 0.35, -1.5))
        axes.set_xlabel(f"{output} (red raises it, blue lowers it)")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.set_title(title, loc="left", weight="bold")
    return figure
