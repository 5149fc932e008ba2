"""How the error of estimates falls as more coalitions are evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import NullFormatter

from ..errors import InputError
from .canvas import INK, MUTED, PALETTE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Course:
    """The errors of one method.

    Attributes
    ----------
    evaluations : ndarray (P,)
        What each point took.
    errors : ndarray (P, S)
        Of S seeds.
    """

    evaluations: Floats
    errors: Floats


@dataclass(frozen=True, eq=False)
class Race:
    """Methods on the same problem.

    Attributes
    ----------
    title : str
    courses : mapping of str to Course
        By method.
    everything : int
        Evaluations after which nothing is left to find out.
    """

    title: str
    courses: Mapping[str, Course]
    everything: int


def convergence_plot(races: Sequence[Race], ylabel: str, title: str | None = None) -> Figure:
    """Draw error against evaluations, both on a logarithmic scale, with the guide 1 / sqrt(n).

    Parameters
    ----------
    races : sequence of Race
        One chart each.
    ylabel : str
        What the error is.
    title : str or None
        Above the charts.

    Returns
    -------
    matplotlib.figure.Figure
        The line is the median over the seeds, the shade goes from the least to the largest error. Errors of 0 have no
        place on a logarithmic scale and are left out.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if not races or not all(race.courses for race in races):
        raise InputError("There is no method whose errors could be drawn.", "Give at least one per chart.")
    with style():
        figure = new_figure(5.2 * len(races), 4.3, constrained=True)
        for axes, race in zip(figure.subplots(1, len(races), squeeze=False)[0], races, strict=True):
            _draw_race(axes, race)
            axes.set(xlabel="coalitions evaluated", ylabel=ylabel)
            axes.set_title(race.title, loc="left")
        if title:
            figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
    return figure


def _draw_race(axes: Axes, race: Race) -> None:
    axes.set(xscale="log", yscale="log")
    for number, (name, course) in enumerate(race.courses.items()):
        errors = np.where(course.errors > 0, course.errors, np.nan)
        drawn = np.isfinite(errors).any(axis=1)
        places, errors = course.evaluations[drawn], errors[drawn]
        colour, marker = PALETTE[number % len(PALETTE)], "osD^v"[number % 5]
        axes.plot(places, np.nanmedian(errors, axis=1), color=colour, marker=marker, markersize=4, label=name)
        low, high = np.nanmin(errors, axis=1), np.nanmax(errors, axis=1)
        axes.fill_between(places, low, high, color=colour, alpha=0.16, linewidth=0)
    first = next(iter(race.courses.values()))
    ends = np.array([min(c.evaluations.min() for c in race.courses.values()), race.everything], dtype=float)
    guide = np.median(first.errors[0]) * np.sqrt(first.evaluations[0] / ends)
    axes.plot(ends, guide, color=INK, linewidth=0.9, linestyle="--", label="1 / sqrt(n)")
    axes.axvline(race.everything, color=MUTED, linewidth=0.9, linestyle=":", label="all coalitions")
    axes.grid(which="major")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.legend(fontsize=7.5, loc="lower left")
