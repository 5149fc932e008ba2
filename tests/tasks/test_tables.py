"""LIME and SHAP on tables: exact where theory says exact, reproducible, and plain about bad input."""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from twinlens.errors import (
    ConfigError,
    DataError,
    MethodError,
    MissingPackageError,
    TargetError,
    TwinlensError,
)
from twinlens.tasks.tables import tables_section
from twinlens.tasks.tables_lime import LimeRow, explain_row_with_lime
from twinlens.tasks.tables_shap import TreeShap, explain_with_tree_shap
from twinlens.tasks.tables_split import split_rows

FAST = {"samples": 400, "repeats": 2}


def make_table(**changes: Any) -> Any:
    bunch = load_iris()
    table = {
        "data": bunch.data.copy(),
        "target": bunch.target.copy(),
        "feature_names": list(bunch.feature_names),
        "class_names": [str(name) for name in bunch.target_names],
        "name": "iris",
        "description": "",
        "categories": {},
    }
    return SimpleNamespace(**{**table, **changes})


def make_linear_table(rows: int = 240) -> Any:
    """Class 1 if 3 a - b > 0; c and d are noise."""
    data = np.random.default_rng(5).uniform(-1, 1, (rows, 4))
    target = (3 * data[:, 0] - data[:, 1] > 0).astype(int)
    return make_table(data=data, target=target, feature_names=list("abcd"), class_names=["no", "yes"], name="linear")


@pytest.fixture(scope="module")
def lime() -> LimeRow:
    return explain_row_with_lime(make_table(), 81, seed=3, samples=1500, repeats=3)


@pytest.fixture(scope="module")
def trees() -> TreeShap:
    return explain_with_tree_shap(make_table(), 30, trees=25)


def global_state() -> str:
    return repr(np.random.get_bit_generator().state)  # type: ignore[attr-defined]


# Shapley values from their definition, on trees walked node by node.


def _expectation(nodes: dict[str, Any], node: str, row: np.ndarray, known: tuple[int, ...]) -> float:
    """Output of a tree whose unknown features follow both branches, weighted by the training rows in each."""
    here = nodes[node]
    if here.Feature == "Leaf":
        return float(here.Gain)
    feature = int(here.Feature[1:])
    if feature in known:
        return _expectation(
            nodes, here.Yes if np.float32(row[feature]) < np.float32(here.Split) else here.No, row, known
        )
    branches = [(nodes[child].Cover, _expectation(nodes, child, row, known)) for child in (here.Yes, here.No)]
    return sum(cover * value for cover, value in branches) / sum(cover for cover, _ in branches)


def _game(trees: TreeShap, row: np.ndarray) -> dict[tuple[int, ...], float]:
    """Worth of every coalition of features."""
    frame = trees.booster.get_booster().trees_to_dataframe()
    forest = [{node.ID: node for node in tree.itertuples()} for _, tree in frame.groupby("Tree")]
    intercept = float(np.ravel(trees.booster.intercept_)[0])
    features = range(trees.data.shape[1])
    coalitions = itertools.chain.from_iterable(
        itertools.combinations(features, size) for size in range(len(features) + 1)
    )
    return {
        known: intercept + sum(_expectation(nodes, next(iter(nodes)), row, known) for nodes in forest)
        for known in coalitions
    }


def _with(known: tuple[int, ...], *more: int) -> tuple[int, ...]:
    return tuple(sorted({*known, *more}))


@pytest.mark.parametrize("row", [0, 30, 106])
def test_shap_values_are_the_shapley_values_of_the_conditional_expectation_game(trees: TreeShap, row: int) -> None:
    worth, d = _game(trees, trees.data[row]), trees.data.shape[1]
    for i in range(d):
        expected = sum(
            math.factorial(len(s))
            * math.factorial(d - len(s) - 1)
            / math.factorial(d)
            * (worth[_with(s, i)] - worth[s])
            for s in worth
            if i not in s
        )
        assert trees.values[row, i] == pytest.approx(expected, abs=1e-5)
    assert trees.base == pytest.approx(worth[()], abs=1e-5)
    assert trees.predictions[row] == pytest.approx(worth[tuple(range(d))], abs=1e-5)


def test_interaction_values_are_shapley_interaction_indices_of_the_same_game(trees: TreeShap) -> None:
    row = 77
    worth, d = _game(trees, trees.data[row]), trees.data.shape[1]
    for i, j in itertools.permutations(range(d), 2):
        expected = sum(
            math.factorial(len(s))
            * math.factorial(d - len(s) - 2)
            / (2 * math.factorial(d - 1))
            * (worth[_with(s, i, j)] - worth[_with(s, i)] - worth[_with(s, j)] + worth[s])
            for s in worth
            if i not in s and j not in s
        )
        assert trees.interactions[row, i, j] == pytest.approx(expected, abs=1e-5)


