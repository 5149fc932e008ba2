"""The pictures of a part: those that are explained, those beside them, and those to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import Food11, PictureFiles, PictureSet, Sample, SyntheticFood, photographs
from ..errors import ConfigError, DataError
from ..models.evaluation import check_labels
from .config import Data, Training

# How many pictures beside the explained ones are read at most, and made where they are made.
_MOST_OTHERS, _MADE_OTHERS = 64, 22


def picture_set(data: Data, size: int, seed: int) -> PictureSet:
    """The pictures that a configuration names; `data.files` are added to photographs."""
    if data.source == "synthetic":
        count = data.pictures if isinstance(data.pictures, int) else max(data.pictures) + 1
        return SyntheticFood(count + _MADE_OTHERS, size, seed, data.split)
    if data.source == "folder":
        assert data.path is not None
        return Food11(data.path, data.split, size, on_error=data.on_error)
    if data.source == "files":
        return PictureFiles(data.files, size)
    bundled = photographs(size)
    if not data.files:
        return bundled
    known = [] if bundled.labels is None else bundled.labels.tolist()
    return PictureFiles(
        [*bundled.paths, *data.files],
        size,
        labels=[*known, *[-1] * len(data.files)],
        title=f"{bundled.title}, and files given",
    )


def explained_pictures(data: Data, pictures: PictureSet) -> dict[int, Sample]:
    """The pictures to explain, by their number in the set: readable ones of classes in turn, or those named.

    Raises
    ------
    ConfigError
        If a number does not exist.
    DataError
        If a named picture cannot be read, or none can.
    """
    if isinstance(data.pictures, int):
        return _first_readable(data, pictures, data.pictures)
    wrong = next((index for index in data.pictures if index >= len(pictures)), None)
    if wrong is not None:
        raise ConfigError(
            f"data.pictures asks for picture {wrong}: there are {len(pictures)}.", f"Use 0 to {len(pictures) - 1}."
        )
    return {index: pictures[index] for index in data.pictures}


def _first_readable(data: Data, pictures: PictureSet, count: int) -> dict[int, Sample]:
    found: dict[int, Sample] = {}
    skips = data.source == "folder" and data.on_error == "skip"
    for index in _classes_in_turn(pictures):
        try:
            found[index] = pictures[index]
        except DataError:
            if not skips:
                raise
        if len(found) == count:
            break
    if not found:
        pictures.stack(range(len(pictures)))  # says why none of them can be read
    return dict(sorted(found.items()))


def _classes_in_turn(pictures: PictureSet) -> list[int]:
    """All numbers, so that the first few are of different classes: files lie sorted by label."""
    if pictures.labels is None:
        return list(range(len(pictures)))
    seen: Counter[int] = Counter()
    turns = []
    for index, label in enumerate(pictures.labels.tolist()):
        turns.append((seen[label], label, index))
        seen[label] += 1
    return [index for _, _, index in sorted(turns)]


def other_pictures(pictures: PictureSet, chosen: Sequence[int]) -> npt.NDArray[Any]:
    """Pictures of the set that are not explained, (B, 3, H, W); B may be 0."""
    explained = set(chosen)
    rest = [index for index in _classes_in_turn(pictures) if index not in explained][:_MOST_OTHERS]
    try:
        if rest:
            return pictures.stack(rest)[0]
    except DataError:  # not one of them can be read: there are none
        pass
    return np.zeros((0, 3, 1, 1), dtype=np.float32)


def left_out(*sets: PictureSet) -> list[str]:
    """Why pictures of Food-11 folders could not be read so far, one text a picture."""
    return [reason for pictures in sets if isinstance(pictures, Food11) for _, reason in pictures.skipped]


def training_sets(data: Data, training: Training, size: int, seed: int, outputs: int) -> tuple[PictureSet, PictureSet]:
    """What to learn from, and what to judge by; nothing is read yet.

    Raises
    ------
    ConfigError
        If the source is no set to learn from.
    DataError
        If a part is missing, or its labels cannot be learnt by a network of so many outputs.
    """
    if data.source == "synthetic":
        return (
            SyntheticFood(training.pictures, size, seed, "training"),
            SyntheticFood(training.validation_pictures, size, seed, "validation"),
        )
    if data.source != "folder":
        raise ConfigError(
            f"There is nothing to train on in '{data.source}'.", "Use a folder or the synthetic pictures."
        )
    assert data.path is not None
    train, validation = (Food11(data.path, s, size, on_error=data.on_error) for s in ("training", "validation"))
    for pictures in (train, validation):
        labels = np.array([-1]) if pictures.labels is None else pictures.labels
        check_labels(labels, (len(labels), outputs))
        if pictures is train and len(np.unique(labels)) < 2:
            raise DataError(f"All pictures of {train.title} have the label {labels[0]}.", "Give it a second class.")
    return train, validation
