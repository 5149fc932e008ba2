"""Colours for what speaks for a class and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InputError, suggest

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Colour: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """Two colours.

    Attributes
    ----------
    positive, negative : tuple of 3 floats in 0..1
    words : tuple of 2 str
        What they are called.
    hatched : bool
        Whether negative regions are striped too, so that they can be told apart without any colour.
    """

    positive: Colour
    negative: Colour
    words: tuple[str, str]
    hatched: bool = False

    def cmap(self) -> Colormap:
        """A diverging colour map: negative, white at 0, positive."""
        from matplotlib.colors import LinearSegmentedColormap

        return LinearSegmentedColormap.from_list("for and against", [self.negative, (1.0, 1.0, 1.0), self.positive])


# A bluish green and an orange red that most colour-blind readers can still tell apart.
GREEN_RED = Palette((0.0, 0.62, 0.45), (0.84, 0.27, 0.0), ("green", "red"))
BLUE_ORANGE = Palette((0.0, 0.45, 0.70), (0.90, 0.55, 0.0), ("blue", "orange, striped"), hatched=True)

PALETTES = {"green-red": GREEN_RED, "blue-orange": BLUE_ORANGE}


def palette_of(name: str) -> Palette:
    """A palette by its name; `InputError` if there is none."""
    if name not in PALETTES:
        raise InputError(f"There is no palette '{name}'.", suggest(name, PALETTES))
    return PALETTES[name]
