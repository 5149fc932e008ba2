"""The files of a submission, from a folder or a zip that anybody may have made: read, never run, never unpacked."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .text import one_line

LARGEST_FILE = 20 * 2**20
"""Bytes of one file that is read; notebooks hold pictures."""
LARGEST_ARCHIVE = 50 * 2**20
LARGEST_TOTAL = 256 * 2**20
"""Bytes of all files of an archive together, once unpacked."""
MOST_FILES = 1000

_RATIO = 200
_SMALL = 2**20
_DEEPEST = 4
_SKIPPED = {"__MACOSX", "__pycache__", "node_modules", "venv", "env"}
_END, _END64 = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE = 22
_LARGEST_DIRECTORY = 2**20


class SubmissionError(DataError):
    """A submission cannot be read, or is refused; the batch goes on without it.

    Parameters
    ----------
    cause, cure : str
        Names that others chose may be part of them: what steers terminals is taken out.
    """

    def __init__(self, cause: str, cure: str = "") -> None:
        super().__init__(one_line(cause), one_line(cure))


@dataclass(frozen=True)
class Entry:
    """A file of a submission that has not been read yet.

    Attributes
    ----------
    path : str
        Below the submission, with ``/`` between folders.
    size : int
        Bytes, as it is said; reading checks it.
    read : callable
        Gives its content.
    """

    path: str
    size: int
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def folder_entries(folder: Path) -> tuple[list[Entry], list[str]]:
    """The files of a folder, without hidden ones and links.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    entries : list of Entry
    flags : list of str
        What was left out, for the instructor.

    Raises
    ------
    SubmissionError
        If the folder cannot be read or holds too many files.
    """
    entries: list[Entry] = []
    flags: list[str] = []
    for path, status in _walk(folder, 0):
        name = path.relative_to(folder).as_posix()
        if not stat.S_ISREG(status.st_mode):
            flags.append(f"'{name}' is {_kind(status.st_mode)} and was left out.")
        else:
            entries.append(Entry(name, status.st_size, lambda path=path: read_file(path)))  # type: ignore[misc]
    return entries, flags


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SubmissionError(f"'{folder.name}' cannot be read ({error.strerror}).") from error
    if len(found) > MOST_FILES:
        raise SubmissionError(f"'{folder.name}' holds more than {MOST_FILES} files.", "Hand in your code only.")
    for entry in found:
        if _is_skipped(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth < _DEEPEST:
                yield from _walk(Path(entry.path), depth + 1)
        else:
            yield Path(entry.path), entry.stat(follow_symlinks=False)


def read_file(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """Read a regular file; links, pipes and devices are refused and never waited for.

    Parameters
    ----------
    path : Path
    largest : int
        Bytes.

    Raises
    ------
    SubmissionError
        If it is no regular file, too large, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        link = os.path.islink(path)
        raise SubmissionError(
            f"'{path.name}' {'is a link' if link else 'cannot be read'}.", "Hand in files."
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SubmissionError(f"'{path.name}' is {_kind(status.st_mode)}.", "Hand in files.")
        if status.st_size > largest:
            raise SubmissionError(f"'{path.name}' has more than {_size(largest)}.", "Hand in your code only.")
        try:
            return file.read(largest + 1)[:largest]
        except OSError as error:
            raise SubmissionError(f"'{path.name}' cannot be read ({error.strerror}).") from error


def archive_entries(content: bytes) -> list[Entry]:
    """The files of a zip.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    list of Entry
        Without folders and without what systems add by themselves.

    Raises
    ------
    SubmissionError
        If it is damaged or encrypted, or if anything in it is made to do harm: paths that lead out, links, devices,
        names that hide others, bombs.
    """
    _check_directory(content)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        infos = archive.infolist()
    except Exception as error:  # zipfile has many ways to say no
        raise SubmissionError("The zip is damaged.", "Zip your files again and hand that in.") from error
    if len(infos) > MOST_FILES:
        raise SubmissionError(f"The zip holds more than {MOST_FILES} files.", "Hand in your code only.")
    paths = _paths(infos)
    for info in infos:
        _check_entry(info)
    _check_names(paths)
    total, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if total > LARGEST_TOTAL or (total > _SMALL and total > _RATIO * max(packed, 1)):
        raise SubmissionError(f"The zip would unpack to {_size(total)}.", "Hand in your code only.")
    return [
        Entry(path, info.file_size, lambda info=info: _read_entry(archive, info))  # type: ignore[misc]
        for info, path in zip(infos, paths, strict=True)
        if not path.endswith("/") and not any(map(_is_skipped, path.split("/")))
    ]


def _check_directory(content: bytes) -> None:
    """Look at the size of the directory before zipfile reads all of it into memory."""
    if len(content) > LARGEST_ARCHIVE:
        raise SubmissionError(f"The zip has more than {_size(LARGEST_ARCHIVE)}.", "Hand in your code only.")
    last = content[-_END_SIZE:]
    position = len(content) - _END_SIZE
    if not (last.startswith(_END) and last.endswith(b"\0\0")):  # the order in which zipfile looks for it
        position = content.rfind(_END, max(0, position - 2**16))
    if position < 0 or len(content) < position + _END_SIZE:
        raise SubmissionError("The zip is damaged or cut off.", "Zip your files again and hand that in.")
    size = struct.unpack_from("<L", content, position + 12)[0]
    if size > _LARGEST_DIRECTORY or content[max(0, position - 20) : position].startswith(_END64):
        raise SubmissionError("The zip holds too many files, or is too large.", "Hand in your code only.")


def _paths(infos: list[zipfile.ZipInfo]) -> list[str]:
    """The checked names of a zip, with ``/`` between folders also where an old tool of Windows wrote backslashes."""
    windows = not any("/" in name for info in infos for name in (info.orig_filename, info.filename))
    paths = []
    for info in infos:
        for name in (info.orig_filename, info.filename):  # zipfile cuts the latter off, or takes another one for it
            path = name.replace("\\", "/") if windows else name
            _check_path(path)
        paths.append(path)
    return paths


def _check_path(path: str) -> None:
    shown = f"'{path[:80]}'"
    if any(ord(character) < 32 for character in path):
        raise SubmissionError(f"The zip holds a file with a control character in its name, {shown}.", "Rename it.")
    parts = path.split("/")
    if "\\" in path or path.startswith("/") or ":" in parts[0] or ".." in parts:
        raise SubmissionError(f"The zip holds a path that leads out of it, {shown}.", "Zip the files by their names.")


def _check_entry(info: zipfile.ZipInfo) -> None:
    shown = f"'{info.orig_filename[:80]}'"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise SubmissionError(f"In the zip {shown} is {_kind(kind)}.", "Hand in files.")
    if info.flag_bits & 0x1:
        raise SubmissionError(f"In the zip {shown} is encrypted.", "Zip your files without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SubmissionError(f"In the zip {shown} is compressed in an uncommon way.", "Use an ordinary zip.")


def _check_names(paths: list[str]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        key = path.rstrip("/").casefold()
        if key in seen:
            same = seen[key] == path
            raise SubmissionError(
                f"The zip holds '{path[:80]}' twice{'' if same else ', but for capital letters'}.",
                "Hand in one of the two.",
            )
        seen[key] = path


def _read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > LARGEST_FILE:
        raise SubmissionError(f"'{info.filename[:80]}' has more than {_size(LARGEST_FILE)}.", "Hand in your code only.")
    try:
        with archive.open(info) as file:
            return file.read(LARGEST_FILE)
    except Exception as error:  # zipfile has many ways to say no
        raise SubmissionError(
            f"'{info.filename[:80]}' in the zip is damaged.", "Zip your files again and hand that in."
        ) from error


def _is_skipped(name: str) -> bool:
    return name in _SKIPPED or (name.startswith(".") and name not in (".", ".."))


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _size(number: int) -> str:
    return f"{number / 2**20:,.0f} MiB"