def test_base_and_shap_values_add_up_to_every_prediction(trees: TreeShap) -> None:
    np.testing.assert_allclose(trees.base + trees.values.sum(axis=1), trees.predictions, atol=1e-5)
    assert trees.additivity_error < 1e-5


def test_the_base_value_is_the_mean_prediction_on_the_rows_trained_on(trees: TreeShap) -> None:
    assert trees.base == pytest.approx(trees.predictions[trees.split.train].mean(), abs=1e-4)


def test_interactions_are_symmetric_and_their_rows_add_up_to_the_shap_values(trees: TreeShap) -> None:
    np.testing.assert_allclose(trees.interactions, trees.interactions.transpose(0, 2, 1), atol=1e-5)
    np.testing.assert_allclose(trees.interactions.sum(axis=2), trees.values, atol=1e-5)
    assert trees.interaction_error < 1e-5


def test_the_partner_of_a_feature_is_the_one_it_interacts_with_most(trees: TreeShap) -> None:
    strength = np.abs(trees.interactions).mean(axis=0)
    for feature in range(4):
        partner = trees.partner(feature)
        assert partner != feature
        assert all(strength[feature, partner] >= strength[feature, other] for other in range(4) if other != feature)


def test_a_classifier_is_explained_in_log_odds_of_one_class() -> None:
    result = explain_with_tree_shap(make_table(), 30, model="classifier", target=2, trees=10)
    margins = result.booster.predict(result.data, output_margin=True)
    np.testing.assert_allclose(result.base + result.values.sum(axis=1), margins[:, 2], atol=1e-4)
    assert "virginica" in result.output
    assert result.score is not None
    assert result.score > 0.8


def test_the_predicted_class_is_explained_when_none_is_given() -> None:
    assert explain_with_tree_shap(make_table(), 120, model="classifier", trees=10).target == 2


def test_the_two_classes_of_a_binary_classifier_have_opposite_values() -> None:
    yes, no = (explain_with_tree_shap(make_linear_table(), 3, model="classifier", target=t, trees=10) for t in (1, 0))
    np.testing.assert_allclose(yes.values, -no.values)
    assert yes.base == -no.base
    assert no.additivity_error < 1e-4


def test_a_target_of_real_numbers_needs_no_classes() -> None:
    data = np.random.default_rng(1).normal(size=(80, 3))
    target = 1e5 * (data[:, 0] + data[:, 1] * data[:, 2])
    table = make_table(data=data, target=target, feature_names=["p", "q", "r"], class_names=[])
    result = explain_with_tree_shap(table, 4, trees=40)
    np.testing.assert_allclose(result.base + result.values.sum(axis=1), result.predictions, rtol=1e-3, atol=100)


def test_values_that_do_not_add_up_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import shap

    honest = shap.TreeExplainer.shap_values
    monkeypatch.setattr(shap.TreeExplainer, "shap_values", lambda self, data: honest(self, data) + 0.01)
    with pytest.raises(MethodError, match=r"miss their sum by 0\.04"):
        explain_with_tree_shap(make_table(), trees=5)


# LIME


def test_lime_finds_the_planted_feature_and_its_sign() -> None:
    table = make_linear_table()
    row = int(np.flatnonzero((table.data[:, 0] > 0.6) & (table.data[:, 1] > 0.6))[0])
    result = explain_row_with_lime(table, row, target=1, samples=2000, repeats=2)
    assert "a" in result.ranking()[0][0]
    assert result.weights[0] > 0 > result.weights[1]
    assert np.abs(result.weights[2:]).max() < 0.2 * result.weights[0]
    assert "b" in result.ranking()[1][0]


def test_lime_weights_of_the_two_classes_are_opposite() -> None:
    yes, no = (explain_row_with_lime(make_linear_table(), 7, target=t, **FAST) for t in (1, 0))
    np.testing.assert_allclose(yes.weights, -no.weights, atol=1e-9)


def test_the_local_prediction_is_the_intercept_plus_all_weights(lime: LimeRow) -> None:
    assert lime.local_prediction == pytest.approx(lime.intercept + lime.weights.sum())
    assert lime.error == pytest.approx(abs(lime.local_prediction - lime.probabilities[lime.target]))


