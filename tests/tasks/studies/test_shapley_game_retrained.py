"""Retraining without columns: worths are those of models fitted by hand, and planted facts come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.datasets import Table, iris
from twinlens.datasets.columns import without_columns
from twinlens.errors import DataError
from twinlens.tasks.studies.shapley_game.retrained import Draw, RetrainedGames, draw_repeats, retrain
from twinlens.tasks.studies.shapley_game.settings import Retrained

pytest.importorskip("sklearn")


def regression(data: np.ndarray, target: np.ndarray, **keys: Any) -> Table:
    names = [f"x{j}" for j in range(data.shape[1])]
    return Table(data, target, names, [], "made", "", **keys)


def retrained(table: Table, seed: int = 0, **settings: Any) -> tuple[RetrainedGames, list[Draw]]:
    chosen = Retrained(**({"test_rows": 50, "repeats": 2, "model": "linear"} | settings))
    draws = draw_repeats(table, chosen, seed)
    return retrain(table, chosen, draws), draws


def sums(count: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Independent columns, and 3 x0 - 2 x1 with nothing of x2."""
    data = np.random.default_rng(seed).normal(size=(count, 3))
    return data, 3 * data[:, 0] - 2 * data[:, 1]


def test_a_subset_is_worth_what_a_model_on_it_scores_and_says() -> None:
    from sklearn.linear_model import LinearRegression

    data, target = sums()
    found, draws = retrained(regression(data, target + data[:, 2] * data[:, 0]))
    target = target + data[:, 2] * data[:, 0]
    for repeat, draw in enumerate(draws):
        for place in range(1, 8):
            columns = [j for j in range(3) if place >> j & 1]
            model = LinearRegression().fit(data[draw.train][:, columns], target[draw.train])
            score = model.score(data[draw.test][:, columns], target[draw.test])
            assert found.score_worth[repeat, place] == pytest.approx(score, abs=1e-9)
            said = model.predict(data[[0]][:, columns])[0]
            assert found.row_worth[repeat, place] == pytest.approx(said, abs=1e-9)
        mean = target[draw.train].mean()
        assert found.row_worth[repeat, 0] == pytest.approx(mean)
        deviation = target[draw.test] - target[draw.test].mean()
        expected = 1 - ((target[draw.test] - mean) ** 2).sum() / (deviation**2).sum()
        assert found.score_worth[repeat, 0] == pytest.approx(expected)


def test_of_independent_columns_each_gets_its_own_term() -> None:
    data, target = sums(2000)
    found, _ = retrained(regression(data, target), background=500)
    expected = np.array([3 * data[0, 0], -2 * data[0, 1], 0])
    np.testing.assert_allclose(found.row_values, np.tile(expected, (2, 1)), atol=0.3)
    np.testing.assert_allclose(found.marginal, np.tile(expected, (2, 1)), atol=0.5)
    shares = np.array([9, 4, 0]) / 13
    np.testing.assert_allclose(found.score_values, np.tile(shares, (2, 1)), atol=0.1)


def test_a_copy_that_the_model_leaves_aside_earns_only_when_models_are_retrained() -> None:
    # x1 is x0 with noise; with both, the line uses x0 alone.
    rng = np.random.default_rng(1)
    first = rng.normal(size=1000)
    data = np.column_stack([first, first + 0.1 * rng.normal(size=1000)])
    data[0] = [2, 2]
    found, _ = retrained(regression(data, 5 * data[:, 0]))
    assert (np.abs(found.marginal[:, 1]) < 1e-8).all()
    assert (np.abs(found.permutation[:, 1]) < 1e-8).all()
    np.testing.assert_allclose(found.row_values, 5, atol=0.4)
    np.testing.assert_allclose(found.score_values, 0.5, atol=0.02)


