"""Where the pictures and labels of a Food-11 folder are, in the layouts that people have on their disks."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DataError
from .images import SUFFIXES
from .splits import SPLITS, split_of

FOOD11_CLASSES = (
    "Bread",
    "Dairy product",
    "Dessert",
    "Egg",
    "Fried food",
    "Meat",
    "Noodles/Pasta",
    "Rice",
    "Seafood",
    "Soup",
    "Vegetable/Fruit",
)
"""Class names of Food-11; the position is the label (Singla, Yuan and Ebrahimi, 2016, doi:10.1145/2986035.2986039)."""

_LABEL_AND_NUMBER = re.compile(r"(\d+)_(\d+)", re.ASCII)


def food11_splits(root: str | Path) -> dict[str, Path]:
    """Find the folders of the three parts, in `root` or in the one folder below it that has them.

    Parameters
    ----------
    root : str or Path
        The folder that was unpacked.

    Returns
    -------
    dict of str to Path
        Folders by "training", "validation" and "testing", as far as they exist; empty for a flat folder of pictures.

    Raises
    ------
    DataError
        If `root` is not a folder, or two folders could be the same part.
    """
    root = Path(root)
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"Data folder '{root}' {problem}.", "Name the folder that holds training and validation.")
    found = _splits_in(root)
    if found:
        return found
    nested = {child: splits for child in _subfolders(root) if (splits := _splits_in(child))}
    if len(nested) > 1:
        names = ", ".join(child.name for child in nested)
        raise DataError(f"'{root}' holds several data sets: {names}.", f"Name one, such as '{next(iter(nested))}'.")
    return next(iter(nested.values()), {})


def find_split(root: str | Path, split: str) -> Path:
    """Find the folder of one part.

    Parameters
    ----------
    root : str or Path
        The folder that was unpacked, or a flat folder of pictures, which counts as "training" unless it is itself
        named after a part.
    split : str
        "training", "validation" or "testing".

    Returns
    -------
    Path
        The folder that holds the pictures or the class folders.

    Raises
    ------
    DataError
        If there is no such part; the text lists what there is.
    """
    root = Path(root)
    splits = food11_splits(root)
    if split in splits:
        return splits[split]
    if splits:
        there = ", ".join(f"{name} ('{folder}')" for name, folder in splits.items())
        raise DataError(
            f"'{root}' has no {split} part; it has {there}.",
            f"Choose one of these, or name a folder {' or '.join(SPLITS[split])}.",
        )
    itself = split_of(root.resolve().name) or "training"
    if itself != split:
        raise DataError(
            f"'{root}' has no {split} part: its pictures count as {itself}.",
            f"Choose split='{itself}', or make a folder {split} beside it and name the folder above.",
        )
    return root


def list_pictures(folder: Path) -> list[tuple[Path, int | None]]:
    """List a folder's pictures with their labels, without opening any.

    The label comes from the class folder a picture lies in, by name or number, or else from a file name
    ``<label>_<number>``; other file names have no label.

    Parameters
    ----------
    folder : Path
        The folder of one part.

    Returns
    -------
    list of (Path, int or None)
        Sorted by label and number, pictures without a label last.

    Raises
    ------
    DataError
        If there is no picture, a label lies outside of 0..10, or a folder of pictures is no class of Food-11.
    """
    listed: list[tuple[Path, int | None]] = []
    for path in _entries(folder):
        if _is_picture(path):
            match = _LABEL_AND_NUMBER.fullmatch(path.stem)
            listed.append((path, None if match is None else _label(int(match[1]), path)))
        elif path.is_dir():
            inside = [p for p in path.rglob("*") if _is_picture(p) and not _hidden(p)]
            if inside:
                label = _folder_label(path)
                listed += [(p, label) for p in inside]
    if not listed:
        there = ", ".join(path.name for path in _entries(folder)[:8]) or "nothing"
        raise DataError(
            f"There is no picture in '{folder}'; it holds {there}.",
            "Name a folder with pictures such as 3_14.jpg, or with one subfolder a class.",
        )
    return sorted(listed, key=lambda entry: (entry[1] is None, entry[1] or 0, _natural(entry[0].relative_to(folder))))


def _splits_in(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for child in _subfolders(folder):
        split = split_of(child.name)
        if split is None:
            continue
        if split in found:
            raise DataError(
                f"'{found[split].name}' and '{child.name}' in '{folder}' both mean the {split} part.",
                "Keep one of them, or rename the other.",
            )
        found[split] = child
    return {split: found[split] for split in SPLITS if split in found}


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not _hidden(entry))
    except OSError as error:
        raise DataError(f"Folder '{folder}' cannot be read: {error.strerror}.", "Check its permissions.") from None


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__MACOSX"


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts 2 before 10."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _label(number: int, path: Path) -> int:
    last = len(FOOD11_CLASSES) - 1
    if number > last:
        raise DataError(f"'{path}' says label {number}; Food-11 has the labels 0 to {last}.", "Rename or remove it.")
    return number


def _words(name: str) -> frozenset[str]:
    """The telling words of a class name, in the one form that all spellings of it share."""
    return frozenset(word.rstrip("s") for word in re.findall(r"[a-z]+", name.lower())) - {"and", "food", "product"}


def _folder_label(folder: Path) -> int:
    """Label of a class folder: its number, its name, or one unmistakable word of its name."""
    if folder.name.isdecimal():
        return _label(int(folder.name), folder)
    words = _words(folder.name)
    for label, name in enumerate(FOOD11_CLASSES):
        if words and words <= _words(name):
            return label
    raise DataError(
        f"Folder '{folder}' holds pictures but is no class of Food-11.",
        f"Name it after one of: {', '.join(FOOD11_CLASSES)}; or use a number from 0 to 10.",
    )
