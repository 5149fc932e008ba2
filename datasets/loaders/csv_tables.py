"""Any table by name or file: iris, Boston, mushrooms, or a CSV file with a header."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError, suggest
from .base import Array
from .boston import boston
from .columns import without_columns
from .csv_file import CsvColumns, read_csv
from .tables import Table, iris

MOST_CATEGORIES = 100


def _mushrooms() -> Table:
    from .mushrooms import mushrooms

    return mushrooms()


TABLES: Mapping[str, Callable[[], Table]] = {"boston": boston, "iris": iris, "mushrooms": _mushrooms}
"""Tables that are there without a file."""


def load_table(
    name_or_path: str | os.PathLike[str],
    target: str | None = None,
    without: Sequence[str] = (),
    classes: bool | None = None,
) -> Table:
    """Load a table.

    Parameters
    ----------
    name_or_path : str or path
        ``"boston"``, ``"iris"``, ``"mushrooms"``, or the path of a CSV file.
    target : str, optional
        The column of the file to predict; the last one if left out. The named tables have theirs.
    without : sequence of str
        Columns to leave out.
    classes : bool, optional
        Whether a file's target holds class labels. If left out, a target of text does, and so does one of only two
        numbers.

    Returns
    -------
    Table
        Columns of text hold the codes of `Table.categories`, sorted by name.

    Raises
    ------
    DataError
        The file cannot be used, a column does not exist, cells are empty or no numbers, a column never changes or has
        too many different texts, or there is a single class.
    """
    name = os.fspath(name_or_path)
    if name in TABLES:
        if target is not None or classes is not None:
            raise DataError(
                f"The table '{name}' has a target of its own.", "Leave target and classes out, or name a CSV file."
            )
        return without_columns(TABLES[name](), without)
    if not Path(name).suffix and not Path(name).exists():
        raise DataError(
            f"There is no table '{name}'.", f"{suggest(name, TABLES)} Or give the path of a CSV file with its ending."
        )
    return _from_csv(Path(name), target, without, classes)


def _from_csv(path: Path, target: str | None, without: Sequence[str], classes: bool | None) -> Table:
    cells = read_csv(path)
    if not cells.lines:
        raise DataError(f"'{path}' has a header and no rows.", "Give it a row for each sample.")
    names = list(cells.columns)
    target = names[-1] if target is None else target
    if target not in names:
        raise DataError(f"'{path}' has no column '{target}' to predict.", suggest(target, names))
    for name in without:
        if name not in names or name == target:
            what = "is the target" if name == target else "does not exist"
            raise DataError(
                f"The column '{name}' of '{path}' cannot be left out: it {what}.",
                suggest(name, [other for other in names if other != target]),
            )
    features = [name for name in names if name != target and name not in without]
    if not features:
        raise DataError(f"'{path}' has no column beside the target '{target}'.", "Leave fewer columns out.")
    columns = {name: _Column(path, name, cells) for name in [*features, target]}
    data = np.column_stack([columns[name].feature() for name in features])
    labels, class_names = columns[target].target(classes)
    return Table(
        data=data,
        target=labels,
        feature_names=features,
        class_names=class_names,
        name=path.stem,
        description=f"{len(data)} rows of the file {path.name}.",
        categories={i: columns[name].texts for i, name in enumerate(features) if columns[name].numbers is None},
        target_name=target,
    )


class _Column:
    """One column of a file: numbers if all its cells are, else texts."""

    def __init__(self, path: Path, name: str, cells: CsvColumns) -> None:
        self.where = f"The column '{name}' of '{path}'"
        self.name = name
        self.cells = cells.columns[name]
        self.lines = cells.lines
        empty = [line for cell, line in zip(self.cells, self.lines, strict=True) if not cell]
        if empty:
            raise DataError(
                f"{self.where} has {len(empty)} empty cells, the first in line {empty[0]}.",
                "Fill them in, remove those rows, or leave the column out.",
            )
        self.numbers = self._numbers(cells.decimal_comma)
        self.texts = sorted(set(self.cells))
        if len(self.texts if self.numbers is None else np.unique(self.numbers)) < 2:
            raise DataError(
                f"{self.where} holds '{self.cells[0]}' in every row.",
                "Leave it out: nothing can be learnt from it; a target needs two different values.",
            )

    def feature(self) -> Array:
        """The numbers, or the codes of the texts."""
        if self.numbers is not None:
            return self.numbers
        if len(self.texts) > MOST_CATEGORIES or len(self.texts) == len(self.cells):
            raise DataError(
                f"{self.where} holds {len(self.texts)} different texts in {len(self.cells)} rows, such as "
                f"'{self.texts[0]}', too many to be categories.",
                f"Leave it out with without: [{self.name}].",
            )
        return self._codes(self.texts).astype(np.float64)

    def target(self, classes: bool | None) -> tuple[Array, list[str]]:
        """The values of a regression, or class numbers and their names."""
        if self.numbers is None:
            if classes is False:
                raise DataError(
                    f"{self.where} is to be a value, but it holds texts such as '{self.texts[0]}'.",
                    "Leave classes out, or choose another target.",
                )
            return self._codes(self.texts), self.texts
        values = np.unique(self.numbers)
        if classes or (classes is None and len(values) == 2):
            return np.searchsorted(values, self.numbers), [repr(float(value)).removesuffix(".0") for value in values]
        return self.numbers, []

    def _codes(self, texts: Sequence[str]) -> Array:
        return np.searchsorted(np.array(texts), np.array(self.cells))

    def _numbers(self, decimal_comma: bool) -> Array | None:
        """The numbers, or None where most cells are texts."""
        numbers = [_number(cell.replace(",", ".") if decimal_comma else cell) for cell in self.cells]
        strange = [i for i, number in enumerate(numbers) if number is None]
        # A column of numbers with a few texts in it is a mistake in the file, not a column of categories.
        if 2 * len(strange) >= len(self.cells):
            return None
        strange += [i for i, number in enumerate(numbers) if number is not None and not np.isfinite(number)]
        if strange:
            first = min(strange)
            raise DataError(
                f"{self.where} holds numbers, but line {self.lines[first]} says '{self.cells[first]}' "
                f"({len(strange)} such cells).",
                "Fill them in, remove those rows, or leave the column out.",
            )
        return np.array(numbers, dtype=np.float64)


def _number(cell: str) -> float | None:
    # Python alone would also read 1_000, which no table means.
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
