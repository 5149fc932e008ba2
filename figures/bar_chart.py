"""Signed numbers as horizontal bars: red adds, blue takes away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .canvas import INK, MUTED, NEGATIVE, POSITIVE, new_figure, style
from .rendering import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def bars(
    names: Sequence[str],
    values: npt.ArrayLike,
    title: str | None = None,
    xlabel: str | None = None,
    errors: npt.ArrayLike | None = None,
    maximum: int = 15,
) -> Figure:
    """Draw signed numbers as horizontal bars, the largest on top: red adds, blue takes away.

    Parameters
    ----------
    names : sequence of str
        One per bar.
    values : array of shape (D,)
        Lengths of the bars.
    title, xlabel : str or None
        Texts; `xlabel` names the unit.
    errors : array of shape (D,) or None
        Half lengths of error bars.
    maximum : int
        Only so many bars are drawn, those of largest absolute value, and their rest is counted below.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If names, values and errors differ in number.
    """
    numbers = _vector(values, "The bars", len(names))
    with style():
        shown = min(len(numbers), maximum)
        figure = new_figure(6.2, 0.9 + 0.29 * shown + (0.25 if title else 0), constrained=True)
        axes = figure.add_subplot()
        draw_bars(axes, names, numbers, errors, maximum)
        if title:
            axes.set_title(title, loc="left", weight="bold")
        if xlabel:
            axes.set_xlabel(xlabel)
    return figure


def draw_bars(
    axes: Axes, names: Sequence[str], values: npt.ArrayLike, errors: npt.ArrayLike | None = None, maximum: int = 15
) -> None:
    """Draw signed bars into given axes; see `bars` for the parameters."""
    numbers = _vector(values, "The bars", len(names))
    order = np.argsort(-np.abs(numbers), kind="stable")[:maximum]
    numbers, places = numbers[order], np.arange(len(order))
    spread = np.zeros(len(order)) if errors is None else np.abs(_vector(errors, "The errors", len(names)))[order]
    colours = [POSITIVE if number >= 0 else NEGATIVE for number in numbers]
    axes.barh(places, numbers, color=colours, height=0.68)
    if errors is not None:
        axes.errorbar(numbers, places, xerr=spread, fmt="none", ecolor=INK, capsize=2)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(places, [shortened(names[i]) for i in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    for place, number in zip(places, numbers, strict=True):
        reach = number + np.sign(number) * spread[place]
        side = "left" if number >= 0 else "right"
        axes.annotate(
            f"{number:.3g}".replace("-", "−"), (reach, place), xytext=(3 if number >= 0 else -3, 0),
            textcoords="offset points", ha=side, va="center", size=7.5, color=MUTED,
        )  # fmt: skip
    low, high = min(0.0, float((numbers - spread).min())), max(0.0, float((numbers + spread).max()))
    room = 0.24 * (high - low or 1.0)
    axes.set_xlim(low - (room if low < 0 else 0.0), high + (room if high > 0 or low == 0 else 0.0))
    hidden = len(names) - len(order)
    if hidden:
        axes.text(1, 0, f"and {hidden} smaller", transform=axes.transAxes, ha="right", va="bottom", size=7, color=MUTED)


def shortened(text: str, longest: int = 32) -> str:
    """Put a label on one line and cut it off where it gets too long."""
    text = " ".join(str(text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _vector(values: npt.ArrayLike, what: str, count: int) -> npt.NDArray[np.float64]:
    numbers = finite(np.asarray(values), what)
    if numbers.shape != (count,) or count == 0:
        raise InputError(f"{what} of shape {numbers.shape} do not fit {count} names.", "Give one number per name.")
    return numbers
