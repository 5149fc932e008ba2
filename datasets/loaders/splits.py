"""The three parts of a set under the names that people give them."""

from __future__ import annotations

from ..errors import DataError

SPLITS = {
    "training": ("training", "train"),
    "validation": ("validation", "valid", "val"),
    "testing": ("testing", "test", "evaluation", "eval"),
}
"""Names of each part; the first one is ours."""


def split_of(name: str) -> str | None:
    """Which part a folder or option of this name means.

    Parameters
    ----------
    name : str
        Upper and lower case are the same.

    Returns
    -------
    str or None
        "training", "validation" or "testing"; None for any other name.
    """
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def canonical_split(name: str) -> str:
    """Like `split_of`, for names that have to mean something.

    Parameters
    ----------
    name : str
        What the user calls the part.

    Returns
    -------
    str
        "training", "validation" or "testing".

    Raises
    ------
    DataError
        If the name means none of them.
    """
    split = split_of(str(name))
    if split is None:
        known = ", ".join(alias for names in SPLITS.values() for alias in names)
        raise DataError(f"Split '{name}' does not exist.", f"Choose one of: {known}.")
    return split
