"""Stacks and batches: every picture once, the same for one seed, whatever the number of workers."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from twinlens.datasets import ArrayPictures, Augmentation, Sample, SyntheticFood, in_memory
from twinlens.datasets.base import PictureSet
from twinlens.datasets.threads import ahead
from twinlens.errors import DataError


@pytest.fixture
def numbered() -> ArrayPictures:
    """Ten pictures; picture i has the value i / 10 everywhere and the label i."""
    images = np.broadcast_to(np.arange(10, dtype=np.float32)[:, None, None, None] / 10, (10, 3, 4, 5))
    return ArrayPictures(images, labels=range(10), classes=[str(i) for i in range(10)])


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + rng.random(image.shape)


def drain(pictures: PictureSet, **options: object) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(pictures.batches(3, **options))  # type: ignore[arg-type]


def assert_same(one: list[tuple[np.ndarray, np.ndarray]], other: list[tuple[np.ndarray, np.ndarray]]) -> None:
    assert len(one) == len(other)
    for (images, labels), (other_images, other_labels) in zip(one, other, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_batches_go_through_the_set_in_order(numbered: ArrayPictures) -> None:
    batches = drain(numbered)
    assert [len(images) for images, _ in batches] == [3, 3, 3, 1]
    assert np.concatenate([labels for _, labels in batches]).tolist() == list(range(10))
    assert batches[0][0].dtype == np.float32
    assert batches[0][1].dtype == np.int64


def test_shuffled_batches_hold_every_picture_once_with_its_label(numbered: ArrayPictures) -> None:
    batches = drain(numbered, shuffle=True, seed=4)
    labels = np.concatenate([labels for _, labels in batches])
    images = np.concatenate([images for images, _ in batches])
    assert sorted(labels.tolist()) == list(range(10))
    assert labels.tolist() != list(range(10))
    np.testing.assert_allclose(images[:, 0, 0, 0], labels / 10)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_workers_changes_nothing(numbered: ArrayPictures, workers: int) -> None:
    options = {"shuffle": True, "seed": 7, "augment": noisy}
    assert_same(drain(numbered, workers=0, **options), drain(numbered, workers=workers, **options))
    food = SyntheticFood(10, size=32)
    options["augment"] = Augmentation()
    assert_same(drain(food, workers=0, **options), drain(food, workers=workers, **options))


@pytest.mark.parametrize("seed", [3, (3, 1)])
def test_one_seed_gives_the_same_batches_twice(numbered: ArrayPictures, seed: object) -> None:
    options = {"shuffle": True, "seed": seed, "augment": noisy}
    assert_same(drain(numbered, **options), drain(numbered, **options))


def test_seeds_and_epochs_differ_in_order_and_augmentation(numbered: ArrayPictures) -> None:
    seeds = [0, 1, (0, 1), (1, 1), (0, 2)]
    orders = [np.concatenate([y for _, y in drain(numbered, shuffle=True, seed=seed)]).tolist() for seed in seeds]
    assert len({tuple(order) for order in orders}) == len(seeds)
    first = [drain(numbered, seed=seed, augment=noisy)[0][0].tobytes() for seed in seeds]
    assert len(set(first)) == len(seeds)


def test_a_pictures_augmentation_does_not_depend_on_its_place_in_the_order(numbered: ArrayPictures) -> None:
    def by_label(batches: list[tuple[np.ndarray, np.ndarray]]) -> dict[int, bytes]:
        return {int(y): x.tobytes() for images, labels in batches for x, y in zip(images, labels, strict=True)}

    assert by_label(drain(numbered, seed=2, augment=noisy)) == by_label(
        drain(numbered, seed=2, augment=noisy, shuffle=True)
    )


def test_pictures_of_one_batch_are_augmented_differently(numbered: ArrayPictures) -> None:
    images, labels = drain(numbered, augment=noisy)[0]
    noise = images - labels[:, None, None, None].astype(np.float32) / 10
    assert not np.allclose(noise[0], noise[1], atol=1e-3)


def test_a_stack_keeps_the_order_asked_for(numbered: ArrayPictures) -> None:
    images, labels = numbered.stack([7, -1, 0, 7])
    assert labels.tolist() == [7, 9, 0, 7]
    np.testing.assert_allclose(images[:, 2, 3, 4], [0.7, 0.9, 0, 0.7])
    assert numbered.stack(np.array([2]))[1].tolist() == [2]


def test_a_set_can_be_gone_through_picture_by_picture(numbered: ArrayPictures) -> None:
    assert [sample.label for sample in numbered] == list(range(10))
    assert numbered[-2].name == "picture_8"


def test_a_stack_of_nothing_is_refused(numbered: ArrayPictures) -> None:
    with pytest.raises(DataError, match="No picture"):
        numbered.stack([])


@pytest.mark.parametrize("index", [10, -11])
def test_an_index_that_does_not_exist_is_named(numbered: ArrayPictures, index: int) -> None:
    for use in (lambda: numbered[index], lambda: numbered.stack([0, index])):
        with pytest.raises(DataError, match=f"no picture {index}"):
            use()


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"batch_size": 2, "workers": -1},
        {"batch_size": 2, "seed": -1},
        {"batch_size": 2, "seed": "zero"},
        {"batch_size": 2, "seed": (0, -1)},
        {"batch_size": 2, "seed": ()},
    ],
)
def test_wrong_arguments_are_refused_before_the_first_batch(
    numbered: ArrayPictures, arguments: dict[str, object]
) -> None:
    with pytest.raises(DataError):
        numbered.batches(**arguments)  # type: ignore[arg-type]


def test_an_augmentation_that_changes_sizes_unevenly_is_refused(numbered: ArrayPictures) -> None:
    def cut(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return image[:, :, : rng.integers(1, 5)]

    with pytest.raises(DataError, match="differ in size"):
        list(numbered.batches(10, augment=cut))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_worker_arrives_at_the_caller(numbered: ArrayPictures, workers: int) -> None:
    def broken(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        raise ZeroDivisionError("in the augmentation")

    with pytest.raises(ZeroDivisionError, match="in the augmentation"):
        list(numbered.batches(2, augment=broken, workers=workers))


def test_workers_stay_at_most_one_batch_each_ahead() -> None:
    begun: list[int] = []
    gate = threading.Semaphore(0)

    def work(item: int) -> int:
        begun.append(item)
        gate.acquire()
        return item

    results = ahead(work, range(100), workers=2)
    for _ in range(3):
        gate.release()
    assert next(results) == 0
    assert len(begun) <= 4
    for _ in range(100):
        gate.release()
    assert list(results) == list(range(1, 100))


def test_stopping_half_way_ends_the_threads() -> None:
    before = threading.active_count()
    batches = SyntheticFood(60, size=16).batches(2, workers=3)
    next(batches)
    assert threading.active_count() > before
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_set_held_in_memory_is_the_same_set() -> None:
    food = SyntheticFood(13, size=16, seed=2)
    kept = in_memory(food)
    assert (kept.title, kept.classes, kept.names, kept.synthetic) == (food.title, food.classes, food.names, True)
    np.testing.assert_array_equal(kept.labels, food.labels)
    for one, other in zip(kept, food, strict=True):
        assert isinstance(one, Sample)
        assert (one.label, one.name) == (other.label, other.name)
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.mask, other.mask)


def test_arrays_without_labels_or_masks_have_none() -> None:
    pictures = ArrayPictures(np.zeros((2, 3, 4, 4)))
    assert pictures.labels is None
    assert (pictures[0].label, pictures[0].mask) == (None, None)
    assert in_memory(pictures).labels is None
    assert ArrayPictures(np.zeros((2, 3, 4, 4)), labels=[-1, 5])[0].label is None


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"images": np.zeros((2, 4, 4, 3))}, "shape"),
        ({"images": np.zeros((3, 4, 4))}, "shape"),
        ({"images": np.zeros((0, 3, 4, 4))}, "shape"),
        ({"images": np.full((1, 3, 4, 4), 255)}, "outside of 0..1"),
        ({"images": np.full((1, 3, 4, 4), np.nan)}, "NaN"),
        ({"images": np.zeros((2, 3, 4, 4)), "labels": [0]}, "1 labels"),
        ({"images": np.zeros((2, 3, 4, 4)), "names": ["a"]}, "1 names"),
        ({"images": np.zeros((2, 3, 4, 4)), "masks": np.zeros((2, 4, 5), bool)}, "Masks"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments: dict[str, object], cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        ArrayPictures(**arguments)  # type: ignore[arg-type]
