"""`ice_pdp` as a whole run: any model, any table, every file and number that is promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from twinlens.backends import Backend
from twinlens.errors import ConfigError, DataError, MissingPackageError, ModelError, TwinlensError
from twinlens.tasks import parse_config, runner
from twinlens.tasks.runner import run

from ...frameworks import ANY, BOTH, need
from ...random_states import random_states

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "ice_pdp.yaml"
SMALL: dict[str, Any] = {"rows": 120, "grid": 5, "pair_grid": 4, "curves": 10, "interaction_rows": 10}
FOREST = {"name": "forest", "options": {"n_estimators": 10}}
NETWORK = {"name": "network", "options": {"hidden": [8]}}


def done(folder: Path, backend: str = "both", **keys: Any) -> dict[str, Any]:
    run(parse_config({"ice_pdp": SMALL | {"models": [FOREST]} | keys, "backend": backend}), folder)
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))["ice_pdp"]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration that comes with the package, with fewer rows and values, on both frameworks."""
    for framework in BOTH:
        need(framework)
    folder = tmp_path_factory.mktemp("ice_pdp") / "run"
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["ice_pdp"] |= SMALL
    before = random_states()
    run(parse_config(config), folder)
    assert random_states() == before
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))["ice_pdp"]
    return found


def test_every_promised_file_is_there(folder: Path) -> None:
    names = {f"ice_pdp_boston_{what}.png" for what in ("curves", "centred", "rm_lstat")}
    assert {path.name for path in (folder / "figures").iterdir()} == names
    for name in names:
        pixels = cv2.imread(str(folder / "figures" / name))
        assert pixels is not None
        assert pixels.std() > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in ("network (torch)", "network (paddle)", "xgboost", "disagreement", "Interaction of RM and LSTAT"):
        assert words in page


def test_every_model_has_its_scores_and_curves(results: dict[str, Any]) -> None:
    assert set(results["models"]) == {"forest", "xgboost", "network (torch)", "network (paddle)"}
    for model in results["models"].values():
        assert model["training"] > model["held_out"]
        assert list(model["features"]) == ["RM", "LSTAT", "AGE"]
        for curves in model["features"].values():
            assert len(curves["grid"]) == len(curves["average"]) == len(curves["standard_error"]) == 5
            assert 0 <= curves["disagreement"] <= 1
            assert 0 <= curves["rows_against_the_average"] <= 1
        assert model["pairs"][0]["interaction"] >= 0
    rooms = results["models"]["forest"]["features"]["RM"]
    assert rooms["change"] > 5 * rooms["change_error"] > 0


def test_both_frameworks_draw_the_same_curves(results: dict[str, Any]) -> None:
    assert results["network_difference"] < 1e-3


def test_the_saved_curves_are_those_of_the_results(folder: Path, results: dict[str, Any]) -> None:
    with np.load(folder / "explanations" / "ice_pdp_boston.npz", allow_pickle=False) as saved:
        for model, found in results["models"].items():
            for feature, curves in found["features"].items():
                ice = saved[f"{model}/{feature}/ice"]
                assert ice.shape == (120, 5)
                np.testing.assert_allclose(ice.mean(axis=0), curves["average"])
                np.testing.assert_array_equal(saved[f"{model}/{feature}/grid"], curves["grid"])


def test_a_classifier_on_one_framework_shows_the_probability_of_the_chosen_class(
    backend: Backend, tmp_path: Path
) -> None:
    found = done(
        tmp_path / "run",
        backend.name,
        table="iris",
        models=[NETWORK, "linear"],
        features=["petal length (cm)"],
        pairs=[],
        explained_class="virginica",
    )
    assert (found["explained_class"], found["score"], found["network_difference"]) == ("virginica", "accuracy", None)
    assert set(found["models"]) == {f"network ({backend.name})", "linear"}
    for model in found["models"].values():
        average = model["features"]["petal length (cm)"]["average"]
        assert all(0 <= probability <= 1 for probability in average)
        assert average[-1] > average[0] + 0.2


def test_any_class_of_scikit_learn_is_a_model_and_needs_no_framework(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "chosen_backends", lambda *_: pytest.fail("no framework is needed"))
    models = [{"name": "SVR", "options": {"C": 20}}, "KNeighborsRegressor", "linear"]
    found = done(tmp_path / "run", models=models, features=["RM"], pairs=[])
    assert list(found["models"]) == ["SVR", "KNeighborsRegressor", "linear"]
    assert found["models"]["linear"]["features"]["RM"]["disagreement"] < 1e-12
    assert found["models"]["SVR"]["features"]["RM"]["disagreement"] > 0


def test_a_file_with_two_classes_and_a_feature_of_categories(tmp_path: Path) -> None:
    path = tmp_path / "fruits.csv"
    lines = [f"{('foul', 'none', 'sweet')[i % 3]},{i % 7},{'bad' if i % 3 == 0 else 'good'}" for i in range(60)]
    path.write_text("\n".join(["smell,size,kind", *lines]), encoding="utf-8")
    found = done(tmp_path / "run", table=str(path), features=["smell", "size"], pairs=[], models=[FOREST, "linear"])
    assert (found["answer"], found["explained_class"]) == ("probability of good", "good")
    for model in found["models"].values():
        foul, none, sweet = model["features"]["smell"]["average"]
        assert foul < 0.5 < min(none, sweet)
        assert model["features"]["smell"]["slope_spread"] is None


