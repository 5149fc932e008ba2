"""Columns of a table, left out by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import DataError, suggest
from .tables import Table


def without_columns(table: Table, names: Sequence[str]) -> Table:
    """Leave columns out of a table.

    Parameters
    ----------
    table : Table
        Stays as it is.
    names : sequence of str
        Names of features.

    Returns
    -------
    Table
        The same rows; codes of categories keep their meaning.

    Raises
    ------
    DataError
        If there is no such feature, or none would be left.
    """
    for name in names:
        if name not in table.feature_names:
            raise DataError(
                f"The table '{table.name}' has no feature '{name}' to leave out.", suggest(name, table.feature_names)
            )
    kept = [number for number, name in enumerate(table.feature_names) if name not in names]
    if not kept:
        raise DataError(f"No feature of the table '{table.name}' is left.", "Leave fewer columns out.")
    return replace(
        table,
        data=table.data[:, kept],
        feature_names=[table.feature_names[number] for number in kept],
        categories={new: table.categories[old] for new, old in enumerate(kept) if old in table.categories},
    )
