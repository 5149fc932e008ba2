"""Texts of one's own: a folder a class, a file a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError
from .packages import require
from .texts import Corpus, Texts, check_corpus

_ENCODING = "utf-8"


def text_folders(root: str | Path, test_share: float = 0.25, seed: int = 0) -> Corpus:
    """Read ``root/CLASS/*.txt`` and hold some texts of every class back for testing.

    Parameters
    ----------
    root : path
        Holds one folder a class, at least two; the classes are numbered in the order of their names.
    test_share : float
        How much of every class is held back, between 0 and 1.
    seed : int
        Of the draw.

    Returns
    -------
    Corpus

    Raises
    ------
    DataError
        If there is no such folder, fewer than two classes or than two texts in a class, or a file that is empty or not
        UTF-8.
    ConfigError
        If the share is none.
    """
    root = Path(root)
    if not 0 < test_share < 1:
        raise ConfigError(f"test_share is {test_share}.", "Give a share between 0 and 1, such as 0.25.")
    if not root.is_dir():
        problem = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"The text folder '{root}' {problem}.", "Name a folder that holds one folder of .txt a class.")
    files = {child.name: sorted(child.glob("*.txt")) for child in sorted(root.iterdir()) if child.is_dir()}
    files = {name: found for name, found in files.items() if found}
    if len(files) < 2:
        raise DataError(
            f"'{root}' holds {len(files)} folder{'' if len(files) == 1 else 's'} with .txt files.",
            "Give it one folder a class, at least two: there is nothing to tell apart otherwise.",
        )
    for name, found in files.items():
        if len(found) < 2:
            raise DataError(f"The class '{name}' in '{root}' has a single text.", "Give every class at least two.")
        for path in found:
            _check_readable(path)
    bunch = require("sklearn.datasets", "scikit-learn", "read texts").load_files(
        str(root), categories=list(files), encoding=_ENCODING, allowed_extensions=[".txt"], shuffle=False
    )
    labels = np.asarray(bunch.target, dtype=np.int64)
    train, test = _split(labels, test_share, np.random.default_rng(seed))
    return check_corpus(
        Corpus(
            train=Texts([bunch.data[i] for i in train], labels[train]),
            test=Texts([bunch.data[i] for i in test], labels[test]),
            class_names=[str(name) for name in bunch.target_names],
            name=root.resolve().name,
            description=f"{len(labels)} texts of {len(files)} classes from the folder '{root.resolve().name}', "
            f"{len(test)} of them held back for testing.",
        )
    )


def _check_readable(path: Path) -> None:
    if path.exists() and not path.is_file():  # a pipe would be waited for without end
        raise DataError(f"'{path}' cannot be read (it is no regular file).", "Leave it out.")
    try:
        text = path.read_text(encoding=_ENCODING)
    except UnicodeDecodeError as error:
        raise DataError(
            f"'{path}' is not UTF-8: byte {error.start} cannot be read.", "Save it as UTF-8 or leave it out."
        ) from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read ({error.strerror}).", "Make it readable or leave it out.") from error
    if not text.strip():
        raise DataError(f"'{path}' is empty.", "Leave it out or write something into it.")


def _split(labels: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of both parts, shuffled; each class has at least one text in each."""
    train, test = [], []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        held = min(max(round(share * len(rows)), 1), len(rows) - 1)
        test.append(rows[:held])
        train.append(rows[held:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))
