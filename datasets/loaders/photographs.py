"""Photographs: two that come with scikit-image, and any files that the user names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from .base import PictureSet, Sample
from .images import Resizing, check_size, read_image
from .packages import package_folder

PHOTOGRAPHS = {"chelsea.png": (282, 281), "coffee.png": (967,)}
"""Files of scikit-image (CC0), each with the ImageNet class numbers that fit: tiger cat and tabby; espresso."""


class PictureFiles(PictureSet):
    """Picture files, named one by one.

    Parameters
    ----------
    paths : sequence of path
        The files, in the order wanted.
    size : int, optional
        Side of the square pictures; None keeps each picture's own size.
    mode : {"crop", "stretch"}
        How pictures become square, see `resize`.
    labels : sequence of int, optional
        A class number each, -1 where it is not known.
    classes : sequence of str
        Class names by label, where they are known.
    title : str
        What the set is, for reports.

    Raises
    ------
    DataError
        If no file is named, one does not exist, or the labels do not fit the files.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        size: int | None = 224,
        mode: Resizing = "crop",
        labels: Sequence[int] | None = None,
        classes: Sequence[str] = (),
        title: str = "picture files",
    ) -> None:
        if isinstance(paths, str | os.PathLike):
            raise DataError(f"'{os.fspath(paths)}' is one path, not a list of paths.", "Put it into brackets: [path].")
        if not paths:
            raise DataError("No picture file was named.", "Name at least one.")
        check_size(size, mode)
        if labels is not None and len(labels) != len(paths):
            raise DataError(f"There are {len(paths)} pictures but {len(labels)} labels.", "Give one label a picture.")
        self.paths = [Path(path) for path in paths]
        for path in self.paths:
            if not path.is_file():
                raise DataError(f"'{path}' is not a file.", "Check its spelling; name pictures, not folders.")
        self._size, self._mode = size, mode
        self.title = title
        self.classes = list(classes)
        self.labels = None if labels is None else np.asarray(labels, dtype=np.int64)
        self.names = [path.name for path in self.paths]

    def _read(self, index: int) -> Sample:
        image = read_image(self.paths[index], self._size, self._mode)
        return Sample(image, self._label(index), None, self.names[index])


def photographs(size: int | None = 224) -> PictureFiles:
    """Two real photographs whose ImageNet classes are known: a cat and a cup of coffee.

    Parameters
    ----------
    size : int, optional
        Side of the central square in pixels; None keeps the whole pictures.

    Returns
    -------
    PictureFiles
        Labels are ImageNet class numbers, 282 (tiger cat) and 967 (espresso); `PHOTOGRAPHS` has all that fit. The
        class names belong to the model that is asked.

    Raises
    ------
    MissingPackageError
        If scikit-image is not installed.
    DataError
        If the installed scikit-image comes without these files.
    """
    folder = package_folder("skimage", "scikit-image", "show the photographs") / "data"
    return PictureFiles(
        [folder / name for name in PHOTOGRAPHS],
        size,
        labels=[fitting[0] for fitting in PHOTOGRAPHS.values()],
        title="photographs from scikit-image",
    )
