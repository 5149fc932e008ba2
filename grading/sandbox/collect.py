"""Arrays written by a student's process, read without trusting a byte of them."""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

POSIX = os.name == "posix"
_MIB = 1 << 20
_MOST_DIMENSIONS = 8
_LONGEST_HEADER = 4096
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"


class BadOutput(ValueError):  # noqa: N818
    """The file is not an archive of the arrays that were asked for.

    Parameters
    ----------
    reason : str
        For the student; holds nothing that the file says but the names asked for.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def read_outputs(
    path: str | Path, names: Sequence[str], max_mb: float, owners: Sequence[int] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an ``.npz`` file that may be an attack.

    Parameters
    ----------
    path : path
        The file; its folder must not be a link.
    names : sequence of str
        The arrays that it has to hold: these and no others.
    max_mb : float
        Most of the file, and of its arrays together, in MiB.
    owners : sequence of int, optional
        Accounts that may own it: this one unless others are given.

    Returns
    -------
    dict of str to ndarray
        Of booleans, integers or floats of at most 64 bits, in this machine's byte order. They may hold NaN, be
        empty or of any shape: that is for the scoring to judge.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    BadOutput
        With the reason, for everything else.
    """
    most = int(max_mb * _MIB)
    content = read_regular_file(path, most, owners)
    try:
        return _read_archive(content, names, most)
    except BadOutput:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's header parser have many ways to say no
        raise BadOutput("The outputs are not a whole .npz file.") from error


def read_regular_file(path: str | Path, most: int, owners: Sequence[int] | None = None) -> bytes:
    """The content of a file that must be one: no link, pipe, device, folder, nor anybody else's.

    Raises
    ------
    FileNotFoundError
        If there is none.
    BadOutput
        With the reason.
    """
    path = Path(path)
    try:
        descriptor = _open(path)
    except FileNotFoundError:
        raise
    except OSError as error:  # a link, a socket, a device without a driver, a file that may not be read
        raise BadOutput("The outputs are not an ordinary file.") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise BadOutput("The outputs are not an ordinary file.")
        if POSIX and found.st_uid not in (owners or (os.geteuid(),)):
            raise BadOutput("The outputs are somebody else's file.")
        if found.st_size > most:
            raise BadOutput(f"The outputs are larger than {most / _MIB:g} MiB.")
        content = bytearray()
        while chunk := os.read(descriptor, min(_MIB, most + 1 - len(content))):
            content += chunk
            if len(content) > most:
                raise BadOutput(f"The outputs are larger than {most / _MIB:g} MiB.")
        return bytes(content)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    if not POSIX:
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    folder = os.open(path.parent, flags | os.O_DIRECTORY)
    try:
        return os.open(path.name, flags | os.O_NOCTTY, dir_fd=folder)
    finally:
        os.close(folder)


def _read_archive(content: bytes, names: Sequence[str], most: int) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        _check_members(content, members, names)
        if sum(member.file_size for member in members) > most:
            raise BadOutput(f"The arrays are larger than {most / _MIB:g} MiB.")
        return {name: _read_array(archive, f"{name}.npy", name) for name in names}


def _check_members(content: bytes, members: Sequence[zipfile.ZipInfo], names: Sequence[str]) -> None:
    found = sorted(member.filename for member in members)
    if found != sorted(f"{name}.npy" for name in names):
        known = {f"{name}.npy" for name in names}
        missing = sorted(name for name in names if f"{name}.npy" not in found)
        what = f"'{missing[0]}' is missing" if missing else "there are others" if set(found) - known else "one is twice"
        raise BadOutput(f"The outputs must be {', '.join(repr(name) for name in names)}: {what}.")
    if any(member.flag_bits & 1 or member.compress_type not in (0, 8) for member in members):
        raise BadOutput("The outputs are packed in a way that NumPy does not use.")
    mark, *_, length, start, comment = _END.unpack(content[-_END.size :])
    in_order = sorted(member.header_offset for member in members)
    if mark != _END_MARK or comment or start + length + _END.size != len(content) or in_order[:1] not in ([], [0]):
        raise BadOutput("The outputs hold more than arrays.")
    if sum(member.compress_size for member in members) > len(content) or len(set(in_order)) != len(in_order):
        raise BadOutput("The outputs are not a whole .npz file.")


def _read_array(archive: zipfile.ZipFile, member: str, name: str) -> npt.NDArray[Any]:
    size = archive.getinfo(member).file_size
    with archive.open(member) as packed:
        content = packed.read(size + 1)  # reads to the end: the checksum is compared there
    if len(content) != size:
        raise BadOutput(f"'{name}' is cut off.")
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise BadOutput(f"'{name}' is not an array that NumPy wrote.")
    shape, fortran, kind = read_header(stream, max_header_size=_LONGEST_HEADER)
    _check_kind(name, kind)
    if len(shape) > _MOST_DIMENSIONS or any(type(length) is not int or length < 0 for length in shape):
        raise BadOutput(f"'{name}' has an impossible shape.")
    data = content[stream.tell() :]
    if math.prod(shape) * kind.itemsize != len(data):  # exact integers: nothing is allocated by what a header says
        raise BadOutput(f"'{name}' does not hold as many numbers as it says.")
    flat = np.frombuffer(data, kind).astype(kind.newbyteorder("="))
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _check_kind(name: str, kind: np.dtype[Any]) -> None:
    if kind.hasobject:
        raise BadOutput(f"'{name}' holds Python objects; give an array of numbers.")
    if kind.kind not in "biuf" or kind.fields is not None or kind.subdtype is not None or kind.itemsize > 8:
        raise BadOutput(f"'{name}' is not an array of ordinary numbers.")


def npz_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Arrays as the content of an ``.npz`` file."""
    stream = io.BytesIO()
    np.savez(stream, **dict(arrays))  # type: ignore[arg-type]  # NumPy's own option is a bool
    return stream.getvalue()
