"""Rows of a table as models take them: categories become columns of zeros and ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ...datasets import Table

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Encoding:
    """How each column of a table is spelled out.

    A column of numbers stays. A column of categories becomes one column of zeros and ones per category; for linear
    models the most frequent one is left out, as what the others are compared with: with all of them, the columns would
    add up to a constant. So are categories that occur in no row.

    Attributes
    ----------
    names : list of str
        Names of the encoded columns, such as ``"RM"`` or ``"odor=foul"``.
    columns : (E,) int64
        The column of the table that each encoded column is made of.
    codes : (E,) float64
        The code that an encoded column stands for; NaN where it is the number itself.
    width : int
        How many columns the table has.
    references : mapping of str to str
        The category that a column's other categories are compared with, by column name; empty if all are there.
    """

    names: list[str]
    columns: Array
    codes: Array
    width: int
    references: dict[str, str]

    @classmethod
    def of(cls, table: Table, every: bool = False) -> Encoding:
        """Encode a table's columns; `every` category gets a column of its own, or all but the most frequent."""
        names: list[str] = []
        columns: list[int] = []
        codes: list[float] = []
        references: dict[str, str] = {}
        for column, name in enumerate(table.feature_names):
            kept: list[float] = [float("nan")]
            if column in table.categories:
                categories = table.categories[column]
                kept = [float(code) for code in range(len(categories))]
                if not every:
                    counts = np.bincount(table.data[:, column].astype(np.int64), minlength=len(categories))
                    references[name] = categories[int(counts.argmax())]
                    kept = [code for code in kept if counts[int(code)] and code != counts.argmax()]
                names += [f"{name}={categories[int(code)]}" for code in kept]
            else:
                names.append(name)
            columns += [column] * len(kept)
            codes += kept
        return cls(names, np.array(columns), np.array(codes), len(table.feature_names), references)

    @property
    def numeric(self) -> Array:
        """Which encoded columns are numbers, and not zeros and ones (E,)."""
        return np.isnan(self.codes)

    def rows(self, data: Any) -> Array:
        """Encode rows (N, D) as (N, E)."""
        picked = np.asarray(data, dtype=np.float64)[:, self.columns]
        return np.where(self.numeric, picked, picked == self.codes)

    def summed(self, values: Array) -> Array:
        """Sum what belongs to each column of the table: (E,) to (D,)."""
        return np.bincount(self.columns, weights=values, minlength=self.width)

    def before(self, estimator: Any) -> Any:
        """Put the encoding before an estimator, so that it takes the table's own rows."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        return make_pipeline(FunctionTransformer(self.rows), estimator)