def test_a_table_of_ones_own_shows_its_first_columns_and_no_pair(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "\n".join(["a,b,c,d,y", *(f"{i},{i % 7},{i % 5},{i % 3},{i * i}" for i in range(40))]), encoding="utf-8"
    )
    (model,) = done(tmp_path / "run", table={"name": str(path)})["models"].values()
    assert (list(model["features"]), model["pairs"]) == (["a", "b", "c"], [])


def test_boston_shows_its_usual_features_and_pair(tmp_path: Path) -> None:
    (model,) = done(tmp_path / "run")["models"].values()
    assert (list(model["features"]), len(model["pairs"])) == (["RM", "LSTAT", "AGE"], 1)


def test_a_class_of_one_row_gets_a_cure_that_there_is(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,y", *(f"{i},{'uv'[i % 2]}" for i in range(20)), "20,w"]), encoding="utf-8")
    with pytest.raises(DataError, match=r"class 'w' .* fewer than two rows. Give it more rows, or leave it out.$"):
        done(tmp_path / "run", table=str(path), explained_class="u")


def test_the_same_configuration_gives_the_same_numbers(tmp_path: Path) -> None:
    first, again = (done(tmp_path / name, features=["RM"], pairs=[]) for name in ("a", "b"))
    assert first == again


IRIS: dict[str, Any] = {"table": "iris", "features": ["petal length (cm)"], "pairs": []}
MISTAKES: list[tuple[dict[str, Any], type[TwinlensError], str]] = [
    ({"features": ["ROOMS"]}, ConfigError, "ice_pdp.features: the table has no feature 'ROOMS'"),
    ({"features": []}, ConfigError, "features"),
    ({"features": ["RM", "RM"]}, ConfigError, "'RM' twice"),
    (
        {"pairs": [["RM", "LSTATS"]]},
        ConfigError,
        "ice_pdp.pairs: the table has no feature 'LSTATS'. Did you mean 'LSTAT'",
    ),
    ({"pairs": [["RM", "RM"]]}, ConfigError, "'RM' and itself"),
    ({"pairs": [["RM"]]}, ConfigError, "pairs"),
    ({"percentiles": [0.9, 0.1]}, ConfigError, "from 0.9 to 0.1"),
    ({"percentiles": [0.0, 1.5]}, ConfigError, "percentiles"),
    ({"features": ["ZN"], "percentiles": [0.05, 0.5], "grid": 5}, ConfigError, "same value.*Widen"),
    ({"models": []}, ConfigError, "models"),
    ({"models": ["forrest"]}, ConfigError, "no model 'forrest' that predicts values. Did you mean 'forest'"),
    ({"models": ["SVC"]}, ConfigError, "no model 'SVC' that predicts values"),
    ({"models": [{"name": "forest", "options": {"tree": 5}}]}, ConfigError, "no option 'tree'"),
    ({"models": [{"name": "forest", "options": {"n_estimators": -1}}]}, ModelError, "'forest' cannot be trained"),
    ({"models": [{"name": "network", "options": {"layers": 1}}]}, ConfigError, "The network has no option 'layers'"),
    ({"models": [{"nam": "forest"}]}, ConfigError, "models"),
    ({"models": ["forest", "forest"]}, ConfigError, "'forest' twice"),
    ({"explained_class": "rich"}, ConfigError, "no class 'rich'. Leave explained_class out"),
    (IRIS, ConfigError, "3 classes: setosa, versicolor, virginica. Set ice_pdp.explained_class"),
    (IRIS | {"explained_class": "rosa"}, ConfigError, "no class 'rosa'"),
    (IRIS | {"explained_class": "setosa", "models": ["LinearSVC"]}, ModelError, "gives no probabilities"),
    ({"grid": 1}, ConfigError, "grid"),
]


@pytest.mark.parametrize(("keys", "error", "text"), MISTAKES, ids=[text for *_, text in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_nothing(
    keys: dict[str, Any], error: type[TwinlensError], text: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=text) as caught:
        done(tmp_path / "run", ANY, **keys)
    assert "\n" not in str(caught.value)
    assert caught.value.cure
    assert list(tmp_path.iterdir()) == []


def test_categories_cannot_be_paired(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,y", *(f"{i},{'uv'[i % 2]},{i * i}" for i in range(20))]), encoding="utf-8")
    with pytest.raises(ConfigError, match="'b' of a pair holds categories"):
        done(tmp_path / "run", table=str(path), features=["a"], pairs=[["a", "b"]])


def test_a_missing_xgboost_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xgboost", None)
    with pytest.raises(MissingPackageError, match="pip install xgboost"):
        done(tmp_path / "run", models=["xgboost"])
