"""Arrays of a student are read without trusting a byte."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import socket
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from twinlens.grading.sandbox import BadOutput, npz_bytes, read_outputs


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode("latin1").ljust(118 - 1) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text + data


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return stream.getvalue()


def read(folder: Path, content: bytes, names: tuple[str, ...] = ("y",), max_mb: float = 1) -> dict[str, np.ndarray]:
    (folder / "outputs.npz").write_bytes(content)
    return read_outputs(folder / "outputs.npz", names, max_mb)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4", "i1", "i8", ">i2", "u4", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers_come_back_as_they_were(tmp_path: Path, kind: str, order: str) -> None:
    y = np.array((np.arange(24).reshape(2, 3, 4) % 7).astype(kind), order=order)
    got = read(tmp_path, npz_bytes({"y": y, "z": y[0]}), ("z", "y"))
    assert list(got) == ["z", "y"]
    np.testing.assert_array_equal(got["y"], y)
    np.testing.assert_array_equal(got["z"], y[0])
    assert got["y"].dtype == y.dtype.newbyteorder("=")
    got["y"][0] = 0  # may be written


def test_compressed_archives_are_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, y=np.ones(5))
    np.testing.assert_array_equal(read(tmp_path, stream.getvalue())["y"], np.ones(5))


@pytest.mark.parametrize(
    "y", [np.array(3.0), np.zeros((0, 3)), np.array([np.nan, np.inf])], ids=["scalar", "empty", "nan"]
)
def test_odd_values_are_left_to_the_scoring(tmp_path: Path, y: np.ndarray) -> None:
    np.testing.assert_array_equal(read(tmp_path, npz_bytes({"y": y}))["y"], y)


BOMB = archive(
    {"y.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (100000000,), }") + bytes(4 * 10**7)}, 8
)
GOOD = npz_bytes({"y": np.arange(4.0)})
SAID = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }"
HOSTILE = {
    "more than is said, unpacked": BOMB,
    "objects": npz_bytes({"y": np.array([{"a": 1}, None], dtype=object)}),
    "a pickle": pickle.dumps({"y": 1}),
    "a pickle in the archive": archive({"y.npy": pickle.dumps([1])}),
    "structured": npz_bytes({"y": np.zeros(3, dtype=[("a", "f4")])}),
    "text": npz_bytes({"y": np.array(["a", "b"])}),
    "bytes": npz_bytes({"y": np.array([b"a"])}),
    "dates": npz_bytes({"y": np.array(["2020-01-01"], dtype="M8[D]")}),
    "complex": npz_bytes({"y": np.ones(2, dtype=complex)}),
    "long double": npz_bytes({"y": np.ones(2, dtype=np.longdouble)}),
    "void": npz_bytes({"y": np.zeros(3, dtype="V4")}),
    "another name": npz_bytes({"z": np.ones(1)}),
    "one too many": npz_bytes({"y": np.ones(1), "z": np.ones(1)}),
    "none": npz_bytes({}),
    "a path": archive({"../y.npy": npy(SAID % ("<f4", "(0,)"))}),
    "a folder": archive({"y.npy/": b""}),
    "shape too large": archive({"y.npy": npy(SAID % ("<f4", "(99999999999999,)"), bytes(16))}),
    "shape that overflows": archive({"y.npy": npy(SAID % ("<f8", "(4294967296, 4294967296)"), b"")}),
    "shape too small": archive({"y.npy": npy(SAID % ("<f4", "(2,)"), bytes(16))}),
    "negative": archive({"y.npy": npy(SAID % ("<f4", "(-2, -2)"), bytes(16))}),
    "shape of booleans": archive({"y.npy": npy(SAID % ("<f4", "(True, 4)"), bytes(16))}),
    "shape of floats": archive({"y.npy": npy(SAID % ("<f4", "(4.0,)"), bytes(16))}),
    "too many dimensions": npz_bytes({"y": np.ones((1,) * 20)}),
    "nested header": archive({"y.npy": npy("(" * 110)}),
    "header that is code": archive({"y.npy": npy("__import__('os').abort()")}),
    "subarray": archive({"y.npy": npy(SAID.replace("'%s'", "('<f4', (2,))") % "(1,)", bytes(8))}),
    "version three": archive({"y.npy": npy(SAID % ("<f4", "(0,)"), b"", (3, 0))}),
    "no array": archive({"y.npy": b"hello"}),
    "empty": b"",
    "cut off": GOOD[:-30],
    "cut in the data": GOOD[:90] + GOOD[120:],
    "changed data": GOOD.replace(np.float64(2).tobytes(), np.float64(3).tobytes()),
    "something behind": GOOD + b"#!/bin/sh\n",
    "something before": b"#!/bin/sh\n" + GOOD,
    "only an end": b"PK\x05\x06" + bytes(18),
    "encrypted": (lambda at: GOOD[:at] + b"\x01" + GOOD[at + 1 :])(GOOD.index(b"PK\x01\x02") + 8),
    "too large a file": npz_bytes({"y": np.ones(200_000)}),
    "random": np.random.default_rng(0).bytes(5000),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_all_else_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadOutput) as caught:
        read(tmp_path, content)
    assert caught.value.reason.endswith(".")
    assert "\n" not in caught.value.reason


def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        target.writestr("y.npy", npy(SAID % ("<f4", "(0,)")))
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("y.npy", npy(SAID % ("<f4", "(0,)")))
    with pytest.raises(BadOutput, match="twice"):
        read(tmp_path, stream.getvalue())


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_archive_never_does_more_than_be_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(npz_bytes({"y": np.arange(40.0)}))
    for place in rng.integers(0, len(content), 3):
        content[place] = rng.integers(0, 256)
    with contextlib.suppress(BadOutput):
        assert read(tmp_path, bytes(content))["y"].nbytes <= 1 << 20


def test_without_a_file_there_is_no_bad_output_but_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_outputs(tmp_path / "outputs.npz", ["y"], 1)


def make_link(path: Path) -> None:
    (path.parent / "other").write_bytes(GOOD)
    path.symlink_to("other")


def make_second_name(path: Path) -> None:
    (path.parent / "other").write_bytes(GOOD)
    os.link(path.parent / "other", path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(here)


@pytest.mark.parametrize(
    "make",
    [make_link, make_second_name, make_socket, os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")],
    ids=["link", "second name", "socket", "pipe", "folder", "device"],
)
def test_only_an_ordinary_file_of_its_own_is_opened(tmp_path: Path, make: object) -> None:
    make(tmp_path / "outputs.npz")  # type: ignore[operator]
    with pytest.raises(BadOutput, match="ordinary file"):
        read_outputs(tmp_path / "outputs.npz", ["y"], 1)


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "outputs.npz").write_bytes(GOOD)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(BadOutput):
        read_outputs(tmp_path / "link" / "outputs.npz", ["y"], 1)


def test_a_file_of_another_account_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outputs.npz").write_bytes(GOOD)
    with pytest.raises(BadOutput, match="somebody else"):
        read_outputs(tmp_path / "outputs.npz", ["y"], 1, owners=[os.geteuid() + 1])
