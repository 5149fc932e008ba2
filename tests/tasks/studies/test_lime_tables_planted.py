"""Planted tables: the truth is what it is said to be, and LIME finds it for every seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.tasks.studies.lime_tables.planted import (
    PLANTED,
    planted_class,
    planted_table,
    recover,
    right_signs,
)
from twinlens.tasks.studies.lime_tables.settings import PlantedTable


def test_the_class_follows_from_three_columns_alone() -> None:
    table = planted_table(400, 5, seed=3)
    columns = [table.feature_names.index(name) for name in PLANTED]
    for row, target in zip(table.data, table.target, strict=True):
        smell, spots, ring = (table.categories[column][int(row[column])] for column in columns)
        assert target == int(smell == "foul" or (spots == "yes" and ring == "none"))
    assert 0.2 < table.target.mean() < 0.6
    assert table.data.shape == (400, 8)


def test_the_seed_decides_the_rows_and_the_order_of_the_columns() -> None:
    one, same, other = (planted_table(50, 6, seed) for seed in (1, 1, 2))
    assert one.feature_names == same.feature_names != other.feature_names
    np.testing.assert_array_equal(one.data, same.data)


def test_the_right_signs_are_those_of_the_mean_over_all_other_categories() -> None:
    """Brute force over all 24 rows, with equal shares as they are drawn."""
    table = planted_table(10, 2, seed=0)
    sizes = [len(names) for names in PLANTED.values()]
    rows = np.array(list(itertools.product(*map(range, sizes))))
    classes = planted_class(*rows.T)
    for row in rows:
        values = np.zeros(len(table.feature_names))
        places = [table.feature_names.index(name) for name in PLANTED]
        values[places] = row
        signs = right_signs(table, values)
        for place, column in enumerate(places):
            own = rows[:, place] == row[place]
            difference = classes[own].mean() - classes[~own].mean()
            assert np.sign(difference) == signs[column]


@pytest.mark.parametrize(("forest", "rows"), [("random_forest", 400), ("gradient_boosting", 200)])
def test_lime_finds_all_planted_columns_with_their_signs_for_twenty_seeds(forest: str, rows: int) -> None:
    (found,) = recover(PlantedTable(seeds=20, rows=rows, samples=1000), [forest], [], [], 0, "cpu").values()
    assert found.recall.tolist() == [1.0] * 20
    assert found.signs.tolist() == [1.0] * 20
    assert found.accuracy.min() > 0.95


def test_lime_finds_all_planted_columns_through_a_network(backend: Backend) -> None:
    found = recover(PlantedTable(seeds=20, rows=400, samples=1000), [], [16], [backend.name], 0, "cpu")
    (one,) = found.values()
    assert list(found) == [f"network, {backend.name}"]
    assert one.recall.tolist() == [1.0] * 20
    assert one.signs.tolist() == [1.0] * 20
