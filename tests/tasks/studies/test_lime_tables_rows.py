"""Which table and which rows `lime_tables` explains: what is meant is found, what cannot be meant is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from twinlens.datasets import Table, iris
from twinlens.errors import ConfigError, DataError
from twinlens.tasks import parse_config
from twinlens.tasks.studies.lime_tables.rows import (
    chosen_rows,
    class_number,
    cut_into_classes,
    hold_out,
    load_classes,
    shown_value,
)
from twinlens.tasks.studies.lime_tables.settings import LimeTables
from twinlens.tasks.tables_split import Split

FIRST = Split(np.arange(20), np.arange(20, 40), "ordered")


def make_table() -> Table:
    rng = np.random.default_rng(0)
    return Table(
        data=np.column_stack([rng.integers(3, size=40), rng.integers(2, size=40), rng.normal(size=40)]).astype(float),
        target=np.arange(40) % 2,
        feature_names=["odor", "bruises", "height"],
        class_names=["edible", "poisonous"],
        name="few",
        description="",
        categories={0: ["foul", "none", "1.5"], 1: ["no", "yes"]},
    )


def test_a_row_by_number_comes_with_its_class_and_whether_it_was_held_out() -> None:
    table = make_table()
    seen, unseen = chosen_rows(table, [3, 21], FIRST)
    np.testing.assert_array_equal(seen.values, table.data[3])
    assert (seen.name, seen.held_out, seen.true_class) == ("row 3", False, "poisonous")
    assert (unseen.held_out, unseen.true_class) == (True, "poisonous")
    assert not np.shares_memory(seen.values, table.data)


def test_a_given_row_is_read_by_column_in_any_order() -> None:
    (found,) = chosen_rows(make_table(), [{"height": 2, "bruises": "yes", "odor": "none"}], FIRST)
    assert found.values.tolist() == [1, 1, 2]
    assert (found.name, found.held_out, found.true_class) == ("given row 1", True, None)


def test_a_given_row_that_stands_among_the_rows_trained_on_is_not_held_out() -> None:
    table = make_table()
    names = {name: shown_value(table, column, table.data[5, column]) for column, name in enumerate(table.feature_names)}
    assert not chosen_rows(table, [names], FIRST)[0].held_out
    names = {
        name: shown_value(table, column, table.data[25, column]) for column, name in enumerate(table.feature_names)
    }
    assert chosen_rows(table, [names], FIRST)[0].held_out


def test_what_yaml_makes_of_no_yes_and_numbers_is_found_among_the_categories() -> None:
    row = yaml.safe_load("{odor: 1.5, bruises: no, height: -1}")
    assert row["bruises"] is False
    settings = parse_config({"lime_tables": {"table": "iris", "rows": [row]}}).lime_tables
    assert settings is not None
    assert chosen_rows(make_table(), settings.rows, FIRST)[0].values.tolist() == [2, 0, -1]
    (found,) = chosen_rows(make_table(), [{**row, "bruises": True}], FIRST)
    assert found.values[1] == 1


GIVEN = {"odor": "foul", "bruises": "yes", "height": 0.5}
BAD: list[tuple[Any, str, str]] = [
    (40, "Row 40 does not exist", "0 to 39"),
    ({**GIVEN, "odor": "fuol"}, "'odor' has no category 'fuol' .given row 1", "Did you mean 'foul'"),
    ({**GIVEN, "odor": True}, "'odor' has no category 'yes'", "foul, none"),
    ({**GIVEN, "odor": [1, 2]}, r"has \[1, 2\] in the column 'odor'", "name of a category"),
    ({**GIVEN, "height": None}, "has None in the column 'height'", "Give a number"),
    ({**GIVEN, "odor": 3}, "'odor' has no category '3'", "foul"),
    ({**GIVEN, "odor": 3.0}, "'odor' has no category '3'", "foul"),
    ({**GIVEN, "odour": "foul"}, "no column 'odour'", "Did you mean 'odor'"),
    ({"odor": "foul"}, "leaves out 2 of 3 columns: 'bruises', 'height'", "every column"),
    ({**GIVEN, "height": "tall"}, "'tall' in the column 'height'", "finite number"),
    ({**GIVEN, "height": float("nan")}, "'nan' in the column 'height'", "finite number"),
    ({**GIVEN, "height": float("inf")}, "'inf' in the column 'height'", "finite number"),
    ({**GIVEN, "height": False}, "'False' in the column 'height'", "finite number"),
]


@pytest.mark.parametrize(("row", "cause", "cure"), BAD)
def test_a_row_that_cannot_be_is_named(row: Any, cause: str, cure: str) -> None:
    with pytest.raises(DataError, match=cause) as caught:
        chosen_rows(make_table(), [row], FIRST)
    assert cure in caught.value.cure
    assert "\n" not in str(caught.value)


def test_a_class_is_named_or_left_to_the_model() -> None:
    assert class_number(make_table(), "poisonous") == 1
    assert class_number(make_table(), None) is None
    with pytest.raises(ConfigError, match=r"no class 'poisonos'.*Did you mean 'poisonous'"):
        class_number(make_table(), "poisonos")


def test_a_target_of_real_numbers_is_cut_into_classes_of_equal_size() -> None:
    table = replace(make_table(), target=np.arange(40.0), class_names=[], target_name="price")
    found = cut_into_classes(table, 4)
    assert np.bincount(found.target).tolist() == [10, 10, 10, 10]
    assert found.class_names == ["price ≤ 9.75", "9.75 < price ≤ 19.5", "19.5 < price ≤ 29.25", "price > 29.25"]


def test_classes_say_what_their_edges_include() -> None:
    table = replace(make_table(), target=np.repeat([1.0, 2.0, 3.0, 9.0], 10), class_names=[])
    found = cut_into_classes(table, 2)
    assert found.class_names == ["target ≤ 2.5", "target > 2.5"]
    found = cut_into_classes(replace(table, target=np.repeat([1.0, 2.0, 2.0, 9.0], 10)), 2)
    assert found.class_names == ["target ≤ 2", "target > 2"]
    assert np.bincount(found.target).tolist() == [30, 10]


def test_a_target_that_is_nearly_always_the_same_cannot_be_cut() -> None:
    table = replace(make_table(), target=np.array([0.0] + [5.0] * 39), class_names=[])
    with pytest.raises(DataError, match=r"have the target 5\."):
        cut_into_classes(table, 2)


def test_boston_is_learnt_as_classes_of_its_price() -> None:
    table = load_classes(LimeTables.model_validate({"table": "boston", "bins": 3}))
    assert len(table.class_names) == 3
    assert np.bincount(table.target).min() > 160


def test_a_limit_on_the_rows_learnt_from_leaves_every_class_a_row() -> None:
    table = iris()
    rare = np.where(np.arange(150) < 2, 2, np.arange(150) % 2)
    table = replace(table, target=rare)
    settings = LimeTables.model_validate({"table": "iris", "train_rows": 10, "split": "none"})
    split = hold_out(table, settings, 0)
    assert len(split.train) == 10
    assert set(rare[split.train]) == {0, 1, 2}
    assert (np.diff(split.train) > 0).all()


def test_a_quarter_is_held_out_by_default() -> None:
    split = hold_out(iris(), LimeTables.model_validate({"table": "iris"}), 0)
    assert (len(split.train), len(split.test)) == (113, 37)


SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"rows": []}, "rows"),
    ({"rows": [-1]}, "rows"),
    ({"rows": [1, 1]}, "rows holds 1 twice"),
    ({"models": ["random_forest", "random_forest"]}, "models holds random_forest twice"),
    ({"models": ["forest"]}, "models"),
    ({"samples": 99}, "samples"),
    ({"repeats": 1}, "repeats"),
    ({"bins": 1}, "bins"),
    ({"network": {"hidden": []}}, "hidden"),
    ({"planted": {"rows": 10}}, "rows"),
]


@pytest.mark.parametrize(("settings", "said"), SETTINGS)
def test_settings_out_of_bounds_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_config({"lime_tables": settings})
    assert "\n" not in str(caught.value)


def test_the_table_of_a_file_has_its_categories(tmp_path: Path) -> None:
    lines = ["smell,size,kind", *(f"{'foul' if i % 3 else 'none'},{i},{'bad' if i % 3 else 'good'}" for i in range(30))]
    (tmp_path / "few.csv").write_text("\n".join(lines), encoding="utf-8")
    table = load_classes(LimeTables.model_validate({"table": {"name": str(tmp_path / "few.csv"), "target": "kind"}}))
    assert table.categories == {0: ["foul", "none"]}
    assert table.class_names == ["bad", "good"]
