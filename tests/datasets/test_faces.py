"""Faces are found where they are, in upright pixels, and cut out as squares."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage
from PIL import Image

from twinlens.datasets import faces
from twinlens.datasets.faces import Box, around, find_faces
from twinlens.datasets.frames import frames
from twinlens.datasets.images import read_image
from twinlens.errors import DataError, MissingPackageError

DATA = Path(skimage.__file__).parent / "data"
ORIENTATION = 0x0112


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    common = max(0, width) * max(0, height)
    return common / (a.area + b.area - common)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return read_image(DATA / "astronaut.png")


def test_the_face_of_the_astronaut_is_found(astronaut: np.ndarray) -> None:
    # Eyes and mouth, read off the photograph, lie in it; the helmet does not.
    (box,) = find_faces(astronaut)
    for x, y in ((207, 101), (241, 102), (226, 142)):
        assert box.left < x < box.left + box.width
        assert box.top < y < box.top + box.height
    assert box.top + box.height < 200


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png", "rocket.jpg", "coins.png"])
def test_things_and_animals_are_no_faces(name: str) -> None:
    assert find_faces(read_image(DATA / name)) == []


def test_small_photographs_of_faces_are_told_from_others() -> None:
    small = np.load(DATA / "lfw_subset.npy")
    found = []
    for grey in small:
        enlarged = cv2.resize(grey.astype(np.float32), (100, 100), interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(enlarged, 30, 30, 30, 30, cv2.BORDER_REPLICATE)
        found.append(bool(find_faces(np.repeat(framed[None], 3, axis=0))))
    assert np.mean(found[:100]) >= 0.9
    assert np.mean(found[100:]) <= 0.05


def test_several_faces_come_the_largest_first(astronaut: np.ndarray) -> None:
    large = np.concatenate([astronaut, np.zeros((3, 88, 512), np.float32)], axis=1)
    small = cv2.resize(np.moveaxis(astronaut, 0, -1), (300, 300), interpolation=cv2.INTER_AREA)
    both = np.concatenate([np.zeros((3, 600, 300), np.float32), large], axis=2)
    both[:, 300:, :300] = np.moveaxis(small, -1, 0)
    (alone,) = find_faces(astronaut)
    first, second = find_faces(both)
    assert first.area > second.area
    assert overlap(first, Box(alone.left + 300, alone.top, alone.width, alone.height)) > 0.7
    shrunk = Box(*(round(number * 300 / 512) for number in alone.as_list()))
    assert overlap(second, Box(shrunk.left, shrunk.top + 300, shrunk.width, shrunk.height)) > 0.6


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_box_of_a_turned_camera_is_that_of_the_upright_picture(orientation: int, tmp_path: Path) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    with Image.open(DATA / "astronaut.png") as upright:
        upright.convert("RGB").crop((0, 0, 512, 400)).save(tmp_path / "upright.jpg", quality=95)
        upright.convert("RGB").crop((0, 0, 512, 400)).transpose(turned).save(
            tmp_path / "turned.jpg", quality=95, exif=exif
        )
    expected, found = (find_faces(read_image(tmp_path / name)) for name in ("upright.jpg", "turned.jpg"))
    assert len(expected) == len(found) == 1
    assert overlap(expected[0], found[0]) > 0.85


def test_large_photographs_are_searched_small_and_the_box_is_in_their_own_pixels(astronaut: np.ndarray) -> None:
    large = np.moveaxis(cv2.resize(np.moveaxis(astronaut, 0, -1), (3072, 3072)), -1, 0)
    (alone,), (found,) = find_faces(astronaut), find_faces(large)
    assert overlap(found, Box(*(6 * number for number in alone.as_list()))) > 0.75


def test_the_square_around_a_box_lies_within_the_picture_and_holds_the_margin() -> None:
    picture = np.zeros((3, 100, 80))
    assert around(Box(30, 40, 20, 20), picture) == Box(30, 40, 20, 20)
    assert around(Box(30, 40, 20, 20), picture, 0.5) == Box(20, 30, 40, 40)
    assert around(Box(0, 0, 20, 20), picture, 0.5) == Box(0, 0, 40, 40)
    assert around(Box(60, 80, 20, 20), picture, 0.5) == Box(40, 60, 40, 40)
    assert around(Box(10, 10, 60, 60), picture, 2) == Box(0, 0, 80, 80)
    assert around(Box(30, 40, 10, 20), picture) == Box(25, 40, 20, 20)


def test_a_box_cuts_out_its_pixels() -> None:
    picture = np.arange(300.0).reshape(3, 10, 10)
    np.testing.assert_array_equal(Box(2, 3, 4, 5).cut(picture), picture[:, 3:8, 2:6])


@pytest.mark.parametrize("margin", [-0.1, float("nan"), 11])
def test_a_margin_that_is_none_is_refused(margin: float) -> None:
    with pytest.raises(DataError, match="margin of"):
        around(Box(0, 0, 2, 2), np.zeros((3, 4, 4)), margin)


def test_only_colour_pictures_are_searched() -> None:
    with pytest.raises(DataError, match=r"\(1, 8, 8\)"):
        find_faces(np.zeros((1, 8, 8), np.float32))


def test_an_opencv_without_the_detector_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = SimpleNamespace(__version__="5.0", data=SimpleNamespace(haarcascades=str(tmp_path)))
    monkeypatch.setattr(faces, "require", lambda *names: bare)
    faces._cascade.cache_clear()
    with pytest.raises(MissingPackageError, match=r"OpenCV 5\.0.*alt2.*pip install"):
        faces._cascade()


def test_frames_of_animations_and_pages_are_counted(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 100, 200)]
    for name in ("a.gif", "a.webp", "a.tif"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
        assert frames(tmp_path / name) == 3
    pictures[0].save(tmp_path / "one.png")
    pictures[0].save(tmp_path / "one.jpg")
    assert frames(tmp_path / "one.png") == frames(tmp_path / "one.jpg") == 1
