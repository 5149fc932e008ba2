"""Picture files become what a network is asked about: read, the face cut out, brought to size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ..datasets import PictureFiles, resize
from ..datasets.faces import Box, around, find_faces
from ..datasets.frames import frames
from ..datasets.images import Resizing, check_size
from ..errors import ConfigError, DataError, suggest
from ..figures.faces import Rectangle
from .setup import Say

CROPS = ("none", "face")
NO_FACE = ("fail", "whole")
ON_ERROR = ("skip", "fail")

_SHOWN = 400


@dataclass(frozen=True)
class Reading:
    """How picture files are read.

    Attributes
    ----------
    crop : {"none", "face"}
        What is cut out of them.
    margin : float
        Added on every side of a face, as a share of it.
    no_face : {"fail", "whole"}
        What becomes of a picture without a face: an error, or it is explained as a whole.
    fit : {"crop", "stretch"}
        How pictures become square, see `resize`.
    on_error : {"skip", "fail"}
        Whether the other pictures go on where one cannot be read.
    """

    crop: str = "none"
    margin: float = 0.2
    no_face: str = "fail"
    fit: Resizing = "crop"
    on_error: str = "skip"

    def check(self) -> None:
        """Raise `ConfigError` if a choice does not exist."""
        for option, value, known in (
            ("--crop", self.crop, CROPS),
            ("--no-face", self.no_face, NO_FACE),
            ("--fit", self.fit, get_args(Resizing)),
            ("--on-error", self.on_error, ON_ERROR),
        ):
            if value not in known:
                raise ConfigError(f"{option} cannot be '{value}'.", suggest(value, known))
        if not 0 <= self.margin <= 10:
            raise ConfigError(f"--margin {self.margin:g} is not a share of the face.", "Use 0 or more, such as 0.2.")


@dataclass(frozen=True, eq=False)
class Portrait:
    """A whole picture in which faces were looked for.

    Attributes
    ----------
    name : str
    size : tuple of int
        Width and height.
    small : ndarray (3, h, w)
        The picture with every `step`-th pixel, for a figure.
    step : int
    faces : list of Box
        The largest first; the first is explained.
    cut : Box or None
        What is explained; None where there is no face and the whole picture is.
    """

    name: str
    size: tuple[int, int]
    small: npt.NDArray[Any]
    step: int
    faces: list[Box]
    cut: Box | None

    def numbers(self) -> dict[str, Any]:
        """For the results: boxes as left, top, width, height in the upright picture."""
        return {
            "picture_size": list(self.size),
            "faces": [box.as_list() for box in self.faces],
            "cut": None if self.cut is None else self.cut.as_list(),
        }

    def title(self) -> str:
        """What was found, in words."""
        if not self.faces:
            return f"{self.name}: no face, explained as a whole"
        return f"{self.name}: {'a face' if len(self.faces) == 1 else f'the largest of {len(self.faces)} faces'}"

    def remark(self) -> str:
        """What was found and where, in words."""
        if not self.faces:
            return self.title()
        box = self.faces[0]
        return f"{self.title()} at {box.left},{box.top}, {box.width} × {box.height} pixels"

    def shown(self, box: Box) -> Rectangle:
        """A box in the pixels of the small picture."""
        return Rectangle(*(number / self.step for number in box.as_list()))

    def shown_cut(self) -> Rectangle | None:
        """What is explained, in the pixels of the small picture."""
        return None if self.cut is None else self.shown(self.cut)


@dataclass
class ReadFiles:
    """What could be read.

    Attributes
    ----------
    paths : list of path
    images : ndarray (N, 3, size, size)
    portraits : list of Portrait
        One a picture where faces were looked for, otherwise none.
    skipped : dict of str to str
        Why others could not be read, by their paths.
    """

    paths: list[Path]
    images: npt.NDArray[Any]
    portraits: list[Portrait] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def read_files(files: Sequence[Path], size: int, reading: Reading, say: Say) -> ReadFiles:
    """Read picture files.

    Parameters
    ----------
    files : sequence of path
    size : int
        Side of the square pictures.
    reading : Reading
    say : callable
        Told what is skipped, which faces were found, and of which files only the first frame is read.

    Raises
    ------
    DataError
        If one cannot be read, or has no face, and none may be skipped; or if nothing is left.
    """
    check_size(size, reading.fit)
    paths: list[Path] = []
    images: list[npt.NDArray[Any]] = []
    portraits: list[Portrait] = []
    failures: dict[str, DataError] = {}
    for path in files:
        try:
            if reading.crop == "face":
                portrait, image = _face(path, size, reading)
                portraits.append(portrait)
                say(portrait.remark())
            else:
                image = PictureFiles([path], size, reading.fit)[0].image
        except DataError as error:
            if reading.on_error == "fail":
                raise
            failures[str(path)] = error
            continue
        if (several := frames(path)) > 1:
            say(f"{path.name}: the first of its {several} frames is explained")
        paths.append(path)
        images.append(image)
    if not images:
        first = next(iter(failures.values()), DataError("No picture file was named.", "Name at least one."))
        if len(failures) < 2:
            raise first
        raise DataError(f"None of the {len(failures)} pictures can be explained. The first: {first.cause}", first.cure)
    skipped = {path: str(failure) for path, failure in failures.items()}
    for reason in skipped.values():
        say(f"skipped: {reason}")
    return ReadFiles(paths, np.stack(images), portraits, skipped)


def _face(path: Path, size: int, reading: Reading) -> tuple[Portrait, npt.NDArray[Any]]:
    whole = PictureFiles([path], None)[0].image
    faces = find_faces(whole)
    if not faces and reading.no_face == "fail":
        raise DataError(
            f"No face was found in '{path}'.", "Use a picture of a face from the front, --no-face whole, or no --crop."
        )
    cut = around(faces[0], whole, reading.margin) if faces else None
    image = resize(whole if cut is None else cut.cut(whole), size, reading.fit)
    height, width = whole.shape[1:]
    step = max(1, max(height, width) // _SHOWN)
    return Portrait(path.name, (width, height), whole[:, ::step, ::step].copy(), step, faces, cut), image
