"""Pictures that are held in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DataError
from .base import Array, PictureSet, Sample, check_count, stacked
from .threads import ahead


class ArrayPictures(PictureSet):
    """A set made of arrays.

    Parameters
    ----------
    images : ndarray
        Shape (N, 3, H, W), RGB, 0..1; float32 is kept, other types are converted.
    labels : sequence of int, optional
        N class numbers from 0; -1 for a picture without one.
    classes : sequence of str
        Class names by label.
    masks : ndarray, optional
        Shape (N, H, W), bool: the pixels of the object.
    names : sequence of str, optional
        N names; numbered when left out.
    title : str
        What the set is, for reports.
    synthetic : bool
        Whether a program made the pictures.

    Raises
    ------
    DataError
        If shapes or lengths do not fit, or values lie outside of 0..1.
    """

    def __init__(
        self,
        images: Array,
        labels: Sequence[int] | Array | None = None,
        classes: Sequence[str] = (),
        masks: Array | None = None,
        names: Sequence[str] | None = None,
        title: str = "pictures in memory",
        synthetic: bool = False,
    ) -> None:
        self._images = np.asarray(images, dtype=np.float32)
        shape = self._images.shape
        if len(shape) != 4 or shape[1] != 3 or 0 in shape:
            raise DataError(f"Pictures have shape (N, 3, height, width), not {shape}.", "Reorder the array.")
        # Written so that NaN fails as well.
        if not (self._images.min() >= 0 and self._images.max() <= 1):
            raise DataError("Picture values lie outside of 0..1 or are NaN.", "Divide 8-bit values by 255.")
        for name, given in (("labels", labels), ("masks", masks), ("names", names)):
            if given is not None and len(given) != shape[0]:
                raise DataError(f"There are {shape[0]} pictures but {len(given)} {name}.", "Give one for each.")
        if masks is not None and masks.shape != (shape[0], *shape[2:]):
            raise DataError(
                f"Masks {masks.shape} do not fit pictures {shape}.", "Use masks of shape (N, height, width)."
            )
        self.title = title
        self.classes = list(classes)
        self.labels = None if labels is None else np.asarray(labels, dtype=np.int64)
        self.names = [f"picture_{i}" for i in range(shape[0])] if names is None else list(names)
        self.synthetic = synthetic
        self._masks = None if masks is None else np.asarray(masks, dtype=bool)

    def _read(self, index: int) -> Sample:
        mask = None if self._masks is None else self._masks[index]
        return Sample(self._images[index], self._label(index), mask, self.names[index])


def in_memory(pictures: PictureSet, workers: int = 2) -> ArrayPictures:
    """Read every picture of a set once and keep it, which pays when the set is gone through many times.

    Parameters
    ----------
    pictures : PictureSet
        Any set whose pictures have one size; each picture will cost 12 bytes a pixel.
    workers : int
        Threads that read; 0 reads in the calling thread.

    Returns
    -------
    ArrayPictures
        The same pictures, labels, masks and names, without those that could not be read.

    Raises
    ------
    DataError
        If sizes differ or no picture can be read.
    """
    check_count("workers", workers, least=0)
    samples = [s for s in ahead(pictures._read_or_skip, range(len(pictures)), workers) if s is not None]
    if not samples:
        raise pictures._nothing_read()
    images, labels = stacked(samples)
    masks = [sample.mask for sample in samples if sample.mask is not None]
    return ArrayPictures(
        images,
        labels=None if pictures.labels is None else labels,
        classes=pictures.classes,
        masks=np.stack(masks) if len(masks) == len(samples) else None,
        names=[sample.name for sample in samples],
        title=pictures.title,
        synthetic=pictures.synthetic,
    )
