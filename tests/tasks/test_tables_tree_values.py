"""Shapley values of trees against their definition, summed over every set of features."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from twinlens.errors import MethodError
from twinlens.tasks.tables_tree_values import deviation, of_class, tree_interactions, tree_values

with warnings.catch_warnings():
    # shap sets its colour maps in a way that Matplotlib is going to retire.
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

IRIS = load_iris()
ROWS = IRIS.data[[6, 70, 77, 106, 133]]
BACKGROUND = IRIS.data[::17]


def amounts() -> np.ndarray:
    """A target that two features make together, and one alone."""
    return IRIS.data[:, 0] * IRIS.data[:, 2] + 5 * np.sin(IRIS.data[:, 3])


MODELS: dict[str, tuple[Callable[[], Any], Callable[[Any, np.ndarray], np.ndarray], int | None]] = {
    "forest of amounts": (
        lambda: RandomForestRegressor(8, max_depth=5, random_state=0).fit(IRIS.data, amounts()),
        lambda model, rows: model.predict(rows),
        None,
    ),
    "forest of classes": (
        lambda: RandomForestClassifier(12, max_depth=5, random_state=0).fit(IRIS.data, IRIS.target),
        lambda model, rows: model.predict_proba(rows)[:, 2],
        2,
    ),
    "XGBoost of amounts": (
        lambda: xgboost.XGBRegressor(n_estimators=15, max_depth=3, n_jobs=1).fit(IRIS.data, amounts()),
        lambda model, rows: model.predict(rows),
        None,
    ),
    "XGBoost of classes": (
        lambda: xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(IRIS.data, IRIS.target),
        lambda model, rows: model.predict(rows, output_margin=True)[:, 1],
        1,
    ),
    "XGBoost of two classes, the first": (
        lambda: xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(IRIS.data, IRIS.target // 2),
        lambda model, rows: -model.predict(rows, output_margin=True),
        0,
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def grown(request: pytest.FixtureRequest) -> tuple[Any, Callable[[np.ndarray], np.ndarray], int | None]:
    fit, output, target = MODELS[request.param]
    model = fit()
    return model, lambda rows: np.asarray(output(model, rows), dtype=np.float64), target


def by_definition(output: Callable[[np.ndarray], np.ndarray], row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Sum over all sets of features: those in the set are the row's, the others run through the background."""
    d = len(row)
    worth = {}
    for size in range(d + 1):
        for known in itertools.combinations(range(d), size):
            mixed = background.copy()
            mixed[:, list(known)] = row[list(known)]
            worth[frozenset(known)] = float(output(mixed).mean())
    return np.array(
        [
            sum(
                math.factorial(len(s))
                * math.factorial(d - len(s) - 1)
                / math.factorial(d)
                * (worth[s | {i}] - worth[s])
                for s in worth
                if i not in s
            )
            for i in range(d)
        ]
    )


def test_interventional_values_are_shapley_values_by_definition(grown: Any) -> None:
    model, output, target = grown
    found = tree_values(model, ROWS, target, BACKGROUND)
    expected = np.stack([by_definition(output, row, BACKGROUND) for row in ROWS])
    np.testing.assert_allclose(found.values, expected, atol=2e-6 * max(1.0, np.abs(expected).max()))
    assert found.base == pytest.approx(output(BACKGROUND).mean(), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("background", [None, BACKGROUND], ids=["path_dependent", "interventional"])
def test_base_and_values_add_up_to_what_the_trees_say(grown: Any, background: np.ndarray | None) -> None:
    model, output, target = grown
    found = tree_values(model, IRIS.data, target, background)
    np.testing.assert_allclose(found.predictions, output(IRIS.data), atol=1e-6)
    missed = np.abs(found.base + found.values.sum(axis=1) - output(IRIS.data)).max()
    assert missed <= 1e-4 * np.abs(output(IRIS.data) - found.base).max()
    assert found.relative_error == pytest.approx(missed / found.reach, abs=1e-7)
    assert found.absent == ("path_dependent" if background is None else "interventional")


def test_path_dependent_values_are_those_of_shap(grown: Any) -> None:
    model, _, target = grown
    own = of_class(shap.TreeExplainer(model).shap_values(ROWS), target, 2)
    np.testing.assert_allclose(tree_values(model, ROWS, target).values, own, atol=1e-7)


def test_interactions_are_symmetric_and_add_up_to_the_path_dependent_values(grown: Any) -> None:
    model, _, target = grown
    found = tree_values(model, ROWS, target)
    interactions, error = tree_interactions(model, ROWS, found, target)
    np.testing.assert_allclose(interactions, interactions.transpose(0, 2, 1), atol=1e-5)
    np.testing.assert_allclose(interactions.sum(axis=2), found.values, atol=1e-5)
    assert error <= 1e-4 * found.reach


def test_stumps_share_out_what_each_feature_does_alone() -> None:
    model = xgboost.XGBRegressor(n_estimators=40, max_depth=1, n_jobs=1).fit(IRIS.data, amounts())
    found = tree_values(model, ROWS, background=BACKGROUND)
    for row, values in zip(ROWS, found.values, strict=True):
        for i in range(4):
            swapped = np.repeat(row[None], len(BACKGROUND), axis=0)
            swapped[:, i] = BACKGROUND[:, i]
            assert values[i] == pytest.approx(
                float((model.predict(row[None])[0] - model.predict(swapped)).mean()), abs=1e-4
            )


def test_values_beside_a_threshold_stay_on_the_side_where_the_forest_puts_them() -> None:
    # 4.8 lies beside the threshold between 4.7 and 4.9, which is no number of single precision.
    forest = RandomForestClassifier(100, max_depth=6, random_state=0).fit(IRIS.data, IRIS.target)
    found = tree_values(forest, IRIS.data, 2, IRIS.data[::4])
    assert found.relative_error < 1e-6


def test_a_large_background_is_used_whole() -> None:
    model = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(IRIS.data, amounts())
    found = tree_values(model, ROWS, background=IRIS.data)
    assert found.base == pytest.approx(float(model.predict(IRIS.data).mean()), rel=1e-5)


@pytest.mark.parametrize("background", [None, BACKGROUND], ids=["path_dependent", "interventional"])
def test_values_that_do_not_add_up_are_an_error(background: np.ndarray | None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS["XGBoost of amounts"][0]()
    honest = shap.TreeExplainer.shap_values
    monkeypatch.setattr(shap.TreeExplainer, "shap_values", lambda self, rows: honest(self, rows) * 1.01)
    with pytest.raises(MethodError, match="base and SHAP values miss their sum") as caught:
        tree_values(model, ROWS, background=background)
    assert "\n" not in str(caught.value)


def test_what_shap_itself_refuses_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS["forest of amounts"][0]()
    get = shap.TreeExplainer._get_shap_output
    monkeypatch.setattr(shap.TreeExplainer, "_get_shap_output", lambda self, *given: get(self, *given) + 1)
    with pytest.raises(MethodError, match="do not add up"):
        tree_values(model, ROWS)


@pytest.mark.parametrize(("missed", "fails"), [(9e-4, False), (1.1e-3, True), (math.nan, True)])
def test_a_sum_may_miss_a_share_of_what_there_is_to_share_out(missed: float, fails: bool) -> None:
    if not fails:
        assert deviation("parts", np.array([0.0, -missed]), 10.0, 1e-4, 0.0) == missed
        return
    with pytest.raises(MethodError, match="parts miss their sum"):
        deviation("parts", np.array([0.0, -missed]), 10.0, 1e-4, 0.0)
