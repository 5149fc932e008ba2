"""The table and the rows that the study `lime_tables` explains: loaded, cut into classes, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import ConfigError, DataError, suggest
from ...tables_split import Split, check_row, check_table, split_rows
from .settings import LimeTables

if TYPE_CHECKING:
    from ....datasets import Table


@dataclass(frozen=True, eq=False)
class ChosenRow:
    """A row to explain.

    Attributes
    ----------
    name : str
        Such as ``"row 12"`` or ``"given row 1"``.
    values : (d,) float64
        Numbers and codes of categories.
    held_out : bool
        Whether no row with these values was trained on.
    true_class : str or None
        None for a row that is not in the table.
    """

    name: str
    values: np.ndarray
    held_out: bool
    true_class: str | None


def load_classes(settings: LimeTables) -> Table:
    """Load the table; a target of real numbers becomes classes.

    Raises
    ------
    DataError
        The table cannot be used.
    """
    from ....datasets import load_table

    choice = settings.table
    table = load_table(choice.name, choice.target, choice.without, choice.classes)
    if not table.class_names:
        check_table(table, classes=False)
        table = cut_into_classes(table, settings.bins)
    check_table(table, classes=True)
    return table


def cut_into_classes(table: Table, bins: int) -> Table:
    """Cut a target of real numbers at its quantiles, so that a classifier can learn it.

    Parameters
    ----------
    table : Table
        A regression.
    bins : int
        Number of classes; fewer come out where many rows share one value.
    """
    quantiles = np.unique(np.quantile(table.target, np.arange(1, bins) / bins))
    edges = quantiles[quantiles < table.target.max()]
    name, ends = table.target_name or "target", [f"{edge:.4g}" for edge in edges]
    if not ends:
        raise DataError(
            f"More than half of the rows of the table '{table.name}' have the target {table.target.max():g}.",
            "Set lime_tables.bins higher, or take a table with classes.",
        )
    between = [f"{low} < {name} ≤ {high}" for low, high in pairwise(ends)]
    names = [f"{name} ≤ {ends[0]}", *between, f"{name} > {ends[-1]}"]
    return replace(table, target=np.searchsorted(edges, table.target, side="left"), class_names=names)


def hold_out(table: Table, settings: LimeTables, seed: int) -> Split:
    """Hold back rows, and draw the rows to learn from where there are many; every class keeps a row."""
    test_rows = settings.test_rows or max(len(table.data) // 4, len(table.class_names))
    parts = split_rows(table, settings.split, test_rows, seed)
    if len(parts.train) <= settings.train_rows:
        return parts
    drawn = np.random.default_rng(seed).permutation(parts.train)
    _, firsts = np.unique(np.asarray(table.target)[drawn], return_index=True)
    order = np.concatenate([drawn[firsts], np.delete(drawn, firsts)])
    return replace(parts, train=np.sort(order[: settings.train_rows]))


def class_number(table: Table, label: str | None) -> int | None:
    """Number of the class that a configuration names.

    Raises
    ------
    ConfigError
        There is no such class.
    """
    if label is not None and label not in table.class_names:
        raise ConfigError(f"The table '{table.name}' has no class '{label}'.", suggest(label, table.class_names))
    return None if label is None else table.class_names.index(label)


def chosen_rows(table: Table, rows: Sequence[int | Mapping[str, Any]], split: Split) -> list[ChosenRow]:
    """Look up the rows to explain.

    Raises
    ------
    DataError
        There is no such row, column or category, a column is left out, or a number is none.
    """
    found, given = [], 0
    for row in rows:
        if isinstance(row, Mapping):
            given += 1
            values = _values(table, row, f"given row {given}")
            seen = bool((table.data[split.train] == values).all(axis=1).any())
            found.append(ChosenRow(f"given row {given}", values, not seen, None))
        else:
            number = check_row(table, row)
            true_class = table.class_names[int(table.target[number])]
            seen = bool(np.isin(number, split.train))
            found.append(ChosenRow(f"row {number}", np.array(table.data[number], np.float64), not seen, true_class))
    return found


def shown_value(table: Table, column: int, value: float) -> str | float:
    """The name of a category, or the number itself."""
    return table.categories[column][int(value)] if column in table.categories else float(value)


def _values(table: Table, row: Mapping[str, Any], what: str) -> np.ndarray:
    for name in row:
        if name not in table.feature_names:
            raise DataError(
                f"The table '{table.name}' has no column '{name}', which the {what} holds.",
                suggest(name, table.feature_names),
            )
    missing = [name for name in table.feature_names if name not in row]
    if missing:
        shown = ", ".join(f"'{name}'" for name in missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            f"The {what} leaves out {len(missing)} of {len(table.feature_names)} columns: {shown}.",
            "Give a value for every column.",
        )
    columns = enumerate(table.feature_names)
    return np.array([_number(table, column, row[name], what) for column, name in columns], dtype=np.float64)


def _number(table: Table, column: int, value: Any, what: str) -> float:
    name, categories = table.feature_names[column], table.categories.get(column)
    if not isinstance(value, bool | int | float | str):
        raise DataError(f"The {what} has {value!r} in the column '{name}'.", "Give a number or the name of a category.")
    if categories is None:
        if isinstance(value, bool | str) or not math.isfinite(value):
            raise DataError(f"The {what} has '{value}' in the column '{name}'.", "Give a finite number.")
        return float(value)
    spellings = _spellings(value)
    known = [category.lower() for category in categories] if isinstance(value, bool) else categories
    code = next((known.index(spelling) for spelling in spellings if spelling in known), None)
    if code is None:
        raise DataError(
            f"The column '{name}' has no category '{spellings[0]}' ({what}).", suggest(spellings[0], categories)
        )
    return float(code)


def _spellings(value: Any) -> tuple[str, ...]:
    """What a file may have for a value: YAML reads ``no`` as a truth value and ``1`` as a number."""
    if isinstance(value, bool):
        return ("yes", "true", "on") if value else ("no", "false", "off")
    return (value,) if isinstance(value, str) else (repr(value).removesuffix(".0"), repr(value))
