"""Faces in photographs: where they are, and the square around one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, MissingPackageError
from .images import Array
from .packages import require

# Of the frontal cascades that opencv-python brings along, the one without false alarms on photographs of things.
_CASCADE = "haarcascade_frontalface_alt2.xml"
_NEIGHBOURS = 5
_SMALLEST = 24
_SMALLEST_SHARE = 0.05
# Larger pictures are searched at this size: a face that is looked for has hundreds of pixels then.
_LARGEST_SIDE = 1600


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle in the pixels of an upright picture.

    Attributes
    ----------
    left, top : int
        Its first column and row.
    width, height : int
    """

    left: int
    top: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def cut(self, image: Array) -> Array:
        """The part of a picture (C, H, W) that lies in it."""
        return image[:, self.top : self.top + self.height, self.left : self.left + self.width]

    def as_list(self) -> list[int]:
        """Left, top, width and height."""
        return [self.left, self.top, self.width, self.height]


def find_faces(image: Array) -> list[Box]:
    """Find the faces that look into the camera.

    Parameters
    ----------
    image : ndarray
        Shape (3, H, W), RGB, float32 in 0..1, upright, as `read_image` returns it.

    Returns
    -------
    list of Box
        The largest first; empty where there is none. Faces narrower than a twentieth of the picture's shorter side, or
        than 24 pixels, are not looked for.

    Raises
    ------
    MissingPackageError
        If OpenCV is not installed, or came without its cascades.
    DataError
        If `image` is no colour picture.

    References
    ----------
    Viola & Jones (2001), Rapid object detection using a boosted cascade of simple features.
    """
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise DataError(f"A colour picture has shape (3, height, width), not {image.shape}.", "Pass one picture.")
    cv2 = require("cv2", "opencv-python", "find faces")
    pixels = np.rint(255 * np.clip(np.moveaxis(image, 0, -1), 0, 1)).astype(np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    shrunk = min(1.0, _LARGEST_SIDE / max(height, width))
    if shrunk < 1:
        grey = cv2.resize(grey, (round(width * shrunk), round(height * shrunk)), interpolation=cv2.INTER_AREA)
    smallest = max(_SMALLEST, int(_SMALLEST_SHARE * min(grey.shape)))
    found = _cascade().detectMultiScale(grey, 1.1, _NEIGHBOURS, minSize=(smallest, smallest))
    boxes = [_within(np.asarray(each) / shrunk, width, height) for each in found]
    return sorted(boxes, key=lambda box: (-box.area, box))


def around(box: Box, image: Array, margin: float = 0.0) -> Box:
    """The square around a box, moved and, where it must be, shrunk to lie within the picture.

    Parameters
    ----------
    box : Box
    image : ndarray
        Shape (C, H, W).
    margin : float
        How much is added on every side, as a share of the box's longer side.

    Raises
    ------
    DataError
        If the margin is negative or not a number.
    """
    if not 0 <= margin <= 10:
        raise DataError(f"A margin of {margin} will not do.", "Use 0 or more, such as 0.2 for a fifth of the face.")
    height, width = image.shape[1:]
    side = min(round(max(box.width, box.height) * (1 + 2 * margin)), height, width)
    left = round(box.left + (box.width - side) / 2)
    top = round(box.top + (box.height - side) / 2)
    return Box(min(max(left, 0), width - side), min(max(top, 0), height - side), side, side)


def _within(rectangle: Array, width: int, height: int) -> Box:
    left, top, across, down = (round(float(number)) for number in rectangle)
    return Box(left, top, min(across, width - left), min(down, height - top))


@cache
def _cascade() -> Any:
    cv2 = require("cv2", "opencv-python", "find faces")
    folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
    path = None if folder is None else Path(folder) / _CASCADE
    if path is None or not path.is_file() or not hasattr(cv2, "CascadeClassifier"):
        raise MissingPackageError(
            f"This OpenCV {cv2.__version__} comes without the face detector {_CASCADE}.",
            "Install the one that has it: pip install 'opencv-python>=4.9,<5'",
        )
    # Read here and handed over as text: OpenCV itself cannot open every path that Python can.
    storage = cv2.FileStorage(path.read_text(encoding="utf-8"), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    cascade = cv2.CascadeClassifier()
    if not cascade.read(storage.getFirstTopLevelNode()):
        raise MissingPackageError(f"The face detector '{path}' cannot be read.", "Install opencv-python again.")
    return cascade
