"""Food-11 folders in the layouts and the condition in which people have them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from twinlens.datasets import FOOD11_CLASSES, Food11, food11_splits, in_memory
from twinlens.errors import DataError


def picture(path: Path, value: int = 128, shape: tuple[int, int] = (12, 16)) -> Path:
    """Write a plain picture whose grey value can be recognised after JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*shape, 3), value, np.uint8))
    return path


def corrupt(path: Path, content: bytes = b"not a picture") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


LAYOUTS = [
    ("training", "validation", "testing"),
    ("training", "validation", "evaluation"),
    ("train", "valid", "test"),
    ("train", "val", "test"),
    ("Training", "Validation", "Evaluation"),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("above", ["", "food-11"])
def test_the_parts_are_found_under_their_usual_names(tmp_path: Path, layout: tuple[str, ...], above: str) -> None:
    for label, folder in enumerate(layout):
        picture(tmp_path / above / folder / f"{label}_0.jpg")
    for label, split in enumerate(["training", "validation", "testing"]):
        assert Food11(tmp_path, split).labels.tolist() == [label]
        assert Food11(tmp_path, layout[label].lower()).labels.tolist() == [label]
    assert list(food11_splits(tmp_path)) == ["training", "validation", "testing"]


def test_pictures_are_sorted_by_label_and_then_by_number(tmp_path: Path) -> None:
    names = ["10_2.jpg", "2_10.jpg", "2_9.jpg", "0_100.jpg", "0_20.JPG", "10_1.png"]
    for name in names:
        picture(tmp_path / "training" / name)
    food = Food11(tmp_path)
    assert food.names == ["0_20.JPG", "0_100.jpg", "2_9.jpg", "2_10.jpg", "10_1.png", "10_2.jpg"]
    assert food.labels.tolist() == [0, 0, 2, 2, 10, 10]
    assert food.labels.dtype == np.int64
    assert [sample.label for sample in food] == food.labels.tolist()


def test_the_classes_are_food_11s_in_its_order(tmp_path: Path) -> None:
    picture(tmp_path / "training" / "0_0.jpg")
    food = Food11(tmp_path)
    assert food.classes == list(FOOD11_CLASSES)
    assert len(food.classes) == 11
    assert (food.classes[3], food.classes[6], food.classes[10]) == ("Egg", "Noodles/Pasta", "Vegetable/Fruit")
    assert not food.synthetic


def test_every_picture_comes_as_rgb_of_the_size_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "training" / "4_0.png"
    picture(path, shape=(30, 50))
    bgr = np.zeros((30, 50, 3), np.uint8)
    bgr[:, :25], bgr[:, 25:] = (0, 0, 255), (255, 0, 0)
    cv2.imwrite(str(path), bgr)
    sample = Food11(tmp_path, size=20)[0]
    assert sample.image.shape == (3, 20, 20)
    assert sample.image.dtype == np.float32
    np.testing.assert_array_equal(sample.image[:, 10, 2], [1, 0, 0])
    np.testing.assert_array_equal(sample.image[:, 10, 17], [0, 0, 1])
    assert (sample.label, sample.mask, sample.name) == (4, None, "4_0.png")
    assert Food11(tmp_path, size=None)[0].image.shape == (3, 30, 50)
    assert Food11(tmp_path, size=10, mode="crop")[0].image.shape == (3, 10, 10)


SPELLINGS = {
    0: ["Bread", "bread", "0", "00"],
    1: ["Dairy product", "Dairy_Products", "dairy", "dairy-product"],
    2: ["Dessert", "Desserts"],
    3: ["Egg", "eggs", "3"],
    4: ["Fried food", "FriedFood"[:5], "fried-food"],
    5: ["Meat"],
    6: ["Noodles-Pasta", "Noodles_Pasta", "noodles pasta", "Noodles and Pasta", "Noodles:Pasta", "Pasta", "6"],
    7: ["Rice"],
    8: ["Seafood"],
    9: ["Soup", "soups"],
    10: ["Vegetable-Fruit", "Vegetables_Fruits", "fruit", "10"],
}


@pytest.mark.parametrize(("label", "spelling"), [(label, s) for label, all_ in SPELLINGS.items() for s in all_])
def test_class_folders_give_the_label_by_name_or_number(tmp_path: Path, label: int, spelling: str) -> None:
    picture(tmp_path / "training" / spelling / "IMG_20.jpg")
    food = Food11(tmp_path)
    assert food.labels.tolist() == [label]
    assert food.names == [f"{spelling}/IMG_20.jpg"]


def test_a_slash_in_the_class_name_may_have_become_a_folder_in_a_folder(tmp_path: Path) -> None:
    picture(tmp_path / "training" / "Noodles" / "Pasta" / "1.jpg")
    picture(tmp_path / "training" / "Vegetable" / "Fruit" / "1.jpg")
    assert Food11(tmp_path).labels.tolist() == [6, 10]


def test_class_folders_may_lie_in_a_folder_without_parts(tmp_path: Path) -> None:
    for name in ("Soup", "Egg"):
        for number in (10, 9):
            picture(tmp_path / name / f"{number}.jpg")
    food = Food11(tmp_path)
    assert food.names == ["Egg/9.jpg", "Egg/10.jpg", "Soup/9.jpg", "Soup/10.jpg"]
    assert food.labels.tolist() == [3, 3, 9, 9]


def test_a_test_set_without_labels_has_none(tmp_path: Path) -> None:
    for number in (11, 2, 1):
        picture(tmp_path / "testing" / f"{number:04d}.jpg")
    food = Food11(tmp_path, "test", size=8)
    assert food.labels is None
    assert food.names == ["0001.jpg", "0002.jpg", "0011.jpg"]
    assert food[0].label is None
    assert food.stack([0, 1])[1].tolist() == [-1, -1]


def test_a_flat_folder_of_pictures_is_a_set(tmp_path: Path) -> None:
    picture(tmp_path / "holiday.jpg")
    picture(tmp_path / "birthday.jpeg")
    (tmp_path / "notes.txt").write_text("not listed")
    assert Food11(tmp_path).names == ["birthday.jpeg", "holiday.jpg"]
    assert food11_splits(tmp_path) == {}


def test_a_flat_folder_is_not_taken_for_validation_by_silence(tmp_path: Path) -> None:
    picture(tmp_path / "0_0.jpg")
    with pytest.raises(DataError, match="has no validation part"):
        Food11(tmp_path, "validation")


def test_the_folder_of_one_part_may_be_named_itself(tmp_path: Path) -> None:
    picture(tmp_path / "validation" / "0_0.jpg")
    assert len(Food11(tmp_path / "validation", "val")) == 1
    with pytest.raises(DataError, match="split='validation'"):
        Food11(tmp_path / "validation", "training")


def test_hidden_files_and_leftovers_of_other_systems_are_not_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "training" / "0_0.jpg")
    corrupt(tmp_path / "training" / "._0_0.jpg")
    corrupt(tmp_path / "training" / "Thumbs.db")
    corrupt(tmp_path / "training" / ".ipynb_checkpoints" / "0_0-checkpoint.jpg")
    corrupt(tmp_path / "__MACOSX" / "training" / "0_0.jpg")
    (tmp_path / "training" / "empty_folder").mkdir()
    food = Food11(tmp_path)
    assert food.names == ["0_0.jpg"]
    assert food.skipped == []


