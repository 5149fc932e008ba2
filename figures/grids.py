"""Rows of pictures and maps under common titles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from ..errors import InputError
from .canvas import INK, MUTED, new_figure, style
from .rendering import HEAT_CMAP, SIGNED_CMAP, Array, as_picture, finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.06
_LINE = 0.17


@dataclass
class GridRow:
    """One row of a picture grid.

    Attributes
    ----------
    title : str
        Written at the left.
    pictures : sequence of arrays
        (H, W) maps, or pictures as `as_picture` takes them. ``None`` leaves a place empty.
    cmap : str or None
        Colour map of the maps; by default one for heat, or a diverging one when `signed`.
    vmin, vmax : float or None
        Values at the ends of the colour map; by default those of each map.
    shared : bool
        One scale for all maps of the row instead of one each.
    signed : bool
        Scale symmetrically around zero and draw a colour bar.
    captions : sequence of str or None
        Written under each picture.
    """

    title: str
    pictures: Sequence[Any]
    cmap: str | None = None
    vmin: float | None = None
    vmax: float | None = None
    shared: bool = False
    signed: bool = False
    captions: Sequence[str] | None = None

    @property
    def has_bar(self) -> bool:
        """Whether a colour bar belongs to the row: its colours mean values, not only order."""
        fixed = self.vmin is not None and self.vmax is not None
        return (self.signed or self.shared or fixed) and any(_is_map(p) for p in self.pictures)

    def limits(self, picture: Array | None = None) -> tuple[float, float]:
        """Ends of the scale for one map, or for the whole row."""
        maps = [finite(np.asarray(p), "The map") for p in self.pictures if _is_map(p)] if picture is None else [picture]
        low, high = min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)
        if self.signed:
            reach = max(abs(low), abs(high)) or 1.0
            low, high = -reach, reach
        low = low if self.vmin is None else self.vmin
        high = high if self.vmax is None else self.vmax
        return (low, high) if high > low else (low, low + 1.0)


def picture_grid(
    rows: Sequence[GridRow | tuple[str, Sequence[Any]]],
    column_titles: Sequence[str] | None = None,
    title: str | None = None,
    max_columns: int = 6,
) -> Figure:
    """Draw rows of pictures under common column titles.

    Parameters
    ----------
    rows : sequence of GridRow, or of (title, pictures)
        All of the same length.
    column_titles : sequence of str or None
        One per picture; long ones are wrapped.
    title : str or None
        Above everything.
    max_columns : int
        More pictures than this are folded into blocks of about equal width, so that they stay legible.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot. One axes per picture, and one per colour bar.

    Raises
    ------
    InputError
        If rows or titles differ in number, or there is nothing to draw.
    """
    strips = [row if isinstance(row, GridRow) else GridRow(*row) for row in rows]
    count = len(strips[0].pictures) if strips else 0
    if count == 0:
        raise InputError("There are no pictures to draw.", "Give at least one row with one picture.")
    for strip in strips:
        if len(strip.pictures) != count:
            raise InputError(
                f"Row '{strip.title}' has {len(strip.pictures)} pictures, the first row has {count}.",
                "Give every row one picture per column.",
            )
        _check_texts("captions", strip.captions, count)
    _check_texts("column titles", column_titles, count)
    columns = -(-count // -(-count // max_columns))
    blocks = [range(start, min(start + columns, count)) for start in range(0, count, columns)]

    cell = float(np.clip(5.6 / columns, 1.05, 2.0))
    heights = [cell * _aspect(strip.pictures) + _caption_height(strip, cell) for strip in strips]
    left = 1.15 if any(strip.title for strip in strips) else 0.1
    right = 0.75 if any(strip.has_bar for strip in strips) else 0.1
    head = _title_height(column_titles, cell)
    width = left + columns * (cell + _GAP) + right
    top = 0.08 + (0.2 * len(wrapped(title, width - 0.3, 12)) + 0.1 if title else 0.0)
    block_height = head + sum(heights) + _GAP * len(strips)
    height = top + len(blocks) * (block_height + 0.1) + 0.05
    with style():
        figure = new_figure(width, height)
        if title:
            text = "\n".join(wrapped(title, width - 0.3, 12))
            figure.text(0.12 / width, 1 - 0.1 / height, text, size=12, weight="bold", va="top", ha="left")
        y = height - top
        for block in blocks:
            y -= head
            for place, strip in enumerate(strips):
                extent = cell * _aspect(strip.pictures)
                bottom = y - extent
                _row_title(figure, strip.title, (left - 0.1) / width, (bottom + extent / 2) / height)
                for column, index in enumerate(block):
                    x = left + column * (cell + _GAP)
                    axes = figure.add_axes((x / width, bottom / height, cell / width, extent / height))
                    _draw(axes, strip, index)
                    if place == 0 and column_titles:
                        lines = wrapped(column_titles[index], cell, 8.5)
                        axes.set_title("\n".join(lines), size=8.5, pad=3)
                    if strip.captions:
                        lines = wrapped(strip.captions[index], cell, 7.5)
                        axes.set_xlabel("\n".join(lines), size=7.5, color=MUTED, labelpad=2)
                if strip.has_bar:
                    x = left + len(block) * (cell + _GAP) + 0.04
                    bar = (x / width, (bottom + 0.05 * extent) / height, 0.11 / width, 0.9 * extent / height)
                    _colour_bar(figure, bar, strip)
                y = bottom - _GAP - _caption_height(strip, cell)
            y -= 0.1
    return figure


def _draw(axes: Axes, strip: GridRow, index: int) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    picture = strip.pictures[index]
    for spine in axes.spines.values():
        spine.set_visible(False)
    if picture is None:
        return
    if not _is_map(picture):
        axes.imshow(as_picture(picture), aspect="auto")
        return
    values = finite(np.asarray(picture), f"Row '{strip.title}'")
    low, high = strip.limits(None if strip.shared else values)
    axes.imshow(values, cmap=_cmap(strip), vmin=low, vmax=high, aspect="auto")


def _colour_bar(figure: Figure, place: tuple[float, float, float, float], strip: GridRow) -> None:
    relative = strip.signed and not strip.shared and strip.vmax is None
    low, high = (-1.0, 1.0) if relative else strip.limits()
    axes = figure.add_axes(place, label="colour bar")
    bar = figure.colorbar(ScalarMappable(Normalize(low, high), _cmap(strip)), cax=axes)
    bar.outline.set_visible(False)
    ticks = [low, 0.0, high] if low < 0 < high else [low, high]
    names = ["−max", "0", "+max"] if relative else [f"{tick:.2g}".replace("-", "−") for tick in ticks]
    bar.set_ticks(ticks, labels=names)
    axes.tick_params(labelsize=7, length=2, color=MUTED, pad=2)


def _cmap(strip: GridRow) -> str:
    return strip.cmap or (SIGNED_CMAP if strip.signed else HEAT_CMAP)


def _is_map(picture: Any) -> bool:
    return picture is not None and np.ndim(picture) == 2


def _aspect(pictures: Sequence[Any]) -> float:
    """Height over width of the row's cells: that of its first picture, within reason."""
    for picture in pictures:
        if picture is not None:
            height, width = np.shape(picture) if _is_map(picture) else as_picture(picture).shape[:2]
            return float(np.clip(height / width, 0.4, 2.0))
    return 1.0


def _row_title(figure: Figure, text: str, x: float, y: float) -> None:
    lines = textwrap.wrap(text, 15, break_long_words=True)
    figure.text(x, y, "\n".join(lines), size=9, color=INK, ha="right", va="center")


def wrapped(text: str, inches: float, size: float) -> list[str]:
    """Lines of a text that fit a width in inches at a font size, at most four of them."""
    characters = max(6, int(inches * 72 / (size * 0.58)))
    return textwrap.wrap(str(text), characters, max_lines=4, placeholder=" …") or [""]


def _title_height(titles: Sequence[str] | None, cell: float) -> float:
    return 0.08 + _LINE * max(len(wrapped(title, cell, 8.5)) for title in titles) if titles else 0.04


def _caption_height(strip: GridRow, cell: float) -> float:
    return 0.05 + _LINE * max(len(wrapped(c, cell, 7.5)) for c in strip.captions) if strip.captions else 0.0


def _check_texts(what: str, texts: Sequence[str] | None, count: int) -> None:
    if texts is not None and len(texts) != count:
        raise InputError(f"There are {len(texts)} {what} for {count} pictures.", "Give one per picture.")
