"""The bundled housing table, held against the statistics that are published of it."""

from __future__ import annotations

import numpy as np
import pytest

from twinlens.datasets import BOSTON_COLUMNS, NOTE_ON_B, boston, without_columns
from twinlens.errors import DataError

# Mean, standard deviation, minimum, quartiles and maximum of each column, as pandas describes the table of 1978.
PUBLISHED = """\
CRIM 3.613524 8.601545 0.006320 0.082045 0.256510 3.677083 88.976200
ZN 11.363636 23.322453 0 0 0 12.5 100
INDUS 11.136779 6.860353 0.46 5.19 9.69 18.1 27.74
CHAS 0.069170 0.253994 0 0 0 0 1
NOX 0.554695 0.115878 0.385 0.449 0.538 0.624 0.871
RM 6.284634 0.702617 3.561 5.8855 6.2085 6.6235 8.78
AGE 68.574901 28.148861 2.9 45.025 77.5 94.075 100
DIS 3.795043 2.105710 1.1296 2.100175 3.20745 5.188425 12.1265
RAD 9.549407 8.707259 1 4 5 24 24
TAX 408.237154 168.537116 187 279 330 666 711
PTRATIO 18.455534 2.164946 12.6 17.4 19.05 20.2 22
B 356.674032 91.294864 0.32 375.3775 391.44 396.225 396.9
LSTAT 12.653063 7.141062 1.73 6.95 11.36 16.955 37.97
MEDV 22.532806 9.197104 5 17.025 21.2 25 50
"""
# The first and the last tract in full.
FIRST = [0.00632, 18, 2.31, 0, 0.538, 6.575, 65.2, 4.09, 1, 296, 15.3, 396.9, 4.98, 24.0]
LAST = [0.04741, 0, 11.93, 0, 0.573, 6.03, 80.8, 2.505, 1, 273, 21, 396.9, 7.88, 11.9]


@pytest.mark.parametrize("line", PUBLISHED.splitlines(), ids=lambda line: line.split()[0])
def test_every_column_has_its_published_statistics(line: str) -> None:
    name, *numbers = line.split()
    table = boston()
    column = table.target if name == "MEDV" else table.data[:, table.feature_names.index(name)]
    assert column.shape == (506,)
    found = [column.mean(), column.std(ddof=1), column.min(), *np.quantile(column, (0.25, 0.5, 0.75)), column.max()]
    np.testing.assert_allclose(found, [float(number) for number in numbers], atol=6e-7)


def test_rows_are_in_the_published_order() -> None:
    table = boston()
    np.testing.assert_array_equal([*table.data[0], table.target[0]], FIRST)
    np.testing.assert_array_equal([*table.data[-1], table.target[-1]], LAST)


def test_sixteen_homes_stand_at_the_value_where_the_target_was_cut_off() -> None:
    assert (boston().target == 50).sum() == 16


def test_it_is_a_regression_whose_columns_have_units_and_meanings() -> None:
    table = boston()
    assert (table.class_names, table.target_name, dict(table.categories)) == ([], "MEDV ($1000)", {})
    assert [*table.feature_names, "MEDV"] == list(BOSTON_COLUMNS)
    assert all(column.unit and column.meaning for column in BOSTON_COLUMNS.values())


def test_the_column_that_encodes_race_is_told_of_and_can_be_left_out() -> None:
    assert NOTE_ON_B in boston().description
    assert "race" in BOSTON_COLUMNS["B"].meaning
    table = boston(without=["B"])
    assert "B" not in table.feature_names
    np.testing.assert_array_equal(table.data, np.delete(boston().data, 11, axis=1))


def test_columns_that_do_not_exist_or_all_columns_cannot_be_left_out() -> None:
    with pytest.raises(DataError, match=r"no feature 'LSTATS' to leave out\. Did you mean 'LSTAT'"):
        boston(without=["LSTATS"])
    with pytest.raises(DataError, match="No feature of the table 'boston' is left"):
        without_columns(boston(), boston().feature_names)
