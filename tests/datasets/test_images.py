"""Picture files of any kind become RGB float32 pictures, or one line that says why not."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from twinlens.datasets import read_image, resize
from twinlens.errors import DataError

Image = pytest.importorskip("PIL.Image", reason="Pillow writes the odd files")


@pytest.fixture
def smooth() -> np.ndarray:
    """Colours that JPEG keeps to within a few steps and that differ in each corner; shape (40, 60, 3), uint8."""
    y, x = np.mgrid[0:40, 0:60]
    return np.stack([x * 4, y * 6, 250 - x * 2 - y * 2], axis=2).astype(np.uint8)


def chw(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(2, 0, 1).astype(np.float32) / np.iinfo(pixels.dtype).max


def test_a_png_comes_back_exactly_as_rgb_between_0_and_1(tmp_path: Path, smooth: np.ndarray) -> None:
    Image.fromarray(smooth).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, chw(smooth))


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "webp", "tif", "gif"])
def test_other_formats_come_back_nearly_the_same(tmp_path: Path, smooth: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(smooth).save(path, quality=95)
    np.testing.assert_allclose(read_image(path).mean(axis=(1, 2)), chw(smooth).mean(axis=(1, 2)), atol=0.03)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_grey_picture_has_three_equal_channels(tmp_path: Path, smooth: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"grey.{suffix}"
    Image.fromarray(smooth[:, :, 0]).save(path, quality=98)
    image = read_image(path)
    assert image.shape == (3, 40, 60)
    np.testing.assert_array_equal(image[0], image[1])
    np.testing.assert_array_equal(image[0], image[2])
    np.testing.assert_allclose(image[0], smooth[:, :, 0] / 255, atol=0.03)


def test_black_and_white_and_palette_pictures_are_read(tmp_path: Path, smooth: np.ndarray) -> None:
    Image.fromarray(smooth[:, :, 0] > 100).save(tmp_path / "one_bit.png")
    np.testing.assert_array_equal(read_image(tmp_path / "one_bit.png")[1], (smooth[:, :, 0] > 100).astype(np.float32))
    palette = Image.fromarray(smooth).quantize(64)
    palette.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png"), chw(np.asarray(palette.convert("RGB"))))


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_alpha_is_laid_on_white(tmp_path: Path, smooth: np.ndarray, suffix: str) -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[:, 20:40], alpha[:, 40:] = 128, 255
    Image.fromarray(np.dstack([smooth, alpha])).save(tmp_path / f"a.{suffix}", lossless=True)
    share = alpha[None] / 255
    np.testing.assert_allclose(
        read_image(tmp_path / f"a.{suffix}"), chw(smooth) * share + 1 - share, atol=0.5 / 255 + 1e-6
    )


def test_grey_with_alpha_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((5, 6, 2), np.uint8)
    pixels[2:, :, 1] = 255
    Image.fromarray(pixels, "LA").save(tmp_path / "la.png")
    expected = np.ones((3, 5, 6))
    expected[:, 2:] = 0
    np.testing.assert_array_equal(read_image(tmp_path / "la.png"), expected)


def test_a_cmyk_jpeg_becomes_the_rgb_that_pillow_makes_of_it(tmp_path: Path, smooth: np.ndarray) -> None:
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(smooth).convert("CMYK").save(path, quality=98)
    with Image.open(path) as opened:
        assert opened.mode == "CMYK"
        expected = chw(np.asarray(opened.convert("RGB")))
    np.testing.assert_allclose(read_image(path), expected, atol=3 / 255)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_keep_their_precision(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (7, 9, channels)).astype(np.uint16)
    if channels == 4:
        pixels[:, :, 3] = 65535
    cv2.imwrite(str(tmp_path / "deep.png"), pixels)
    expected = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels[:, :, 2::-1]
    np.testing.assert_allclose(read_image(tmp_path / "deep.png"), chw(expected), atol=1e-6)


# What EXIF orientation k says must be done to the stored pixels to show them upright.
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_exif_orientation_is_applied(tmp_path: Path, smooth: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(smooth).save(tmp_path / "turned.jpg", quality=98, exif=exif)
    np.testing.assert_allclose(read_image(tmp_path / "turned.jpg"), chw(UPRIGHT[orientation](smooth)), atol=0.05)
    Image.fromarray(smooth).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), chw(UPRIGHT[orientation](smooth)))


@pytest.mark.parametrize("name", ["crème brûlée.png", "面条.png", "суп 🍲.png", "with space (1).png"])
def test_any_characters_may_be_in_the_path(tmp_path: Path, smooth: np.ndarray, name: str) -> None:
    folder = tmp_path / "餐"
    folder.mkdir()
    Image.fromarray(smooth).save(folder / name)
    np.testing.assert_array_equal(read_image(str(folder / name)), chw(smooth))


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (300, 2), (200, 333)])
@pytest.mark.parametrize("mode", ["stretch", "crop"])
def test_any_size_becomes_the_size_asked_for(tmp_path: Path, shape: tuple[int, int], mode: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((*shape, 3), 77, np.uint8))
    image = read_image(tmp_path / "a.png", size=32, mode=mode)
    np.testing.assert_array_equal(image, np.full((3, 32, 32), np.float32(77 / 255)))


def test_shrinking_by_a_whole_number_averages_blocks(rng: np.random.Generator) -> None:
    image = rng.random((3, 32, 48), np.float32)
    expected = image.reshape(3, 8, 4, 8, 6).mean(axis=(2, 4))
    np.testing.assert_allclose(resize(image, 8), expected, atol=1e-6)


def test_cropping_keeps_the_central_square(rng: np.random.Generator) -> None:
    image = rng.random((3, 20, 50), np.float32)
    np.testing.assert_array_equal(resize(image, 20, "crop"), image[:, :, 15:35])
    np.testing.assert_array_equal(resize(image.transpose(0, 2, 1), 20, "crop"), image.transpose(0, 2, 1)[:, 15:35])


def test_one_channel_stays_one_channel(rng: np.random.Generator) -> None:
    assert resize(rng.random((1, 9, 9)), 4).shape == (1, 4, 4)


def test_resizing_a_file_agrees_with_resizing_its_picture(tmp_path: Path, smooth: np.ndarray) -> None:
    Image.fromarray(smooth).save(tmp_path / "a.png")
    for mode in ("stretch", "crop"):
        from_file = read_image(tmp_path / "a.png", 16, mode)
        np.testing.assert_allclose(from_file, resize(chw(smooth), 16, mode), atol=0.51 / 255)


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def write_bad(folder: Path, kind: str) -> Path:
    good = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))[1].tobytes()
    png = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8))[1].tobytes()
    path = folder / "3_1.jpg"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        content = {
            "empty": b"",
            "text": b"<html>404 Not Found</html>",
            "cut jpeg": good[: len(good) // 2],
            "jpeg without its last byte": good[:-1],
            "jpeg header": good[:20],
            "cut png": png[: len(png) // 2],
            "png signature": png[:8],
            "cut webp": cv2.imencode(".webp", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:-4],
            "noise": np.random.default_rng(1).bytes(500),
        }[kind]
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("missing", "does not exist"),
        ("folder", "is a folder"),
        pytest.param("pipe", "is a pipe", marks=needs_pipes),
        ("empty", "is empty"),
        ("text", "not a picture"),
        ("noise", "not a picture"),
        ("cut jpeg", "cut short"),
        ("jpeg without its last byte", "cut short"),
        ("jpeg header", "cut short"),
        ("cut png", "cut short"),
        ("png signature", "cut short"),
        ("cut webp", "cut short"),
    ],
)
def test_a_bad_file_is_named_with_cause_and_cure(tmp_path: Path, kind: str, cause: str) -> None:
    path = write_bad(tmp_path, kind)
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert cause in caught.value.cause
    assert str(path) in caught.value.cause
    assert caught.value.cure
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".tif"])
def test_opencv_prints_nothing_of_its_own(
    tmp_path: Path, smooth: np.ndarray, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = cv2.imencode(suffix, smooth)[1].tobytes()
    (tmp_path / f"cut{suffix}").write_bytes(whole[: len(whole) // 4])
    before = cv2.utils.logging.getLogLevel()
    with pytest.raises(DataError, match="is damaged"):
        read_image(tmp_path / f"cut{suffix}")
    assert capfd.readouterr().err == ""
    assert cv2.utils.logging.getLogLevel() == before


def test_a_cut_jpeg_is_seen_in_spite_of_its_thumbnail(tmp_path: Path, smooth: np.ndarray) -> None:
    whole = cv2.imencode(".jpg", smooth)[1].tobytes()
    segment = b"Exif\0\0" + whole
    data = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + whole[2:]
    (tmp_path / "whole.jpg").write_bytes(data)
    assert read_image(tmp_path / "whole.jpg").shape == (3, 40, 60)
    (tmp_path / "cut.jpg").write_bytes(data[:-30])
    with pytest.raises(DataError, match="cut short"):
        read_image(tmp_path / "cut.jpg")


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path, smooth: np.ndarray) -> None:
    (tmp_path / "a.jpg").write_bytes(cv2.imencode(".jpg", smooth)[1].tobytes() + b"trailing bytes of a camera")
    assert read_image(tmp_path / "a.jpg").shape == (3, 40, 60)


def test_a_picture_too_large_for_opencv_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 2**20, 2**20, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "huge.png").write_bytes(data)
    with pytest.raises(DataError, match=r"huge\.png"):
        read_image(tmp_path / "huge.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        read_image(path)


@pytest.mark.parametrize("size", [0, -3, 2.5, "128", True])
def test_a_size_that_is_no_number_of_pixels_is_refused(tmp_path: Path, size: object) -> None:
    with pytest.raises(DataError, match="size"):
        read_image(tmp_path / "not_even_looked_at.png", size)  # type: ignore[arg-type]


def test_an_unknown_mode_is_refused_with_a_suggestion() -> None:
    with pytest.raises(DataError, match="Did you mean 'stretch'"):
        resize(np.zeros((3, 4, 4)), 2, "strech")  # type: ignore[arg-type]


def test_something_that_is_no_picture_cannot_be_resized() -> None:
    with pytest.raises(DataError, match="shape"):
        resize(np.zeros((4, 4)), 2)


def test_a_missing_opencv_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens.errors import MissingPackageError

    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingPackageError, match="pip install opencv-python"):
        resize(np.zeros((3, 4, 4)), 2)
