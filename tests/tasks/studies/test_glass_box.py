"""`glass_box` as a whole run: every file and number that is promised, without any framework."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from twinlens.datasets import Table, boston, iris
from twinlens.errors import ConfigError, DataError, MissingPackageError, TwinlensError
from twinlens.tasks import parse_config, runner
from twinlens.tasks.runner import run
from twinlens.tasks.studies.glass_box.report import glass_box_numbers
from twinlens.tasks.studies.glass_box.settings import GlassBox
from twinlens.tasks.studies.glass_box.study import look
from twinlens.tasks.studies.table_choice import TableChoice, hold_out, load_tables

from ...random_states import random_states

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "glass_box.yaml"
SMALL = {"trees": 15, "permutations": 3, "forests": 2, "resamples": 3}


def done(folder: Path, **keys: Any) -> dict[str, Any]:
    run(parse_config({"glass_box": SMALL | keys}), folder)
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))["glass_box"]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration that comes with the package, with fewer trees and permutations, and no framework to be had."""
    folder = tmp_path_factory.mktemp("glass_box") / "run"
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["glass_box"] |= SMALL
    before = random_states()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "chosen_backends", lambda *_: pytest.fail("no framework is needed"))
        run(parse_config(config), folder)
    assert random_states() == before
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))["glass_box"]
    return found


def test_every_promised_figure_is_a_picture(folder: Path) -> None:
    names = {
        f"glass_box_{table}_{what}.png"
        for table in ("boston", "iris")
        for what in ("coefficients", "importance", "random")
    }
    assert {path.name for path in (folder / "figures").iterdir()} == names
    for name in names:
        pixels = cv2.imread(str(folder / "figures" / name))
        assert pixels is not None
        assert pixels.std() > 0


def test_the_report_tells_of_column_b_and_names_what_can_mislead(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in (
        "encodes race",
        "shared with other columns",
        "random, continuous",
        "sign not certain",
        "permuted together",
    ):
        assert words in page


def test_the_published_coefficients_are_in_the_results(results: dict[str, Any]) -> None:
    found = results["boston"]["linear"]["coefficients"]["MEDV ($1000)"]
    for name, coefficient in (("LSTAT", -3.743627), ("DIS", -3.104044), ("RM", 2.674230)):
        assert found[name]["coefficient"] == pytest.approx(coefficient, abs=1e-5)
        assert 0 < found[name]["error"] < 1
    assert results["boston"]["linear"]["doubtful"] == ["RAD", "TAX"]


def test_scores_come_from_rows_held_out(results: dict[str, Any]) -> None:
    for table, name, rows in (("boston", "R²", 506), ("iris", "accuracy", 150)):
        found = results[table]
        assert (found["score"], found["rows"], found["train_rows"] + found["test_rows"]) == (name, rows, rows)
        assert found["scores"]["forest_held_out"] < found["scores"]["forest_training"]
        assert found["scores"]["forest_held_out"] > 0.6


def test_every_feature_and_random_column_has_all_its_numbers(results: dict[str, Any]) -> None:
    for table, features in (("boston", 13), ("iris", 4)):
        found = results[table]
        assert len(found["unique_values"]) == len(found["forest"]["impurity"]) == features
        assert sum(share["mean"] for share in found["forest"]["impurity"].values()) == pytest.approx(1)
        noise = found["random_columns"]
        for measure in ("impurity", "permutation_training", "permutation_held_out"):
            assert len(noise[measure]) == features + 5
        assert noise["impurity"]["random, continuous"]["mean"] > noise["impurity"]["random, 2 values"]["mean"]
    assert results["boston"]["unique_values"]["CHAS"] == 2


def test_the_two_petal_lengths_are_a_group_that_matters_more_together(results: dict[str, Any]) -> None:
    (group,) = results["iris"]["groups"]
    assert {"petal length (cm)", "petal width (cm)"} <= set(group["columns"])
    assert group["drop"] > group["sum_of_single_drops"]
    assert group["correlation"] > 0.9


def looked(table: Table, **keys: Any) -> dict[str, Any]:
    settings = GlassBox(**SMALL | {"trees": 3} | keys)
    return glass_box_numbers(look(table, hold_out(table, 0.25, 3), settings, 3), settings)


def test_the_same_settings_give_the_same_numbers() -> None:
    assert looked(iris()) == looked(iris())


def test_coefficients_of_the_training_rows_alone() -> None:
    found = looked(boston(without=["B"]), linear_rows="train")
    assert found["linear"]["rows"] == found["train_rows"] == 380
    assert "B" not in found["unique_values"]


def test_long_tables_are_cut_to_rows_drawn_from_the_seed() -> None:
    whole = boston()
    first, again, other = (load_tables([TableChoice(name="boston")], 100, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.data, again.data)
    assert not np.array_equal(first.data, other.data)
    places = [int(np.flatnonzero((whole.data == row).all(axis=1))[0]) for row in first.data]
    assert places == sorted(set(places))
    np.testing.assert_array_equal(first.target, whole.target[places])


def test_a_file_with_categories_and_a_useless_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{('wood', 'brick', 'clay')[i % 3]},{rng.random():.4f},{rng.normal() + 5 * (i % 3):.4f}" for i in range(90)
    ]
    path = tmp_path / "huts.csv"
    path.write_text("\n".join(["wall,lucky,price", *rows]), encoding="utf-8")
    found = done(tmp_path / "run", tables=[str(path)])["huts"]
    assert found["target"] == "price"
    assert set(found["linear"]["references"]) == {"wall"}
    assert found["forest"]["impurity"]["wall"]["mean"] > 0.8
    assert found["forest"]["permutation_held_out"]["lucky"]["mean"] < 0.2


def csv(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


MISTAKES: list[tuple[dict[str, Any], type[TwinlensError], str]] = [
    ({"tables": []}, ConfigError, "glass_box.tables"),
    ({"tables": ["bostn"]}, DataError, "no table 'bostn'"),
    ({"tables": ["iris", "iris"]}, DataError, "Two tables have the name 'iris'"),
    ({"tables": [{"name": "boston", "without": ["X"]}]}, DataError, "no feature 'X' to leave out"),
    ({"tables": [{"name": "boston", "targets": "X"}]}, ConfigError, "targets"),
    ({"tables": [3]}, ConfigError, "glass_box.tables"),
    ({"held_out": 1.0}, ConfigError, "held_out"),
    ({"random_values": [1]}, ConfigError, "random_values"),
    ({"vif_limit": 1}, ConfigError, "vif_limit"),
    ({"trees": 0}, ConfigError, "trees"),
]


@pytest.mark.parametrize(("keys", "error", "text"), MISTAKES, ids=[text for *_, text in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_nothing(
    keys: dict[str, Any], error: type[TwinlensError], text: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=text) as caught:
        done(tmp_path / "run", **keys)
    assert "\n" not in str(caught.value)
    assert caught.value.cure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("a,b", *(f"{i},{i % 3}" for i in range(8))), "has 8 rows"),
        (("a,b", *(f"{i},{'rare' if i == 3 else 'common'}" for i in range(30))), "'rare' .* fewer than two rows"),
        (("a,b", *(f"{i},same" for i in range(30))), "'same' in every row"),
    ],
)
def test_a_table_that_nothing_can_be_learnt_from_is_refused(lines: tuple[str, ...], text: str, tmp_path: Path) -> None:
    path = csv(tmp_path, *lines)
    with pytest.raises(DataError, match=text):
        done(tmp_path / "run", tables=[path])
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.csv"]


def test_a_missing_scikit_learn_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(MissingPackageError, match="pip install scikit-learn"):
        done(tmp_path / "run")
