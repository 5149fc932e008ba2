"""What every set of pictures can do: give one sample, a stack, or shuffled batches made by worker threads."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .threads import ahead

Array: TypeAlias = npt.NDArray[Any]
Augment: TypeAlias = Callable[[Array, np.random.Generator], Array]
Seed: TypeAlias = int | Sequence[int]

UNLABELLED = -1
"""Stands for "no label" where labels are returned as an array."""

_ORDER, _AUGMENT = 0, 1


@dataclass(frozen=True)
class Sample:
    """One picture.

    Attributes
    ----------
    image : ndarray
        Shape (3, H, W), RGB, float32 in 0..1.
    label : int or None
        Class number from 0; None where it is not known.
    mask : ndarray or None
        Shape (H, W), bool: the pixels that the object covers; None where it is not known.
    name : str
        What to call the picture in figures and errors.
    """

    image: Array
    label: int | None
    mask: Array | None
    name: str


class PictureSet(ABC):
    """A list of pictures, read or made when asked for.

    Attributes
    ----------
    title : str
        What the set is, for reports.
    classes : list of str
        Class names by label; empty where they are not known.
    labels : ndarray or None
        Shape (N,), int64, -1 for a picture without a label; None where no picture has one.
    names : list of str
        One name a picture.
    synthetic : bool
        Whether the pictures were made by a program instead of taken by a camera.
    """

    title: str
    classes: list[str]
    labels: Array | None
    names: list[str]
    synthetic: bool = False

    @abstractmethod
    def _read(self, index: int) -> Sample:
        """Read or make the sample at a valid index; called from several threads at once."""

    def _read_or_skip(self, index: int) -> Sample | None:
        """Like `_read`; None leaves the picture out of stacks and batches."""
        return self._read(index)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return self._read(self._checked(index))

    def __iter__(self) -> Iterator[Sample]:
        return (self._read(index) for index in range(len(self)))

    def stack(self, indices: Iterable[int]) -> tuple[Array, Array]:
        """Put several pictures of one size into one array.

        Parameters
        ----------
        indices : iterable of int
            Which pictures, in which order; negative ones count from the end.

        Returns
        -------
        images : ndarray
            Shape (N, 3, H, W), float32 in 0..1.
        labels : ndarray
            Shape (N,), int64; -1 for a picture without a label.

        Raises
        ------
        DataError
            If an index does not exist, sizes differ or no picture can be read.
        """
        found = (self._read_or_skip(self._checked(index)) for index in indices)
        samples = [sample for sample in found if sample is not None]
        if not samples:
            raise self._nothing_read()
        return stacked(samples)

    def batches(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: Seed = 0,
        augment: Augment | None = None,
        workers: int = 2,
    ) -> Iterator[tuple[Array, Array]]:
        """Go through the whole set once.

        One seed gives the same batches whatever the number of workers: each picture has its own random generator.

        Parameters
        ----------
        batch_size : int
            Pictures in a batch; the last batch may have fewer.
        shuffle : bool
            Whether to go in random order.
        seed : int or sequence of int
            Non-negative; decides the order and the augmentation. Training passes ``(seed, epoch)``.
        augment : callable, optional
            ``augment(image, rng) -> image`` on one (3, H, W) picture, such as `Augmentation`.
        workers : int
            Threads that prepare batches ahead of their use, one batch each; 0 prepares them in the calling thread.

        Returns
        -------
        iterator of (images, labels)
            As `stack` gives them: (B, 3, H, W) float32 and (B,) int64.

        Raises
        ------
        DataError
            If an argument is out of range, sizes differ or no picture can be read.
        """
        check_count("batch_size", batch_size)
        check_count("workers", workers, least=0)
        check_seed(seed)
        order = np.arange(len(self))
        if shuffle:
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ORDER,))).shuffle(order)

        def samples(start: int) -> list[Sample]:
            indices = [int(index) for index in order[start : start + batch_size]]
            found = [(index, self._read_or_skip(index)) for index in indices]
            return [s if augment is None else _augmented(s, augment, seed, i) for i, s in found if s is not None]

        return self._stacks(ahead(samples, range(0, len(order), batch_size), workers))

    def _stacks(self, batches: Iterable[list[Sample]]) -> Iterator[tuple[Array, Array]]:
        """Stack each batch; leave out those of which nothing could be read, unless that is all of them."""
        empty = True
        for samples in batches:
            if samples:
                empty = False
                yield stacked(samples)
        if empty:
            raise self._nothing_read()

    def _nothing_read(self) -> DataError:
        """What to raise when every picture asked for was skipped, or none was asked for."""
        return DataError(f"No picture of {self.title} was read.", "Ask for at least one that can be read.")

    def _label(self, index: int) -> int | None:
        """Label at a valid index, None where there is none."""
        return None if self.labels is None or self.labels[index] < 0 else int(self.labels[index])

    def _checked(self, index: int) -> int:
        """Turn an index that may count from the end into one from 0."""
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise DataError(
                f"There is no picture {position} in {self.title}.", f"Choose a number from 0 to {len(self) - 1}."
            )
        return position % len(self)


def stacked(samples: Sequence[Sample]) -> tuple[Array, Array]:
    """Put samples of one size into one array of images and one of labels.

    Parameters
    ----------
    samples : sequence of Sample
        At least one.

    Returns
    -------
    images, labels : ndarray
        As in `PictureSet.stack`.

    Raises
    ------
    DataError
        If sizes differ.
    """
    first = samples[0]
    for sample in samples:
        if sample.image.shape != first.image.shape:
            raise DataError(
                f"Pictures '{first.name}' and '{sample.name}' differ in size: {first.image.shape[1:]} and "
                f"{sample.image.shape[1:]} pixels.",
                "Give the set one size, such as size=128.",
            )
    labels = [UNLABELLED if sample.label is None else sample.label for sample in samples]
    return np.stack([sample.image for sample in samples]), np.array(labels, np.int64)


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuse a count that is not a whole number of at least `least`.

    Parameters
    ----------
    name : str
        What the user calls it.
    value : object
        What the user gave.
    least : int
        The smallest value allowed.

    Raises
    ------
    DataError
        If it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"{name}={value!r} will not do.", f"Use a whole number, {least} or more.")


def check_seed(seed: object) -> None:
    """Refuse a seed from which no random generator can start.

    Parameters
    ----------
    seed : object
        A non-negative int, or a sequence of them.

    Raises
    ------
    DataError
        If it is anything else.
    """
    for part in seed if isinstance(seed, Sequence) and not isinstance(seed, str) and seed else [seed]:
        check_count("seed", part, least=0)


def _augmented(sample: Sample, augment: Augment, seed: Seed, index: int) -> Sample:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_AUGMENT, index)))
    return replace(sample, image=np.asarray(augment(sample.image, rng), dtype=np.float32))
