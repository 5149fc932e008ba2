"""The private folder of one run, and the removal of those that a killed grader left."""

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

if sys.platform != "win32":
    import fcntl

_PREFIX = "twinlens-run-"
_LOCK = "lock"


@dataclass(frozen=True)
class WorkFolder:
    """Where one student's process works.

    Attributes
    ----------
    top : Path
        The grader's folder of this run; its name cannot be guessed.
    work : Path
        The student's, within it.
    root : Path
        An empty folder to mount on.
    """

    top: Path
    work: Path
    root: Path


@contextmanager
def work_folder(files: Mapping[str, bytes], account: int | None = None) -> Iterator[WorkFolder]:
    """Make the folder, write the files, remove all of it at the end.

    Parameters
    ----------
    files : mapping of str to bytes
        By their names; folders in a name are separated by ``/``.
    account : int, optional
        The account to which the folder is given.

    Raises
    ------
    ValueError
        If a name leads out of the folder.
    """
    _remove_leftovers_once()
    top = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(top / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = WorkFolder(top, top / "work", top / "root")
        folder.root.mkdir(mode=0o755)
        folder.work.mkdir(mode=0o700)
        for name, content in files.items():
            place = folder.work / inside(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        if account is not None:
            top.chmod(0o711)  # to be passed through
            for path in (folder.work, *folder.work.rglob("*")):
                os.chown(path, account, account)
        yield folder
    finally:
        remove(top)
        os.close(lock)


def inside(name: str) -> PurePosixPath:
    """The place of a file in the work folder.

    Raises
    ------
    ValueError
        If the name leads out of it.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file in the work folder")
    return path


def remove_leftovers(parent: str | Path | None = None) -> list[Path]:
    """Remove the folders of graders that were killed: those whose lock nobody holds.

    Parameters
    ----------
    parent : path, optional
        The folder for temporary files unless another is given.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for top in sorted(Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        with suppress(OSError):
            found = top.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
                continue
            lock = os.open(top / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(top)
                removed.append(top)
            finally:
                os.close(lock)
    return removed


@functools.cache
def _remove_leftovers_once() -> None:
    remove_leftovers()


def remove(top: Path) -> None:
    """Remove a folder that a student's process wrote to: of any depth, and whatever may be read of it.

    Nothing here follows a link, and no path grows with the depth: a folder in a folder is moved up before it is
    emptied.
    """
    pending, number = [top], 0
    while pending:
        folder = pending[-1]
        below = []
        with suppress(OSError):
            folder.chmod(0o700)
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            pending.pop()
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(Path(entry.path))
            else:
                os.unlink(entry.path)
        if not below:
            os.rmdir(folder)
            pending.pop()
            continue
        for path in below:
            with suppress(OSError):
                path.chmod(0o700)
            number += 1
            moved = top / f"{_LOCK}{number}"
            if path.parent == top:
                pending.append(path)
            else:
                os.rename(path, moved)
                pending.append(moved)


def size(folder: Path, most_entries: int) -> tuple[int, int]:
    """Bytes and number of the entries of a folder, counted up to a number of them."""
    total = number = 0
    pending = [os.fspath(folder)]
    while pending and number <= most_entries:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                number += 1
                if number > most_entries:
                    break
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    total += found.st_blocks * 512
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(entry.path)
    return total, number
