"""Augmentation: random, repeatable, and never out of range."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.datasets import Augmentation
from twinlens.datasets.augment import shifted
from twinlens.errors import DataError

NOTHING = {"flip": 0.0, "shift": 0.0, "brightness": 0.0, "contrast": 0.0}


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.3, 0.7, (3, 20, 30)).astype(np.float32)


def many(augment: Augmentation, image: np.ndarray, count: int = 60) -> list[np.ndarray]:
    return [augment(image, np.random.default_rng(seed)) for seed in range(count)]


def test_with_everything_off_the_picture_stays(image: np.ndarray) -> None:
    for changed in many(Augmentation(**NOTHING), image, 5):
        np.testing.assert_allclose(changed, image, atol=1e-6)


def test_the_same_generator_state_gives_the_same_picture_and_leaves_the_original(image: np.ndarray) -> None:
    original = image.copy()
    one, other = many(Augmentation(), image), many(Augmentation(), image)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(image, original)
    assert len({changed.tobytes() for changed in one}) == len(one)


def test_the_form_stays_and_values_stay_in_range(rng: np.random.Generator) -> None:
    harsh = Augmentation(brightness=1, contrast=1, shift=0.5)
    for changed in many(harsh, rng.random((3, 15, 8), np.float32)):
        assert changed.shape == (3, 15, 8)
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_flipping_mirrors_left_and_right_about_as_often_as_asked(image: np.ndarray) -> None:
    for changed in many(Augmentation(**NOTHING | {"flip": 1.0}), image, 5):
        np.testing.assert_allclose(changed, image[:, :, ::-1], atol=1e-6)
    flips = [np.allclose(c, image[:, :, ::-1], atol=1e-6) for c in many(Augmentation(**NOTHING | {"flip": 0.5}), image)]
    assert 15 < sum(flips) < 45


def test_brightness_adds_one_number(image: np.ndarray) -> None:
    added = [changed - image for changed in many(Augmentation(**NOTHING | {"brightness": 0.2}), image)]
    assert max(np.ptp(a) for a in added) < 1e-6
    levels = [a.mean() for a in added]
    assert -0.2 <= min(levels) < -0.1
    assert 0.1 < max(levels) <= 0.2


def test_contrast_keeps_the_mean_and_scales_the_deviation(image: np.ndarray) -> None:
    changed = many(Augmentation(**NOTHING | {"contrast": 0.4}), image)
    ratios = [c.std() / image.std() for c in changed]
    np.testing.assert_allclose([c.mean() for c in changed], image.mean(), atol=1e-5)
    assert 0.6 - 1e-3 <= min(ratios) < 0.8
    assert 1.2 < max(ratios) <= 1.4 + 1e-3


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, 0), (-3, 0), (0, 4), (2, -5), (-19, 29)])
def test_shifting_moves_the_content_and_mirrors_the_border(image: np.ndarray, down: int, right: int) -> None:
    height, width = image.shape[1:]

    def source(position: int, side: int) -> int:
        if position < 0:
            return -1 - position
        return position if position < side else 2 * side - 1 - position

    rows = [source(y - down, height) for y in range(height)]
    columns = [source(x - right, width) for x in range(width)]
    np.testing.assert_array_equal(shifted(image, down, right), image[:, rows][:, :, columns])


def test_shifts_stay_within_the_share_asked_for(image: np.ndarray) -> None:
    allowed = [shifted(image, down, right) for down in range(-2, 3) for right in range(-3, 4)]
    for changed in many(Augmentation(**NOTHING | {"shift": 0.1}), image):
        assert any(np.allclose(changed, a, atol=1e-6) for a in allowed)


@pytest.mark.parametrize(
    "wrong", [{"flip": 1.5}, {"flip": -0.1}, {"shift": 0.6}, {"brightness": float("nan")}, {"contrast": 2}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        Augmentation(**wrong)
