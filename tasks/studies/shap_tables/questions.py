"""What is asked of each table, settled before anything is fitted: which rows, which class, which features."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ....errors import ConfigError, DataError, TargetError, suggest
from ...tables_split import Split, check_row, check_table, feature_number, split_rows

if TYPE_CHECKING:
    from ....datasets import Table
    from .settings import ShapTables, TableChoice


@dataclass(frozen=True, eq=False)
class Question:
    """A table and what is to be explained of it.

    Attributes
    ----------
    key : str
        Begins the names of the files.
    table : Table
        Sound, with at least two features.
    row : int
        The row shown on its own.
    label : int or None
        The explained class; None for a regression.
    split : Split
        Which rows are trained on.
    rows, compared : (n,), (m,) int
        Numbers of the rows that the trees' values are computed for, and of those of them on which models are compared;
        ascending, `row` among them.
    background : (b,) int
        Numbers of the rows that stand for absent features, all trained on.
    dependence, interaction : int or None
        Features of the dependence plot; None for those that matter most.
    """

    key: str
    table: Table
    row: int
    label: int | None
    split: Split
    rows: np.ndarray
    compared: np.ndarray
    background: np.ndarray
    dependence: int | None
    interaction: int | None

    @property
    def label_name(self) -> str | None:
        """Name of the explained class."""
        return None if self.label is None else self.table.class_names[self.label]

    @property
    def shown(self) -> int:
        """Where the row stands among `rows`."""
        return int(np.searchsorted(self.rows, self.row))

    @property
    def among_rows(self) -> np.ndarray:
        """Where the compared rows stand among `rows`."""
        return np.searchsorted(self.rows, self.compared)


def questions(settings: ShapTables, seed: int) -> list[Question]:
    """Load and check every table.

    Parameters
    ----------
    settings : ShapTables
    seed : int
        Of the split, and of the choice of rows and background.

    Raises
    ------
    DataError, ConfigError, TargetError
        A table, row, class or feature does not exist or cannot be used, or there are too few rows for the background.
    """
    found: list[Question] = []
    for choice in settings.tables:
        found.append(_question(settings, choice, seed, [one.key for one in found]))
    return found


def _question(settings: ShapTables, choice: TableChoice, seed: int, taken: Sequence[str]) -> Question:
    from ....datasets.csv_tables import load_table

    table = load_table(choice.table, choice.target, choice.without, choice.classes)
    check_table(table, classes=bool(table.class_names))
    names = table.feature_names
    if len(names) < 2:
        raise DataError(
            f"The table '{table.name}' has the only feature '{names[0]}'.",
            "Give at least two: a single one has nobody to share with.",
        )
    row = check_row(table, choice.row)
    split = split_rows(table, settings.split, settings.test_rows, seed)
    if settings.background > len(split.train):
        raise ConfigError(
            f"background is {settings.background}, but only {len(split.train)} rows of the table '{table.name}' are "
            "trained on.",
            f"Choose from 5 to {len(split.train)}.",
        )
    dependence, interaction = (
        None if name is None else feature_number(names, name, key)
        for key, name in (("dependence", choice.dependence), ("interaction", choice.interaction))
    )
    if dependence is not None and dependence == interaction:
        raise ConfigError(
            f"dependence and interaction are both '{choice.dependence}'.", "Name two features, or leave one out."
        )
    generator = np.random.default_rng(seed)
    rows = _some(np.arange(len(table.data)), settings.rows, row, generator)
    compared = _some(rows, settings.networks.rows if settings.networks else len(rows), row, generator)
    return Question(
        key=_key(table.name, taken),
        table=table,
        row=row,
        label=_label(table, choice.label, row),
        split=split,
        rows=rows,
        compared=compared,
        background=np.sort(generator.choice(split.train, settings.background, replace=False)),
        dependence=dependence,
        interaction=interaction,
    )


def _label(table: Table, name: str | None, row: int) -> int | None:
    if not table.class_names:
        if name is not None:
            raise TargetError(f"The table '{table.name}' has no classes, so no label '{name}'.", "Leave the label out.")
        return None
    if name is None:
        return int(table.target[row])
    if name not in table.class_names:
        raise TargetError(f"The table '{table.name}' has no class '{name}'.", suggest(name, table.class_names))
    return table.class_names.index(name)


def _some(rows: np.ndarray, most: int, always: int, generator: np.random.Generator) -> np.ndarray:
    if len(rows) <= most:
        return rows
    others = generator.choice(rows[rows != always], most - 1, replace=False)
    return np.sort(np.append(others, always))


def _key(name: str, taken: Sequence[str]) -> str:
    stem = re.sub(r"\W+", "_", name.lower()).strip("_") or "table"
    key, number = stem, 1
    while key in taken:
        number += 1
        key = f"{stem}_{number}"
    return key
