"""The Boston housing table, bundled with the package, and what has to be known before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from .columns import without_columns
from .tables import Table

NOTE_ON_B = (
    "The column B encodes race: it is 1000 (Bk − 0.63)², where Bk is the share of Black residents of a tract. The "
    "authors of the study put it in because they took segregation to move prices. It stays here so that published "
    "numbers can be reproduced; a model that uses it prices people by race, so it is no base for real decisions. "
    "Leave it out with without: [B], and mind that other columns (LSTAT, CRIM, the distances) still carry part of it."
)


@dataclass(frozen=True)
class Column:
    """What a column holds."""

    unit: str
    meaning: str


BOSTON_COLUMNS: dict[str, Column] = {
    "CRIM": Column("crimes per head", "crime rate of the town"),
    "ZN": Column("%", "residential land zoned for lots above 25,000 square feet"),
    "INDUS": Column("%", "land of businesses other than retail"),
    "CHAS": Column("0 or 1", "whether the tract borders the Charles River"),
    "NOX": Column("parts per 10 million", "concentration of nitrogen oxides"),
    "RM": Column("rooms", "average number of rooms of a dwelling"),
    "AGE": Column("%", "owner-occupied units built before 1940"),
    "DIS": Column("weighted distance", "distance to five employment centres"),
    "RAD": Column("index", "access to radial highways"),
    "TAX": Column("$ per $10,000", "full-value property tax"),
    "PTRATIO": Column("pupils per teacher", "size of classes in the town"),
    "B": Column("0 to 396.9", "1000 (Bk − 0.63)², Bk the share of Black residents: encodes race"),
    "LSTAT": Column("%", "residents of low status: no high school, or labourers"),
    "MEDV": Column("$1000", "median value of owner-occupied homes, cut off at 50: the target"),
}
"""Unit and meaning by column, as in the study of 1978."""


def boston(without: Sequence[str] = ()) -> Table:
    """Housing in 506 census tracts of Boston around 1970: 13 columns, and the median value of a home to predict.

    Parameters
    ----------
    without : sequence of str
        Columns to leave out, such as ``["B"]``; see `NOTE_ON_B`.

    Returns
    -------
    Table
        Data (506, 13), short column names (`BOSTON_COLUMNS` says what they mean), a target in thousands of dollars.

    Raises
    ------
    DataError
        If a column to leave out does not exist.

    Notes
    -----
    Sixteen homes stand at exactly 50: values above were cut off.

    References
    ----------
    D. Harrison and D. L. Rubinfeld, "Hedonic housing prices and the demand for clean air", Journal of Environmental
    Economics and Management 5 (1978).
    """
    lines = files(__package__).joinpath("boston.csv").read_text(encoding="utf-8").splitlines()
    *names, target = lines[0].split(",")
    numbers = np.array([line.split(",") for line in lines[1:]], dtype=np.float64)
    table = Table(
        data=numbers[:, :-1],
        target=numbers[:, -1],
        feature_names=names,
        class_names=[],
        name="boston",
        description=(
            "Median home values in 506 census tracts around Boston and what the tracts are like (Harrison and "
            f"Rubinfeld, 1978). {NOTE_ON_B}"
        ),
        target_name=f"{target} ({BOSTON_COLUMNS[target].unit})",
    )
    return without_columns(table, without)
