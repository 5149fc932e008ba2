"""Whole pictures with the faces that were found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy.typing as npt
from matplotlib import patches

from ..errors import InputError
from .canvas import new_figure, style
from .grids import wrapped
from .palettes import BLUE_ORANGE
from .rendering import as_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS, _CELL = 3, 3.0


class Rectangle(NamedTuple):
    """A rectangle in the pixels of a picture."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class FacedPicture:
    """A picture and rectangles in it.

    Attributes
    ----------
    title : str
    picture : array (3, H, W)
    faces : sequence of Rectangle
        The first is the one that counts.
    cut : Rectangle or None
        What is cut out.
    """

    title: str
    picture: npt.ArrayLike
    faces: Sequence[Rectangle]
    cut: Rectangle | None


def draw_faces(pictures: Sequence[FacedPicture], title: str) -> Figure:
    """Draw pictures with boxes: the face that counts unbroken, others dashed, and what is cut out.

    Raises
    ------
    InputError
        If there is no picture.
    """
    if not pictures:
        raise InputError("There are no pictures to draw.", "Give at least one.")
    across = min(len(pictures), _ACROSS)
    down = -(-len(pictures) // across)
    with style():
        figure = new_figure(across * _CELL + 0.2, down * (_CELL + 0.5) + 0.4, constrained=True)
        figure.suptitle(title, x=0.01, ha="left", size=12, weight="bold")
        for index, axes in enumerate(figure.subplots(down, across, squeeze=False).ravel()):
            axes.set_axis_off()
            if index >= len(pictures):
                continue
            each = pictures[index]
            axes.imshow(as_picture(each.picture))
            axes.set_title("\n".join(wrapped(each.title, _CELL, 9)), size=9)
            for place, face in enumerate(each.faces):
                axes.add_patch(_box(face, BLUE_ORANGE.negative, "-" if place == 0 else ":"))
            if each.cut is not None:
                axes.add_patch(_box(each.cut, BLUE_ORANGE.positive, "--"))
    return figure


def _box(rectangle: Rectangle, colour: tuple[float, float, float], line: str) -> patches.Rectangle:
    # Between pixels: the centre of the first pixel lies at 0.
    corner = (rectangle.left - 0.5, rectangle.top - 0.5)
    return patches.Rectangle(
        corner, rectangle.width, rectangle.height, fill=False, edgecolor=colour, linewidth=2, linestyle=line
    )
