"""Picture files of any kind become RGB arrays of one kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import DataError, suggest
from .packages import require

Array: TypeAlias = npt.NDArray[Any]
Resizing: TypeAlias = Literal["stretch", "crop"]

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
"""File name endings (lower case) that count as pictures when a folder is listed."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def read_image(path: str | os.PathLike[str], size: int | None = None, mode: Resizing = "stretch") -> Array:
    """Read a picture file as the models want it.

    Grey pictures get three equal channels, CMYK becomes RGB, 16-bit values are scaled by 65,535, and the camera's
    EXIF orientation is applied. PNG and WebP pictures with an alpha channel are laid on white, as a page would show
    them; for those alone an EXIF orientation is ignored.

    Parameters
    ----------
    path : str or path-like
        The file; its name may hold any characters.
    size : int, optional
        Side of the square picture to return; the picture's own height and width when left out.
    mode : {"stretch", "crop"}
        How it becomes square, see `resize`.

    Returns
    -------
    ndarray
        Shape (3, H, W), RGB, float32 in 0..1.

    Raises
    ------
    DataError
        If the file is missing, a folder, a pipe, empty, cut short or not a picture.
    """
    check_size(size, mode)
    pixels = _decode(Path(path))
    if pixels.shape[2] == 4:
        pixels = _on_white(pixels)
    if size is not None:
        pixels = _resize(pixels, size, mode)
    scale = np.float32(np.iinfo(pixels.dtype).max)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / scale


def read_rgba(path: str | os.PathLike[str]) -> Array:
    """Read a picture file with its alpha channel, for artwork that is going to be laid on something.

    Parameters
    ----------
    path : str or path-like
        A PNG or WebP file.

    Returns
    -------
    ndarray
        Shape (H, W, 4), RGB and alpha, float32 in 0..1.

    Raises
    ------
    DataError
        If it cannot be read or has no alpha channel.
    """
    pixels = _decode(Path(path))
    if pixels.shape[2] != 4:
        raise DataError(f"'{path}' has no alpha channel.", "Use a PNG with a transparent background.")
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def resize(image: Array, size: int, mode: Resizing = "stretch") -> Array:
    """Make a picture square.

    Sides that shrink are averaged over the pixels that fall together (OpenCV's INTER_AREA, free of aliasing); sides
    that grow are interpolated linearly.

    Parameters
    ----------
    image : ndarray
        Shape (C, H, W), float32.
    size : int
        Side of the result in pixels.
    mode : {"stretch", "crop"}
        "stretch" changes the proportions and keeps everything; "crop" keeps the proportions and the central square.

    Returns
    -------
    ndarray
        Shape (C, size, size), float32.

    Raises
    ------
    DataError
        If `image` is no picture or `size` or `mode` is not one of the above.
    """
    if image.ndim != 3 or 0 in image.shape:
        raise DataError(f"A picture has shape (channels, height, width), not {image.shape}.", "Pass one picture.")
    check_size(size, mode)
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0), dtype=np.float32)
    return np.ascontiguousarray(_resize(pixels, size, mode).transpose(2, 0, 1))


def check_size(size: int | None, mode: str) -> None:
    """Refuse a size or a way of resizing that does not exist.

    Parameters
    ----------
    size : int or None
        Side in pixels; None keeps each picture's own.
    mode : str
        "stretch" or "crop".

    Raises
    ------
    DataError
        If either is something else.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1):
        raise DataError(f"Picture size {size!r} is not a number of pixels.", "Use a whole number such as 128.")
    if mode not in ("stretch", "crop"):
        raise DataError(f"Resizing mode '{mode}' does not exist.", suggest(mode, ("stretch", "crop")))


def _resize(pixels: Array, size: int, mode: Resizing) -> Array:
    """Resize an (H, W, C) array of any number type to a square."""
    cv2 = require("cv2", "opencv-python", "resize pictures")
    height, width = pixels.shape[:2]
    if mode == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
        height = width = side
    if height > size or width > size:
        pixels = cv2.resize(pixels, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    if height < size or width < size:
        pixels = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _decode(path: Path) -> Array:
    """Read a file as (H, W, 3) RGB, or (H, W, 4) with alpha, of type uint8 or uint16."""
    cv2 = require("cv2", "opencv-python", "read pictures")
    data = _bytes(path)
    # OpenCV drops alpha when asked for colour and drops the orientation when asked for alpha.
    has_alpha_kind = data.startswith(_PNG) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")
    flags = cv2.IMREAD_UNCHANGED if has_alpha_kind else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    pixels = _imdecode(data, flags)
    if pixels is not None and has_alpha_kind and (pixels.ndim == 2 or pixels.shape[2] != 4):
        pixels = _imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"'{path}' is damaged or is not a picture that OpenCV can read.",
            "Save it again as an 8- or 16-bit JPEG or PNG, or remove it.",
        )
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def _imdecode(data: bytes, flags: int) -> Array | None:
    cv2 = require("cv2", "opencv-python", "read pictures")
    try:
        with _silent_opencv():
            pixels: Array | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return pixels


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """Keep OpenCV from printing what is wrong with a file in lines of its own: the error that names the file does."""
    log = require("cv2", "opencv-python", "read pictures").utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(before)


def _bytes(path: Path) -> bytes:
    """Read a file's content, after the checks that need no decoder."""
    if path.is_dir():
        raise DataError(f"'{path}' is a folder, not a picture.", "Name one picture file.")
    if not path.exists():
        raise DataError(f"Picture '{path}' does not exist.", "Check the path and its spelling.")
    if not path.is_file():  # a pipe would be waited for without end
        raise DataError(f"'{path}' is a pipe or a device, not a picture.", "Name one picture file.")
    try:
        # Python opens names that OpenCV's own imread cannot on some systems.
        data = np.fromfile(path, np.uint8).tobytes()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"'{path}' cannot be read: {reason}.", "Check the file and its permissions.") from None
    if not data:
        raise DataError(f"'{path}' is empty (0 bytes).", "Copy or download it again, or remove it.")
    if _cut_short(data):
        raise DataError(f"'{path}' is cut short: its end is missing.", "Copy or download it again, or remove it.")
    return data


def _cut_short(data: bytes) -> bool:
    """Whether the format's own end mark or length says that bytes are missing.

    Some decoders fill the missing part with grey and report success, so that this has to be seen beforehand.
    """
    if data.startswith(_JPEG):
        # An embedded thumbnail has an end mark of its own, before the picture's scan begins (FF DA).
        scan = data.rfind(b"\xff\xda")
        return scan < 0 or data.find(b"\xff\xd9", scan) < 0
    if data.startswith(_PNG):
        return data.find(b"IEND", len(_PNG)) < 0
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return len(data) < int.from_bytes(data[4:8], "little") + 8
    return False


def _on_white(pixels: Array) -> Array:
    """Lay (H, W, 4) RGBA pixels on a white page; same type, three channels."""
    white = float(np.iinfo(pixels.dtype).max)
    alpha = pixels[:, :, 3:] / white
    laid: Array = np.rint(pixels[:, :, :3] * alpha + white * (1 - alpha)).astype(pixels.dtype)
    return laid