def test_each_rule_names_its_feature_and_holds_for_the_row(lime: LimeRow) -> None:
    for rule, name, value in zip(lime.rules, lime.feature_names, lime.values, strict=True):
        below, found, above = rule.partition(name)
        assert found
        if below:
            assert float(below.rstrip("< ")) < value + 0.01
        if "<=" in above:
            assert value <= float(above.strip("<= ")) + 0.01
        if ">" in above:
            assert value > float(above.strip("> ")) - 0.01


def test_the_predicted_class_is_explained_by_default(lime: LimeRow) -> None:
    assert lime.target == lime.probabilities.argmax() == 1
    assert lime.probabilities.sum() == pytest.approx(1)


def test_the_same_seed_gives_the_same_explanation_and_another_seed_another(lime: LimeRow) -> None:
    again = explain_row_with_lime(make_table(), 81, seed=3, samples=1500, repeats=3)
    np.testing.assert_array_equal(again.weights, lime.weights)
    np.testing.assert_array_equal(again.weights_std, lime.weights_std)
    other = explain_row_with_lime(make_table(), 81, seed=4, samples=1500, repeats=3)
    assert not np.array_equal(other.weights, lime.weights)


def test_more_samples_leave_less_spread() -> None:
    few, many = (explain_row_with_lime(make_table(), 81, samples=n, repeats=5) for n in (150, 3000))
    assert many.weights_std.mean() < 0.5 * few.weights_std.mean()


def test_a_single_draw_has_no_spread() -> None:
    result = explain_row_with_lime(make_table(), 81, samples=200, repeats=1)
    np.testing.assert_array_equal(result.weights_std, 0)


def test_the_accuracy_is_that_of_rows_never_trained_on(lime: LimeRow) -> None:
    assert not set(lime.split.train) & set(lime.split.test)
    assert lime.accuracy is not None
    assert lime.accuracy > 0.85


# Splits


def test_a_stratified_split_holds_back_the_same_share_of_each_class() -> None:
    split = split_rows(make_table(), "stratified", 30)
    np.testing.assert_array_equal(np.bincount(make_table().target[split.test]), [10, 10, 10])
    np.testing.assert_array_equal(np.sort(np.concatenate([split.train, split.test])), np.arange(150))


def test_an_ordered_split_tests_the_last_rows_as_the_source_does() -> None:
    split = split_rows(make_table(), "ordered", 10)
    np.testing.assert_array_equal(split.train, np.arange(140))
    np.testing.assert_array_equal(split.test, np.arange(140, 150))
    assert split.holds_out(145)
    assert not split.holds_out(139)


def test_without_a_split_there_is_no_score() -> None:
    result = explain_with_tree_shap(make_table(), split="none", trees=5)
    assert result.score is None
    assert len(result.split.train) == 150
    assert explain_row_with_lime(make_table(), split="none", **FAST).accuracy is None


# Bad input


def _nan() -> Any:
    data = load_iris().data.copy()
    data[17, 2] = np.nan
    return make_table(data=data)


