"""Pictures of explanations of tables: LIME's weights, feature importance, and one row's SHAP values as forces."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .bar_chart import bars, draw_bars, shortened
from .canvas import INK, MUTED, NEGATIVE, PALETTE, POSITIVE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lime_bars(
    rules: Sequence[str],
    weights: np.ndarray,
    errors: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    title: str = "",
    most: int = 10,
) -> Figure:
    """Draw LIME's weights as horizontal bars, the heaviest on top, beside the model's probabilities.

    Parameters
    ----------
    rules : sequence of str
        One label a weight.
    weights, errors : (d,) float
        Signed weights and their standard deviations.
    probabilities : (c,) float in 0..1, optional
        Drawn on the left if given, one bar for each of `class_names`.
    title : str
        Says which row and class.
    most : int
        How many of the heaviest weights to show.
    """
    order = np.argsort(-np.abs(weights), kind="stable")[:most]
    with style():
        figure = new_figure(10 if probabilities is not None else 7, 1.3 + 0.45 * max(len(order), 3), constrained=True)
        if probabilities is None:
            axes = figure.add_subplot()
        else:
            left, axes = figure.subplots(1, 2, width_ratios=(1, 2.4))
            drawn = left.barh(range(len(probabilities)), probabilities, color=PALETTE[2], height=0.68)
            left.set_yticks(range(len(probabilities)), [wrap_label(name) for name in class_names])
            left.bar_label(drawn, fmt="%.2f", padding=3, color=MUTED)
            left.set(xlim=(0, 1.25), xticks=(0, 0.5, 1), xlabel="predicted probability")
            left.invert_yaxis()
        draw_bars(axes, rules, weights, errors, most)
        # A rule that is cut short loses its upper end, so it gets a second line instead.
        axes.set_yticks(range(len(order)), [wrap_label(rules[i], 36) for i in order])
        axes.set_xlabel("LIME weight (red: for the class, blue: against it)")
        figure.suptitle(title, weight="bold")
    return figure


def importance_bars(feature_names: Sequence[str], importance: np.ndarray, title: str = "Feature importance") -> Figure:
    """Draw a non-negative number a feature as upright bars, or as lying ones where the names need the room.

    Parameters
    ----------
    feature_names : sequence of str
        d names.
    importance : (d,) float
        At least 0.
    title : str
        Heading.
    """
    if len(importance) > 8 or max(map(len, feature_names)) > 28:
        return bars(feature_names, importance, title, "share of the gain")
    with style():
        figure = new_figure(max(5.0, 1.1 * len(importance)), 3.4, constrained=True)
        axes = figure.add_subplot()
        drawn = axes.bar(range(len(importance)), importance, color=PALETTE[2], width=0.68)
        axes.bar_label(drawn, fmt="%.3f", padding=2, color=MUTED)
        axes.set_xticks(range(len(importance)), [wrap_label(name, 14) for name in feature_names])
        axes.set(ylabel="share of the gain")
        axes.set_title(title, weight="bold")
        axes.margins(y=0.12)
    return figure


def force_plot(
    base: float,
    values: np.ndarray,
    features: np.ndarray,
    feature_names: Sequence[str],
    output: str = "f(x)",
    most: int = 8,
) -> Figure:
    """Draw how one row's SHAP values push the output away from the base value.

    What raises the output is stacked to its left, what lowers it to its right, the strongest next to it. Unlike
    ``shap.force_plot(matplotlib=True)``, no two labels share a line.

    Parameters
    ----------
    base : float
        Expected output.
    values, features : (d,) float
        SHAP values and feature values of the row.
    feature_names : sequence of str
        d names.
    output : str
        What the axis shows.
    most : int
        How many features are labelled; weaker ones are drawn without a label.
    """
    labels = [f"{shortened(name, 28)} = {value:.4g}" for name, value in zip(feature_names, features, strict=True)]
    with style():
        return _forces(base, values, labels, output, most)


def _forces(base: float, values: np.ndarray, labels: list[str], output: str, most: int) -> Figure:
    from matplotlib.patches import Polygon

    strongest = np.argsort(-np.abs(values), kind="stable")
    reached = base + float(values.sum())
    low = min(base, reached - float(values[values > 0].sum()))
    high = max(base, reached - float(values[values < 0].sum()))
    span = high - low or 1.0
    sides = {sign: [int(i) for i in strongest if sign * values[i] > 0] for sign in (1, -1)}
    labelled = {sign: [i for i in side if i in strongest[:most]] for sign, side in sides.items()}
    rows = max(1, *map(len, labelled.values()))
    figure = new_figure(9, 1.7 + 0.27 * rows, constrained=True)
    axes = figure.add_subplot()
    for (sign, side), colour in zip(sides.items(), (POSITIVE, NEGATIVE), strict=True):
        inner = reached
        for depth, i in enumerate(side):
            outer, tip = inner - values[i], sign * min(0.008 * span, abs(values[i]))
            corners = [(outer, 1), (outer + tip, 0.5), (outer, 0), (inner, 0), (inner + tip, 0.5), (inner, 1)]
            if depth == 0:
                corners.pop(4)  # straight where the two stacks meet
            axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="white", linewidth=1))
            if i in labelled[sign]:
                # The outermost label is the highest and text runs outwards, so no line crosses another's text.
                middle, level = (inner + outer) / 2, -0.5 - 0.75 * (len(labelled[sign]) - 1 - depth)
                axes.plot([middle, middle], [0, level], color=colour, linewidth=0.8)
                text = f" {labels[i]}  ({values[i]:+.3f}) ".replace("-", "−")
                axes.text(middle, level, text, color=colour, ha="right" if sign > 0 else "left", va="center")
            inner = outer
    axes.plot([reached, reached], [0, 2.4], color=INK, linewidth=1.2)
    axes.plot([base, base], [0, 1.5], color=MUTED, linewidth=1.2, linestyle=":")
    axes.text(reached, 2.5, f"{output} = {reached:.3f}", ha="center", va="bottom", weight="bold")
    away = "right" if base < reached else "left"
    axes.text(base, 1.35, f"  base value = {base:.3f}  ", ha=away, va="center", color=MUTED)
    axes.set(xlim=(low - 0.04 * span, high + 0.04 * span), ylim=(-0.4 - 0.75 * rows, 3.2), yticks=[])
    axes.set_xlabel(f"{output} (red raises it, blue lowers it)")
    axes.spines["left"].set_visible(False)
    return figure


def wrap_label(name: str, width: int = 18) -> str:
    """Break a long label into lines of at most `width` characters, at spaces where there are any."""
    return "\n".join(textwrap.wrap(str(name), width)) or str(name)
