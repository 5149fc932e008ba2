"""How many pictures lie in one file."""

from __future__ import annotations

import os
from pathlib import Path

from .packages import require

_SEVERAL = (".gif", ".webp", ".png", ".tif", ".tiff")


def frames(path: str | os.PathLike[str]) -> int:
    """Number of frames of an animation, or of pages of a TIFF file; 1 for every other picture.

    `read_image` reads the first one.
    """
    path = Path(path)
    if path.suffix.lower() not in _SEVERAL:
        return 1
    cv2 = require("cv2", "opencv-python", "count frames")
    try:
        return max(1, int(cv2.imcount(str(path))))
    except cv2.error:
        return 1