# -- pictures that cannot be read ---------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Six pictures, of which three cannot be read for three reasons."""
    folder = tmp_path / "training"
    for label in (0, 2, 4):
        picture(folder / f"{label}_0.jpg", value=label * 30)
    corrupt(folder / "1_0.jpg")
    corrupt(folder / "3_0.jpg", b"")
    (folder / "5_0.jpg").mkdir()
    return tmp_path


def test_stacks_and_batches_skip_what_cannot_be_read_and_keep_images_and_labels_together(damaged: Path) -> None:
    food = Food11(damaged, size=8)
    images, labels = food.stack(range(6))
    assert labels.tolist() == [0, 2, 4]
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)) * 255, [0, 60, 120], atol=2)
    assert [labels.tolist() for _, labels in food.batches(2, workers=0)] == [[0], [2], [4]]
    assert [labels.tolist() for _, labels in food.batches(1)] == [[0], [2], [4]]


def test_what_was_skipped_is_named_once_with_the_reason(damaged: Path) -> None:
    food = Food11(damaged, size=8)
    for _ in range(2):
        list(food.batches(4))
    assert [Path(path).name for path, _ in food.skipped] == ["1_0.jpg", "3_0.jpg", "5_0.jpg"]
    assert [
        word in reason for word, (_, reason) in zip(["not a picture", "empty", "folder"], food.skipped, strict=True)
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_with_a_pictures_name_is_skipped_and_not_waited_for(tmp_path: Path) -> None:
    picture(tmp_path / "training" / "2_0.jpg")
    os.mkfifo(tmp_path / "training" / "2_1.jpg")
    food = Food11(tmp_path, size=8)
    assert len(food.stack(range(2))[1]) == 1
    ((path, reason),) = food.skipped
    assert Path(path).name == "2_1.jpg"
    assert "is a pipe" in reason


def test_asking_for_a_damaged_picture_by_index_raises_either_way(damaged: Path) -> None:
    with pytest.raises(DataError, match=r"1_0\.jpg"):
        Food11(damaged, on_error="skip")[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_on_demand_a_damaged_picture_fails(damaged: Path, workers: int) -> None:
    food = Food11(damaged, size=8, on_error="fail")
    with pytest.raises(DataError, match=r"1_0\.jpg"):
        list(food.batches(2, workers=workers))
    with pytest.raises(DataError, match=r"3_0\.jpg"):
        food.stack([0, 3])
    with pytest.raises(DataError, match=r"1_0\.jpg"):
        food.verify(workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_verifying_takes_damaged_pictures_out_of_the_set(damaged: Path, workers: int) -> None:
    food = Food11(damaged, size=8)
    assert food.verify(workers) == 3
    assert food.names == ["0_0.jpg", "2_0.jpg", "4_0.jpg"]
    assert [path.name for path in food.paths] == food.names
    assert food.labels.tolist() == [0, 2, 4]
    assert food[1].label == 2


def test_held_in_memory_the_damaged_ones_are_gone(damaged: Path) -> None:
    kept = in_memory(Food11(damaged, size=8))
    assert kept.names == ["0_0.jpg", "2_0.jpg", "4_0.jpg"]
    assert kept.labels.tolist() == [0, 2, 4]


def test_a_set_of_which_nothing_can_be_read_says_so(tmp_path: Path) -> None:
    corrupt(tmp_path / "training" / "0_0.jpg")
    corrupt(tmp_path / "training" / "1_0.jpg")
    for use in (lambda f: f.stack([0, 1]), lambda f: list(f.batches(1)), lambda f: f.verify(), in_memory):
        with pytest.raises(DataError, match=r"No picture of .*0_0\.jpg"):
            use(Food11(tmp_path, size=8))


def test_a_picture_without_label_among_labelled_ones_is_skipped_or_fails(tmp_path: Path) -> None:
    picture(tmp_path / "training" / "0_0.jpg")
    picture(tmp_path / "training" / "cover.jpg")
    food = Food11(tmp_path)
    assert food.names == ["0_0.jpg"]
    assert "no label" in food.skipped[0][1]
    with pytest.raises(DataError, match=r"cover\.jpg"):
        Food11(tmp_path, on_error="fail")


# -- folders that cannot be used ----------------------------------------------------------------------------------


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    assert error.value.cure
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist") as error:
        Food11(tmp_path / "nowhere")
    assert "nowhere" in one_line(error)


def test_a_file_is_not_a_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        Food11(picture(tmp_path / "0_0.jpg"))


def test_a_missing_part_lists_those_that_exist(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "0_0.jpg")
    picture(tmp_path / "evaluation" / "0_0.jpg")
    with pytest.raises(DataError, match="no validation part") as error:
        Food11(tmp_path, "validation")
    assert "training" in one_line(error)
    assert "testing" in one_line(error)


@pytest.mark.parametrize("inside", [None, "readme.txt"])
def test_a_folder_without_pictures_is_refused(tmp_path: Path, inside: str | None) -> None:
    (tmp_path / "training").mkdir()
    if inside:
        (tmp_path / "training" / inside).write_text("hello")
    with pytest.raises(DataError, match="no picture") as error:
        Food11(tmp_path)
    assert (inside or "nothing") in one_line(error)


@pytest.mark.parametrize("name", ["11_0.jpg", "99_3.jpg", "11/a.jpg"])
def test_a_label_that_food_11_does_not_have_is_refused(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "training" / name)
    with pytest.raises(DataError, match="labels 0 to 10") as error:
        Food11(tmp_path)
    assert name.split("/")[0] in one_line(error)


@pytest.mark.parametrize("name", ["Pizza", "food", "images", "misc and"])
def test_a_folder_of_pictures_that_is_no_class_is_refused(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "training" / name / "a.jpg")
    with pytest.raises(DataError, match="no class of Food-11") as error:
        Food11(tmp_path)
    assert name in one_line(error)


def test_two_folders_for_one_part_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "0_0.jpg")
    picture(tmp_path / "training" / "0_0.jpg")
    with pytest.raises(DataError, match="both mean the training part"):
        Food11(tmp_path)


def test_two_data_sets_in_one_folder_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "food-11" / "train" / "0_0.jpg")
    picture(tmp_path / "food-11-copy" / "train" / "0_0.jpg")
    with pytest.raises(DataError, match="several data sets: food-11, food-11-copy"):
        Food11(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"split": "trainign"}, "Split 'trainign'"),
        ({"size": 0}, "size"),
        ({"mode": "squash"}, "squash"),
        ({"on_error": "ignore"}, "ignore"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, arguments: dict[str, object], cause: str) -> None:
    picture(tmp_path / "training" / "0_0.jpg")
    with pytest.raises(DataError, match=cause):
        Food11(tmp_path, **arguments)  # type: ignore[arg-type]


def test_pictures_of_different_sizes_cannot_be_stacked(tmp_path: Path) -> None:
    picture(tmp_path / "training" / "0_0.jpg", shape=(8, 8))
    picture(tmp_path / "training" / "0_1.jpg", shape=(8, 9))
    with pytest.raises(DataError, match="differ in size") as error:
        Food11(tmp_path, size=None).stack([0, 1])
    assert "size=" in one_line(error)


FOOD_PHOTOS = os.environ.get("TWINLENS_FOOD_PHOTOS")


@pytest.mark.skipif(not FOOD_PHOTOS, reason="set TWINLENS_FOOD_PHOTOS to a Food-11 folder of real photographs")
@pytest.mark.parametrize("split", ["training", "validation", "testing"])
def test_real_photographs_are_read_whole(split: str) -> None:
    assert FOOD_PHOTOS is not None
    food = Food11(FOOD_PHOTOS, split, size=32, on_error="fail")
    read = [(images, labels) for images, labels in food.batches(16)]
    images, labels = (np.concatenate(part) for part in zip(*read, strict=True))
    assert images.shape == (len(food), 3, 32, 32)
    np.testing.assert_array_equal(labels, food.labels)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std(axis=(1, 2, 3)).min() > 0.01
