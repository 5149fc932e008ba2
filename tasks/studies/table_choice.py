"""Which tables a study takes: by name or file, and how they are loaded, checked and cut to size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from pydantic import model_validator as validator

from ...errors import DataError
from ..strict import Strict

if TYPE_CHECKING:
    from ...datasets import Table
    from ..tables_split import Split


NO_OTHER_SPLIT = "Give it more rows, or leave it out."
"""The cure for a class of a single row where the settings do not know `split`."""


class TableChoice(Strict):
    """A table: ``boston``, ``iris``, ``mushrooms``, or a CSV file with the column to predict.

    A text alone stands for the name. See `twinlens.datasets.load_table`.
    """

    name: Annotated[str, Field(min_length=1)] = "boston"
    target: str | None = None
    without: list[str] = Field(default_factory=list)
    classes: bool | None = None

    @validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


def load_tables(choices: Sequence[TableChoice], rows: int, seed: int) -> list[Table]:
    """Load tables, check that they can be learnt from, and draw some rows of those that are longer.

    Parameters
    ----------
    choices : sequence of TableChoice
    rows : int
        A table keeps at most so many rows, drawn at random and in their old order.
    seed : int
        Of the draw.

    Raises
    ------
    DataError
        A table cannot be used, or two of them share a name.
    """
    from ...datasets import load_table
    from ..tables_split import check_table

    tables: list[Table] = []
    for choice in choices:
        table = load_table(choice.name, choice.target, choice.without, choice.classes)
        if table.name in [other.name for other in tables]:
            raise DataError(f"Two tables have the name '{table.name}'.", "Rename one of the files.")
        if len(table.data) > rows:
            kept = np.sort(np.random.default_rng(seed).choice(len(table.data), rows, replace=False))
            table = replace(table, data=table.data[kept], target=table.target[kept])
        check_table(table, classes=bool(table.class_names))
        tables.append(table)
    return tables


def hold_out(table: Table, share: float, seed: int) -> Split:
    """Hold back a share of a table's rows, at least one of each class; see `split_rows`."""
    from ..tables_split import split_rows

    rows = max(round(share * len(table.data)), len(table.class_names), 2)
    return split_rows(table, "stratified", rows, seed, NO_OTHER_SPLIT)


def file_stem(name: str) -> str:
    """Turn the name of a table or feature into a part of a file name."""
    return re.sub(r"\W+", "_", name.lower()).strip("_") or "table"
