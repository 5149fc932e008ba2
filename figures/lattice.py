"""The lattice of a game: every coalition with what it is worth, and who adds how much on the way to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.offsetbox import AnnotationBbox, DrawingArea
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from ..errors import InputError
from .bar_chart import shortened
from .canvas import INK, MUTED, PALETTE, new_figure, style
from .rendering import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST, MOST = 2, 5
# Room for one coalition and its row of players, and between two sizes, in inches.
_HEIGHT, _WIDTH = 0.72, 2.3
# What a number on a line takes, across and upwards, in the axes' own units.
_LABEL = (0.19, 0.19)
_Point: TypeAlias = tuple[float, float]


def coalition_lattice(players: Sequence[str], worth: npt.ArrayLike, title: str | None = None, unit: str = "") -> Figure:
    """Draw the lattice of coalitions, small ones on the left.

    Parameters
    ----------
    players : sequence of 2 to 5 str
        Names.
    worth : array (2**K,)
        What coalitions are worth: player j is present where bit j of the place is set.
    title : str or None
        Above everything.
    unit : str
        What a coalition is worth is counted in.

    Returns
    -------
    matplotlib.figure.Figure
        A box per coalition: its worth, and a square for each player that is present. A line per joining, in the
        colour of who joins, with the marginal contribution.

    Raises
    ------
    InputError
        If there are too few or too many players to draw, or the worths do not fit them.
    """
    numbers = finite(np.asarray(worth), "The worths of the coalitions")
    count = len(players)
    if not FEWEST <= count <= MOST or numbers.shape != (1 << count,):
        raise InputError(
            f"A lattice of {count} players and {numbers.size} coalitions cannot be drawn.",
            f"Give {FEWEST} to {MOST} players and a worth for each of their coalitions.",
        )
    places = _places(count)
    tallest = max(abs(y) for _, y in places.values())
    with style():
        figure = new_figure(1.4 + _WIDTH * count, 1.2 + _HEIGHT * (2 * tallest + 1) * 1.1, constrained=True)
        axes = figure.add_subplot()
        write, letters = _writer(numbers), _letters(players)
        for (start, end, player), (x, y) in _label_places(places, count):
            ends = [places[start], places[end]]
            axes.plot(*zip(*ends, strict=True), color=PALETTE[player], linewidth=1.5, zorder=1)
            axes.text(
                x, y, write(numbers[end] - numbers[start], sign=True), ha="center", va="center", size=7, color=INK,
                zorder=2, bbox={"facecolor": "white", "edgecolor": PALETTE[player], "linewidth": 0.6, "pad": 0.8},
            )  # fmt: skip
        for coalition, place in places.items():
            _draw_coalition(axes, place, write(numbers[coalition]), coalition, letters)
        for player, name in enumerate(players):
            label = f"{letters[player]}: {shortened(name)} joins"
            axes.plot([], [], color=PALETTE[player], linewidth=3, label=label)
        axes.set(xlim=(-0.32, count + 0.32), ylim=(-tallest - 0.75, tallest + 0.75))
        axes.set_xticks(range(count + 1), [f"{size} of {count}" for size in range(count + 1)])
        axes.set_xlabel("players present")
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.legend(loc="outside lower center", ncols=count, fontsize=8.5)
        if title:
            axes.set_title(f"{title} ({unit})" if unit else title, loc="left", weight="bold")
    return figure


def _places(count: int) -> dict[int, _Point]:
    """Where each coalition stands: its size across, and upwards its order among those of its size."""
    found = {}
    for size in range(count + 1):
        members = list(combinations(range(count), size))
        for order, one in enumerate(members):
            found[sum(1 << j for j in one)] = (float(size), (len(members) - 1) / 2 - order)
    return found


def _label_places(places: dict[int, _Point], count: int) -> Iterator[tuple[tuple[int, int, int], _Point]]:
    """Every joining as (coalition, larger coalition, player), and where on its line the number stands.

    A number stands near the smaller coalition, where fewer lines cross, at the first place that no other one has.
    """
    taken: list[_Point] = []
    for start in places:
        for player in (j for j in range(count) if not start >> j & 1):
            end = start | 1 << player
            (x0, y0), (x1, y1) = places[start], places[end]
            shares = sorted(np.linspace(0.34, 0.66, 33).tolist(), key=lambda share: abs(share - 0.4))
            points = [(x0 + share * (x1 - x0), y0 + share * (y1 - y0)) for share in shares]
            free = (p for p in points if all(abs(p[0] - x) > _LABEL[0] or abs(p[1] - y) > _LABEL[1] for x, y in taken))
            taken.append(next(free, points[0]))
            yield (start, end, player), taken[-1]


def _draw_coalition(axes: Axes, place: _Point, worth: str, coalition: int, letters: Sequence[str]) -> None:
    width, height, step = max(13.0 * len(letters), 6.5 * len(worth)), 26.0, 13.0
    area = DrawingArea(width, height)
    area.add_artist(Text(width / 2, 20, worth, ha="center", va="center", size=9, weight="bold", color=INK))
    left = width / 2 - step * len(letters) / 2
    for player, letter in enumerate(letters):
        here, colour = bool(coalition >> player & 1), PALETTE[player]
        corner = (left + step * player + 1.5, 1)
        face = colour if here else "white"
        area.add_artist(Rectangle(corner, 10, 11, facecolor=face, edgecolor=colour, linewidth=0.8))
        if here:
            middle = (corner[0] + 5, corner[1] + 5.2)
            area.add_artist(Text(*middle, letter, ha="center", va="center", size=6.5, weight="bold", color="white"))
    frame = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": MUTED, "linewidth": 0.8}
    axes.add_artist(AnnotationBbox(area, place, bboxprops=frame, zorder=3))


def _letters(players: Sequence[str]) -> list[str]:
    """One sign per player: first letters where these differ, else numbers."""
    letters = [name.strip()[:1].upper() for name in players]
    return letters if len(set(letters)) == len(letters) and all(letters) else [str(i + 1) for i in range(len(players))]


def _writer(numbers: npt.NDArray[np.float64]) -> Callable[..., str]:
    """Write numbers of one figure with the same decimals, so that the largest has three digits."""
    largest = float(np.abs(numbers).max()) or 1.0
    decimals = int(np.clip(2 - np.floor(np.log10(largest)), 0, 6))

    def write(number: float, sign: bool = False) -> str:
        return f"{number:{'+' if sign else ''},.{decimals}f}".replace(",", " ").replace("-", "−")

    return write
