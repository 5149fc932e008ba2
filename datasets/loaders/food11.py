"""Food-11 folders as a set of pictures, read when asked for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import DataError, suggest
from .base import UNLABELLED, PictureSet, Sample
from .food11_layout import FOOD11_CLASSES, find_split, list_pictures
from .images import Resizing, check_size, read_image
from .splits import canonical_split
from .threads import ahead


class Food11(PictureSet):
    """One part of a Food-11 folder.

    Parameters
    ----------
    root : str or Path
        The folder that holds the parts (also one level below it), or a flat folder of pictures. Pictures are named
        ``<label>_<number>.jpg``, or lie in one folder a class, or have no label, as in the test set of a contest.
    split : str
        "training", "validation" or "testing"; "train", "valid", "val", "test", "evaluation" and "eval" mean the same.
    size : int, optional
        Side of the square pictures; None keeps each picture's own size.
    mode : {"stretch", "crop"}
        How pictures become square, see `resize`.
    on_error : {"skip", "fail"}
        Whether stacks and batches leave out pictures that cannot be read, or raise. Asking for one such picture by
        its index raises either way.

    Attributes
    ----------
    paths : list of Path
        The files, sorted by label and number.

    Raises
    ------
    DataError
        If the folder or the part does not exist, is empty, or holds labels that Food-11 does not have.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "training",
        size: int | None = 128,
        mode: Resizing = "stretch",
        on_error: Literal["skip", "fail"] = "skip",
    ) -> None:
        check_size(size, mode)
        if on_error not in ("skip", "fail"):
            raise DataError(f"on_error='{on_error}' does not exist.", suggest(on_error, ("skip", "fail")))
        split = canonical_split(split)
        folder = find_split(root, split)
        self._size, self._mode, self._fail = size, mode, on_error == "fail"
        self._unreadable: dict[str, str] = {}
        self._lock = threading.Lock()
        self._keep(folder, list_pictures(folder))
        self.title = f"Food-11 folder '{folder}' ({split})"
        self.classes = list(FOOD11_CLASSES)

    def _keep(self, folder: Path, listed: list[tuple[Path, int | None]]) -> None:
        """Take over the listed pictures; beside labelled pictures, one without a label is an error in the data."""
        labelled = [(path, label) for path, label in listed if label is not None]
        if labelled:
            for path, label in listed:
                if label is None:
                    self._skip(path, DataError(f"'{path}' has no label in its name.", "Name it <label>_<number>."))
            listed = list(labelled)
        self.paths = [path for path, _ in listed]
        self.names = [path.relative_to(folder).as_posix() for path in self.paths]
        self.labels = np.array([UNLABELLED if n is None else n for _, n in listed], np.int64) if labelled else None

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Pictures left out so far: path and reason, sorted by path. It grows while pictures are read."""
        with self._lock:
            return sorted(self._unreadable.items())

    def verify(self, workers: int = 2) -> int:
        """Read every picture once and take those that cannot be read out of the set.

        Parameters
        ----------
        workers : int
            Threads that read; 0 reads in the calling thread.

        Returns
        -------
        int
            How many pictures were left out, also before; `skipped` names them.

        Raises
        ------
        DataError
            If no picture is left, or at the first unreadable one with ``on_error="fail"``.
        """
        good = [i for i, fine in enumerate(ahead(self._readable, range(len(self)), workers)) if fine]
        if not good:
            raise self._nothing_read()
        self.paths = [self.paths[i] for i in good]
        self.names = [self.names[i] for i in good]
        self.labels = None if self.labels is None else self.labels[good]
        return len(self.skipped)

    def _readable(self, index: int) -> bool:
        return self._read_or_skip(index) is not None

    def _read(self, index: int) -> Sample:
        image = read_image(self.paths[index], self._size, self._mode)
        return Sample(image, self._label(index), None, self.names[index])

    def _read_or_skip(self, index: int) -> Sample | None:
        try:
            return self._read(index)
        except DataError as error:
            self._skip(self.paths[index], error)
            return None

    def _nothing_read(self) -> DataError:
        if not self.skipped:
            return super()._nothing_read()
        cause = (
            f"No picture of {self.title} could be read; {len(self.skipped)} were skipped, such as: {self.skipped[0][1]}"
        )
        return DataError(cause, "Check the folder, and copy or download its pictures again.")

    def _skip(self, path: Path, error: DataError) -> None:
        if self._fail:
            raise error
        with self._lock:
            self._unreadable[str(path)] = error.cause
