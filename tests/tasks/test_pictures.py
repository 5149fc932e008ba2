"""Which pictures are explained when a configuration gives only their number."""

from __future__ import annotations

import numpy as np

from twinlens.datasets import ArrayPictures
from twinlens.tasks.config import Data
from twinlens.tasks.pictures import explained_pictures, other_pictures


def sorted_by_label(labels: list[int] | None, count: int = 7) -> ArrayPictures:
    ramp = np.linspace(0, 1, count, dtype=np.float32)[:, None, None, None]
    return ArrayPictures(ramp * np.ones((count, 3, 4, 4), dtype=np.float32), labels, classes=["a", "b", "c"])


def test_classes_take_turns() -> None:
    pictures = sorted_by_label([0, 0, 0, 1, 1, 2, 2])
    assert list(explained_pictures(Data(pictures=5), pictures)) == [0, 1, 3, 4, 5]


def test_pictures_without_labels_come_as_they_lie() -> None:
    assert list(explained_pictures(Data(pictures=3), sorted_by_label(None))) == [0, 1, 2]


def test_backgrounds_are_of_all_classes_and_not_explained() -> None:
    pictures = sorted_by_label([0, 0, 0, 1, 1, 2, 2])
    others = other_pictures(pictures, [0, 3])
    np.testing.assert_allclose(others[:3, 0, 0, 0] * 6, [5, 1, 4], atol=1e-6)
    assert len(others) == 5
