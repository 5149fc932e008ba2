"""Which submissions a folder holds, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from .file_names import MAIN, MANIFEST, NOTEBOOK, SUFFIXES
from .text import one_line

# What learning platforms make of a name: lee_LATE_12345_67890_hw.zip; Kim Lee_123456_assignsubmission_file_
_CANVAS = re.compile(r"^(?P<name>[^_]+)(?:_LATE)?_(?P<user>\d+)_\d+_.+$")
_MOODLE = re.compile(r"^(?P<name>.+_\d+)_assignsubmission_file_?$")


def submission_id(path: Path) -> str:
    """Who handed in: the name of the file without what learning platforms add to it.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> submission_id(Path("leekim_LATE_12345_67890_homework.zip"))
    'leekim_12345'
    """
    name = path.stem if path.suffix.lower() in SUFFIXES else path.name
    canvas, moodle = _CANVAS.match(name), _MOODLE.match(name)
    if canvas:
        name = f"{canvas['name']}_{canvas['user']}"
    elif moodle:
        name = moodle["name"]
    return one_line(name, 120).strip() or "unnamed"


def submission_ids(paths: Sequence[Path]) -> dict[str, Path]:
    """Give each submission an id of its own, the same ones for the same paths.

    Where two would have the same, but for capital letters, each is called by the whole name of its file.

    Parameters
    ----------
    paths : sequence of Path

    Returns
    -------
    dict of str to Path
    """
    styles: list[Callable[[Path], str]] = [
        submission_id,
        lambda path: one_line(path.name, 120),
        lambda path: one_line(f"{path.parent.name}_{path.name}", 200),
    ]
    unique = sorted({path.absolute() for path in paths})
    ids = {path: styles[0](path) for path in unique}
    for style in styles[1:]:
        keys = [name.casefold() for name in ids.values()]
        ids = {path: style(path) if keys.count(name.casefold()) > 1 else name for path, name in ids.items()}
    found: dict[str, Path] = {}
    taken: set[str] = set()
    for path, name in ids.items():
        number, free = 2, name
        while free.casefold() in taken:
            free, number = f"{name} ({number})", number + 1
        taken.add(free.casefold())
        found[free] = path
    return found


def find_submissions(folder: Path) -> list[Path]:
    """The submissions of a folder: its folders, zips, scripts and notebooks; or itself, where it is one.

    Parameters
    ----------
    folder : Path
        May be a single file too.

    Returns
    -------
    list of Path
        Sorted by name.
    """
    folder = Path(folder)
    if not folder.is_dir() or any((folder / name).exists() for name in (MAIN, NOTEBOOK, MANIFEST)):
        return [folder]
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith((".", "__"))
        and (path.is_dir() or path.is_symlink() or path.suffix.lower() in SUFFIXES)
    )