def test_values_add_up_and_the_row_is_never_trained_on() -> None:
    data, target = sums(120)
    for row in (0, 57):
        found, draws = retrained(regression(data, target), row=row, repeats=3)
        for values, worth in ((found.score_values, found.score_worth), (found.row_values, found.row_worth)):
            np.testing.assert_allclose(values.sum(axis=1), worth[:, -1] - worth[:, 0], atol=1e-12)
        assert not any(row in draw.train for draw in draws)
        assert not any(np.isin(draw.train, draw.test).any() for draw in draws)
    assert len({draw.test.tobytes() for draw in draws}) == 3


@pytest.mark.parametrize("model", ["forest", "boosting"])
def test_interventional_values_are_tree_shaps(model: str) -> None:
    shap = pytest.importorskip("shap")
    from sklearn import ensemble

    data, target = sums(200)
    target = target + data[:, 0] * data[:, 2]
    found, draws = retrained(regression(data, target), model=model, background=40)
    for repeat, draw in enumerate(draws):
        kind = {"forest": ensemble.RandomForestRegressor, "boosting": ensemble.GradientBoostingRegressor}[model]
        trees = kind(n_estimators=30, max_depth=4, random_state=draw.seed).fit(data[draw.train], target[draw.train])
        rows = data[np.random.default_rng(draw.seed).choice(draw.train, 40, replace=False)]
        peer = shap.TreeExplainer(trees, rows, feature_perturbation="interventional")
        np.testing.assert_allclose(found.marginal[repeat], peer.shap_values(data[:1])[0], atol=1e-4)


def test_permutation_importance_is_scikit_learns() -> None:
    from sklearn.inspection import permutation_importance
    from sklearn.linear_model import LinearRegression

    data, target = sums()
    found, draws = retrained(regression(data, target))
    draw = draws[0]
    model = LinearRegression().fit(data[draw.train], target[draw.train])
    peer = permutation_importance(
        model, data[draw.test], target[draw.test], n_repeats=10, random_state=draw.seed
    ).importances_mean
    np.testing.assert_allclose(found.permutation[0], peer, atol=1e-9)


def test_of_classes_the_score_is_accuracy_and_the_answer_the_rows_own_probability() -> None:
    table = without_columns(iris(), ["sepal width (cm)"])
    found, _ = retrained(table, row=120)
    np.testing.assert_allclose(found.row_worth[:, 0], 1 / 3, atol=0.01)
    assert (found.row_worth[:, -1] > 0.8).all()
    assert (found.score_worth[:, -1] > 0.85).all()
    np.testing.assert_allclose(found.score_worth[:, 0] * 50, np.round(found.score_worth[:, 0] * 50), atol=1e-9)
    assert ((found.row_worth >= 0) & (found.row_worth <= 1)).all()


def test_columns_of_categories_play_as_one_each() -> None:
    rng = np.random.default_rng(0)
    smell, size = rng.integers(0, 3, 200), rng.normal(size=200)
    target = np.array([5.0, -1.0, 2.0])[smell]
    table = regression(np.column_stack([smell, size]), target, categories={0: ["a", "b", "c"]})
    found, _ = retrained(table)
    np.testing.assert_allclose(found.score_worth[:, [1, 3]], 1, atol=1e-9)
    assert found.score_values.shape == (2, 2)


def test_the_seed_decides() -> None:
    data, target = sums(100)
    table = regression(data, target + data[:, 0] * data[:, 1])
    first, again, other = (retrained(table, seed)[0].score_worth for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_class_that_only_the_row_has_is_an_error() -> None:
    labels = np.array([0] * 30 + [1] * 30 + [2, 2])
    data = np.random.default_rng(0).normal(size=(62, 2))
    table = Table(data, labels, ["a", "b"], ["x", "y", "rare"], "made", "")
    chosen = Retrained(row=60, test_rows=31, repeats=8, model="linear")
    with pytest.raises(DataError, match="row 60, no row of the class 'rare'"):
        draw_repeats(table, chosen, 0)
