"""What both table explainers need first: a sound table, a row that exists, and rows held back for an honest score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError, DataError, suggest

if TYPE_CHECKING:
    from ..datasets import Table

SPLITS = ("stratified", "ordered", "none")
FEWEST_ROWS = 10


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows a model was trained on and which it has never seen.

    Attributes
    ----------
    train, test : (n_train,), (n_test,) int64
        Row numbers of the table, ascending. ``test`` is empty for the kind ``"none"``.
    kind : str
        ``"stratified"``, ``"ordered"`` or ``"none"``.
    """

    train: np.ndarray
    test: np.ndarray
    kind: str

    def holds_out(self, row: int) -> bool:
        """Say whether the model has never seen this row."""
        return bool(np.isin(row, self.test))


def check_table(table: Table, classes: bool) -> None:
    """Check that a table can be learnt from.

    Parameters
    ----------
    table : Table
        Numbers, target and names.
    classes : bool
        Whether the target has to hold class numbers.

    Raises
    ------
    DataError
        Wrong shapes, too few rows, NaN or infinite values, codes that stand for no category, or a single class.
    """
    name, data, target = table.name, np.asarray(table.data), np.asarray(table.target)
    if data.ndim != 2 or len(data) != len(target) or data.shape[1] != len(table.feature_names):
        raise DataError(
            f"The table '{name}' does not fit together: data {data.shape}, {len(target)} targets, "
            f"{len(table.feature_names)} feature names.",
            "Give data (rows, features), one target a row and one name a feature.",
        )
    if len(data) < FEWEST_ROWS:
        raise DataError(f"The table '{name}' has {len(data)} rows.", f"Give at least {FEWEST_ROWS}.")
    bad = ~np.isfinite(data)
    if bad.any():
        column = int(bad.any(axis=0).argmax())
        raise DataError(
            f"The table '{name}' has {int(bad[:, column].sum())} NaN or infinite values in the column "
            f"'{table.feature_names[column]}', the first in row {int(bad[:, column].argmax())}.",
            "Remove those rows or fill them in.",
        )
    for column, names in table.categories.items():
        strange = ~np.isin(data[:, column], np.arange(len(names)))
        if strange.any():
            raise DataError(
                f"The column '{table.feature_names[column]}' of the table '{name}' has {len(names)} categories, but "
                f"row {int(strange.argmax())} holds the code {data[strange, column][0]:g}.",
                f"Number the categories from 0 to {len(names) - 1}.",
            )
    if not np.isfinite(target.astype(float)).all():
        raise DataError(f"The target of the table '{name}' holds NaN or infinite values.", "Remove those rows.")
    if np.ptp(target) == 0:
        raise DataError(
            f"All {len(target)} rows of the table '{name}' have the same target, {target[0]}.",
            "Give a table with at least two classes or values: there is nothing to explain otherwise.",
        )
    if not classes:
        return
    if not table.class_names:
        raise DataError(
            f"The table '{name}' has no classes.",
            "LIME and the classifier need a target of class numbers, with class_names.",
        )
    known = np.arange(len(table.class_names))
    if not np.isin(target, known).all():
        stranger = target[~np.isin(target, known)][0]
        raise DataError(
            f"The table '{name}' names {len(known)} classes, but its target holds the value {stranger}.",
            f"Number the classes from 0 to {len(known) - 1}.",
        )


def check_row(table: Table, row: int) -> int:
    """Return the row number if the table has such a row.

    Raises
    ------
    DataError
        There is no such row.
    """
    if isinstance(row, bool) or not isinstance(row, int | np.integer) or not 0 <= row < len(table.data):
        raise DataError(
            f"Row {row} does not exist in the table '{table.name}'.", f"Choose a row from 0 to {len(table.data) - 1}."
        )
    return int(row)


def feature_number(names: Sequence[str], name: str, key: str) -> int:
    """Return the column that a feature stands in; `key` is the setting that names it.

    Raises
    ------
    ConfigError
        There is no such feature.
    """
    if name not in names:
        raise ConfigError(f"{key}: the table has no feature '{name}'.", suggest(name, names))
    return list(names).index(name)


def split_rows(
    table: Table,
    kind: str = "stratified",
    test_rows: int = 30,
    seed: int = 0,
    cure: str = "Give it more rows, or use split: none.",
) -> Split:
    """Hold back rows for testing.

    Parameters
    ----------
    table : Table
        A table that passed `check_table`.
    kind : {"stratified", "ordered", "none"}
        ``"stratified"`` draws the test rows at random, each class with its share (a target of real numbers is drawn
        without strata). ``"ordered"`` takes the last rows as they stand, which on a table sorted by class tests a
        single class. ``"none"`` trains on everything and leaves no honest score.
    test_rows : int
        How many rows to hold back.
    seed : int
        Seed of the draw.
    cure : str
        What to do about a class of a single row, in the words of the settings that the caller has.

    Raises
    ------
    ConfigError
        Unknown kind, or a number of test rows that the table cannot spare.
    DataError
        A class would be missing from the rows for training.
    """
    if kind not in SPLITS:
        raise ConfigError(f"There is no split '{kind}'.", suggest(kind, SPLITS))
    rows = np.arange(len(table.data))
    names, target = table.class_names, np.asarray(table.target)
    if kind == "none":
        return Split(rows, rows[:0], kind)
    fewest = max(len(names), 2) if kind == "stratified" else 1
    if not fewest <= test_rows <= len(rows) - FEWEST_ROWS // 2:
        raise ConfigError(
            f"test_rows is {test_rows}, but the table '{table.name}' has {len(rows)} rows.",
            f"Choose from {fewest} to {len(rows) - FEWEST_ROWS // 2}.",
        )
    if kind == "ordered":
        train, test = rows[:-test_rows], rows[-test_rows:]
    else:
        from sklearn.model_selection import train_test_split

        for label, name in enumerate(names):
            if (target == label).sum() < 2:
                raise DataError(
                    f"The class '{name}' of the table '{table.name}' has fewer than two rows.",
                    cure,
                )
        train, test = train_test_split(rows, test_size=test_rows, random_state=seed, stratify=target if names else None)
    for label, name in enumerate(names):
        if not (target[train] == label).any():
            raise DataError(
                f"No row of the class '{name}' is left for training by the {kind} split with test_rows {test_rows}.",
                "Hold back fewer rows." if kind == "stratified" else "Hold back fewer rows, or use split: stratified.",
            )
    return Split(np.sort(train), np.sort(test), kind)