BAD: list[tuple[Callable[[], Any], type[TwinlensError], str]] = [
    (lambda: explain_row_with_lime(make_table(), 150), DataError, "Row 150 .* 0 to 149"),
    (lambda: explain_row_with_lime(make_table(), -1), DataError, "Row -1"),
    (lambda: explain_row_with_lime(make_table(), 1.5), DataError, r"Row 1\.5"),  # type: ignore[arg-type]
    (lambda: explain_with_tree_shap(make_table(), 150), DataError, "Row 150"),
    (lambda: explain_row_with_lime(_nan()), DataError, "'petal length .cm.'.* row 17"),
    (lambda: explain_with_tree_shap(_nan()), DataError, "1 NaN"),
    (lambda: explain_row_with_lime(make_table(target=np.ones(150, int))), DataError, "same target, 1"),
    (lambda: explain_with_tree_shap(make_table(target=np.zeros(150))), DataError, "same target"),
    (lambda: explain_with_tree_shap(make_table(target=np.full(150, np.nan))), DataError, "target .*NaN"),
    (lambda: explain_row_with_lime(make_table(target=np.arange(150))), DataError, "names 3 classes.*value 3"),
    (lambda: explain_row_with_lime(make_table(class_names=[])), DataError, "no classes"),
    (lambda: explain_row_with_lime(make_table(data=np.ones((9, 4)), target=np.arange(9) % 3)), DataError, "9 rows"),
    (lambda: explain_row_with_lime(make_table(feature_names=["one"])), DataError, "1 feature names"),
    (lambda: explain_with_tree_shap(make_table(data=np.ones(150))), DataError, "does not fit together"),
    (lambda: explain_row_with_lime(make_table(), target=3), TargetError, "no class 3.*0 to 2"),
    (lambda: explain_with_tree_shap(make_table(), target=1), TargetError, "regressor.*Leave the target out"),
    (lambda: explain_with_tree_shap(make_table(), model="classifier", target=9), TargetError, "0 to 2"),
    (lambda: explain_with_tree_shap(make_table(), model="clasifier"), ConfigError, "Did you mean 'classifier'"),
    (lambda: explain_with_tree_shap(make_table(), trees=0), ConfigError, "trees 0"),
    (lambda: explain_row_with_lime(make_table(), samples=3), ConfigError, "samples 3"),
    (lambda: explain_row_with_lime(make_table(), split="stratifed"), ConfigError, "Did you mean 'stratified'"),
    (lambda: explain_row_with_lime(make_table(), test_rows=150), ConfigError, "test_rows is 150.*3 to 145"),
    (lambda: explain_row_with_lime(make_table(), test_rows=0), ConfigError, "test_rows is 0"),
    (lambda: explain_row_with_lime(make_table(), split="ordered", test_rows=50), DataError, "'virginica' is left"),
    (lambda: explain_row_with_lime(make_table(target=np.arange(150) // 149)), DataError, "'versicolor'.* two rows"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_input_is_one_line_that_names_it(call: Callable[[], Any], error: type[TwinlensError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("module", "package", "call"),
    [
        ("lime.lime_tabular", "lime", explain_row_with_lime),
        ("shap", "shap", explain_with_tree_shap),
        ("xgboost", "xgboost", explain_with_tree_shap),
    ],
)
def test_a_missing_package_is_named_with_the_way_to_get_it(
    module: str, package: str, call: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=f"pip install {package}$"):
        call(make_table())


# The section of the report


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("run")
    before = random.getstate(), global_state()
    chosen = {"dependence": "petal length (cm)", "interaction": "sepal width (cm)"}
    result = tables_section(folder, make_table(), **FAST, **chosen)
    assert (random.getstate(), global_state()) == before, "the generators of Python and NumPy belong to the user"
    return folder, result


def test_every_file_that_the_section_names_is_written(section: tuple[Path, dict[str, Any]]) -> None:
    folder, result = section
    assert len(result["figures"]) == 8
    for figure in result["figures"]:
        assert (folder / figure["path"]).read_bytes().startswith(b"\x89PNG")
        assert figure["title"]
        assert figure["caption"]
    for page in result["html"]:
        assert (folder / page["path"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    named = {item["path"] for key in ("figures", "html") for item in result[key]}
    assert named == {f"figures/{path.name}" for path in (folder / "figures").iterdir()}


def test_the_numbers_and_tables_are_plain_json(section: tuple[Path, dict[str, Any]]) -> None:
    result = section[1]
    numbers = json.loads(json.dumps({"numbers": result["numbers"], "tables": result["tables"]}, allow_nan=False))
    assert numbers["numbers"]["tree_shap"]["additivity_error"] < 1e-5
    assert {weight["rule"] for weight in numbers["numbers"]["lime"]["weights"]}
    for table in numbers["tables"]:
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


def test_the_table_of_one_sample_adds_up_to_the_prediction(section: tuple[Path, dict[str, Any]]) -> None:
    rows = section[1]["tables"][1]["rows"]
    contributions = [row[-1] for row in rows[:-2]]
    assert [row[0] for row in rows[-3:]] == ["base value", "sum", "prediction"]
    assert sum(contributions) == pytest.approx(rows[-1][-1], abs=5e-4)
    assert rows[-2][-1] == pytest.approx(rows[-1][-1], abs=1e-4)


def test_the_arrays_are_saved_without_pickle(section: tuple[Path, dict[str, Any]]) -> None:
    folder, result = section
    with np.load(folder / "explanations" / "iris_tree_shap.npz", allow_pickle=False) as saved:
        assert saved["values"].shape == (150, 4)
        np.testing.assert_allclose(saved["base"] + saved["values"].sum(axis=1), saved["predictions"], atol=1e-5)
        assert list(saved["feature_names"]) == make_table().feature_names
    with np.load(folder / "explanations" / "iris_lime.npz", allow_pickle=False) as saved:
        kept = {str(rule): weight for rule, weight in zip(saved["rules"], saved["weights"], strict=True)}
    assert kept == {item["rule"]: item["weight"] for item in result["numbers"]["lime"]["weights"]}


def test_an_unknown_feature_is_an_error_and_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'petal length \(cm\)'"):
        tables_section(tmp_path / "run", make_table(), dependence="petal lenght (cm)", **FAST)
    assert not (tmp_path / "run").exists()
