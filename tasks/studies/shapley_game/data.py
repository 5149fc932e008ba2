"""The columns of a table that play."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....datasets.columns import without_columns
from ....errors import ConfigError, DataError
from ...tables_split import check_row, feature_number
from ..table_choice import TableChoice, load_tables

if TYPE_CHECKING:
    from ....datasets import Table


def playing_table(
    choice: TableChoice, rows: int, features: Sequence[str] | None, most: int, row: int, seed: int
) -> Table:
    """Load a table with the columns that play.

    Parameters
    ----------
    choice : TableChoice
    rows : int
        The table is cut to so many.
    features : sequence of str or None
        Columns to keep; all of them if left out.
    most : int
        Columns that can play.
    row : int
        The row to explain, which has to exist.
    seed : int
        Of the rows that are kept.

    Raises
    ------
    DataError
        The table cannot be used, has not this row, or has more columns than can play.
    ConfigError
        A column does not exist, or is named twice.
    """
    table = load_tables([choice], rows, seed)[0]
    names = list(table.feature_names) if features is None else list(features)
    for name in names:
        feature_number(table.feature_names, name, "features")
        if names.count(name) > 1:
            raise ConfigError(f"The feature '{name}' is named twice.", "Name each feature once.")
    if not 2 <= len(names) <= most:
        raise DataError(
            f"{len(names)} features of the table '{table.name}' would play, with 2**{len(names)} coalitions.",
            f"Choose 2 to {most} of them with features: [{', '.join(table.feature_names[:2])}, ...].",
        )
    check_row(table, row)
    return without_columns(table, [name for name in table.feature_names if name not in names])
