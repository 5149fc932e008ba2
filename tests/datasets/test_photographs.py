"""Real photographs, and files that the user names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from twinlens.datasets import PHOTOGRAPHS, PictureFiles, photographs, read_image
from twinlens.errors import DataError, MissingPackageError

needs_skimage = pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed")


@needs_skimage
def test_the_cat_and_the_coffee_are_scikit_images_own() -> None:
    data = pytest.importorskip("skimage.data")
    whole = photographs(size=None)
    for sample, original in zip(whole, (data.chelsea(), data.coffee()), strict=True):
        np.testing.assert_allclose(sample.image, original.transpose(2, 0, 1) / 255, atol=1e-6)


@needs_skimage
def test_the_photographs_carry_imagenet_labels_and_are_not_synthetic() -> None:
    pictures = photographs(96)
    assert pictures.names == list(PHOTOGRAPHS)
    assert pictures.labels.tolist() == [282, 967]
    assert all(label in fitting for label, fitting in zip(pictures.labels, PHOTOGRAPHS.values(), strict=True))
    assert pictures.stack([0, 1])[0].shape == (2, 3, 96, 96)
    assert not pictures.synthetic


def test_a_missing_scikit_image_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(MissingPackageError, match="pip install scikit-image"):
        photographs()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "b.png", tmp_path / "a.png"]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.random.default_rng(i).integers(0, 256, (20 + i, 40, 3)).astype(np.uint8))
    return paths


def test_named_files_keep_their_order_and_are_cropped(files: list[Path]) -> None:
    pictures = PictureFiles(files, size=16)
    assert pictures.names == ["b.png", "a.png"]
    assert pictures.labels is None
    for sample, path in zip(pictures, files, strict=True):
        np.testing.assert_array_equal(sample.image, read_image(path, 16, "crop"))
        assert sample.label is None


def test_named_files_may_have_labels_and_classes(files: list[Path]) -> None:
    pictures = PictureFiles([str(path) for path in files], 8, "stretch", labels=[1, -1], classes=["no", "yes"])
    assert [sample.label for sample in pictures] == [1, None]
    assert pictures.classes == ["no", "yes"]
    np.testing.assert_array_equal(pictures[0].image, read_image(files[0], 8, "stretch"))


def test_a_file_that_went_bad_raises_when_it_is_read(files: list[Path]) -> None:
    files[1].write_bytes(b"")
    pictures = PictureFiles(files, 8)
    assert pictures[0].image.shape == (3, 8, 8)
    with pytest.raises(DataError, match=r"a\.png"):
        pictures.stack([0, 1])


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda files: PictureFiles([]), "No picture"),
        (lambda files: PictureFiles(files[0]), "one path"),
        (lambda files: PictureFiles(str(files[0])), "one path"),
        (lambda files: PictureFiles([files[0], files[0].parent]), "not a file"),
        (lambda files: PictureFiles([files[0].parent / "none.png"]), "none.png"),
        (lambda files: PictureFiles(files, labels=[1]), "1 labels"),
        (lambda files: PictureFiles(files, size=-1), "-1"),
        (lambda files: PictureFiles(files, mode="fit"), "fit"),
    ],
)
def test_wrong_files_and_options_are_refused(files: list[Path], make: object, cause: str) -> None:
    with pytest.raises(DataError, match=cause) as error:
        make(files)  # type: ignore[operator]
    assert error.value.cure
