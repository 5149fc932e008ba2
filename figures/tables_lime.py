"""LIME on one row of a table, several models side by side, and what the models say when the row is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .canvas import INK, MUTED, NEGATIVE, PALETTE, POSITIVE, new_figure, style
from .tables import wrap_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "x", "D", "v", "P", "*")


def lime_side_by_side(
    rules: Sequence[str],
    weights: Mapping[str, np.ndarray],
    deviations: Mapping[str, np.ndarray],
    probabilities: Mapping[str, float],
    label: str,
    title: str = "",
    most: int = 8,
) -> Figure:
    """Draw the LIME weights of several models for one row: a panel a model, the same rules in each.

    Parameters
    ----------
    rules : sequence of str
        d rules.
    weights, deviations : mapping of str to (d,) float
        Signed weights and their standard deviations, by model.
    probabilities : mapping of str to float
        Each model's probability of the explained class.
    label : str
        Name of that class.
    title : str
        Says which row.
    most : int
        How many rules to show: those with the heaviest mean absolute weight.
    """
    if not weights or any(np.shape(one) != (len(rules),) for one in weights.values()):
        raise InputError(f"The weights do not fit {len(rules)} rules.", "Give one weight a rule for every model.")
    order = np.argsort(-np.mean([np.abs(one) for one in weights.values()], axis=0), kind="stable")[:most]
    low, high = _limits(np.array([weights[name] for name in weights]), np.array([deviations[name] for name in weights]))
    with style():
        figure = new_figure(2.6 + 2.1 * len(weights), 1.6 + 0.42 * max(len(order), 3), constrained=True)
        panels = figure.subplots(1, len(weights), sharey=True, squeeze=False)[0]
        for axes, (name, one) in zip(panels, weights.items(), strict=True):
            colours = [POSITIVE if weight >= 0 else NEGATIVE for weight in one[order]]
            axes.barh(range(len(order)), one[order], color=colours, height=0.68)
            axes.errorbar(
                one[order], range(len(order)), xerr=deviations[name][order], fmt="none", ecolor=INK, capsize=2
            )
            axes.axvline(0, color=INK, linewidth=0.8)
            axes.grid(axis="x")
            axes.set(xlim=(low, high), ylim=(len(order) - 0.4, -0.6))
            axes.set_title(f"{name}\nP({wrap_label(label, 20)}) = {probabilities[name]:.3f}", size=9)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(order)), [wrap_label(rules[i], 30) for i in order])
        figure.supxlabel("LIME weight (red: for the class, blue: against it; black: one standard deviation)", size=9)
        figure.suptitle(title, weight="bold")
    return figure


def flip_dots(
    own: str,
    others: Sequence[str],
    before: Mapping[str, float],
    after: Mapping[str, np.ndarray],
    label: str,
    title: str = "",
    most: int = 12,
) -> Figure:
    """Draw each model's probability for the row as it is and with each other value of one column.

    Parameters
    ----------
    own : str
        The row's own rule, drawn on top.
    others : sequence of str
        k rules that could hold instead.
    before : mapping of str to float
        Probability for the row, by model.
    after : mapping of str to (k,) float
        Probabilities for the changed row.
    label : str
        Name of the explained class.
    title : str
        Heading.
    most : int
        How many other rules to show: those that change the probability most.
    """
    moved = np.mean([np.abs(after[name] - before[name]) for name in before], axis=0)
    order = np.argsort(-moved, kind="stable")[:most]
    with style():
        figure = new_figure(7.0, 1.7 + 0.34 * (len(order) + 1), constrained=True)
        axes = figure.add_subplot()
        _dots(axes, before, {name: after[name][order] for name in before})
        names = [f"{own} (the row)", *(others[i] for i in order)]
        axes.set_yticks(range(len(names)), [wrap_label(name, 34) for name in names])
        axes.axhline(0.5, color=MUTED, linewidth=0.8)
        axes.set(xlim=(-0.03, 1.03), ylim=(len(names) - 0.4, -0.6), xlabel=f"predicted probability of {label}")
        axes.grid(axis="x")
        figure.legend(loc="outside lower center", ncols=4)
        hidden = len(others) - len(order)
        figure.suptitle(title + (f" ({hidden} that change less are left out)" if hidden else ""), weight="bold")
    return figure


def _dots(axes: Axes, before: Mapping[str, float], after: Mapping[str, np.ndarray]) -> None:
    """One marker a model and rule, models slightly apart so that equal answers stay visible."""
    for number, name in enumerate(before):
        values = [before[name], *after[name]]
        places = np.arange(len(values)) + 0.16 * (number - (len(before) - 1) / 2)
        colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
        axes.plot(
            values, places, linestyle="none", marker=marker, color=colour, markersize=5, label=name, clip_on=False
        )


def _limits(weights: np.ndarray, deviations: np.ndarray) -> tuple[float, float]:
    low, high = min(0.0, float((weights - deviations).min())), max(0.0, float((weights + deviations).max()))
    room = 0.06 * (high - low or 1.0)
    return low - room, high + room
