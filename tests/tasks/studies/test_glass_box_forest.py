"""Importance by impurity and by permutation, against planted facts and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression

from twinlens.datasets import Table, boston, iris
from twinlens.tasks.studies.glass_box.forest import forest, impurity_importance, random_columns
from twinlens.tasks.studies.glass_box.permutation import correlated_groups, permutation
from twinlens.tasks.studies.table_choice import hold_out
from twinlens.tasks.studies.table_encoding import Encoding


def singly(data: np.ndarray) -> list[list[int]]:
    return [[column] for column in range(data.shape[1])]


# -- impurity


@pytest.mark.parametrize(("table", "kind"), [(boston(), RandomForestRegressor), (iris(), RandomForestClassifier)])
def test_impurity_importance_is_scikit_learns(table: Table, kind: Any) -> None:
    encoding = Encoding.of(table)
    found = impurity_importance(forest(table, encoding, 20, 42).fit(table.data, table.target), encoding)
    alone = kind(n_estimators=20, random_state=42).fit(table.data, table.target)
    np.testing.assert_allclose(found.mean, alone.feature_importances_)
    by_tree = np.array([tree.feature_importances_ for tree in alone.estimators_])
    np.testing.assert_allclose(found.spread, by_tree.std(axis=0, ddof=1) / np.sqrt(20))


def test_the_importance_of_a_categorys_columns_is_summed(rng: np.random.Generator) -> None:
    codes = rng.integers(3, size=200).astype(float)
    data = np.column_stack([codes, rng.normal(size=200)])
    table = Table(data, 4 * (codes == 1) + 2 * (codes == 2), ["kind", "noise"], [], "t", "", {0: ["a", "b", "c"]})
    encoding = Encoding.of(table)
    found = impurity_importance(forest(table, encoding, 10, 0).fit(table.data, table.target), encoding)
    assert found.mean.shape == (2,)
    assert found.mean.sum() == pytest.approx(1)
    assert found.mean[0] > 0.99


def test_random_columns_look_more_important_the_more_values_they_have_but_not_on_rows_held_out() -> None:
    table = boston()
    found = random_columns(table, hold_out(table, 0.25, 0), [2, 16], forests=3, trees=25, permutations=3, seed=0)
    coin, sixteen, continuous = np.flatnonzero(found.random)
    assert found.names[-3:] == ["random, 2 values", "random, 16 values", "random, continuous"]
    assert 0 < found.impurity.mean[coin] < found.impurity.mean[sixteen] < found.impurity.mean[continuous]
    assert found.impurity.mean[continuous] > found.impurity.mean[found.names.index("CHAS")]
    assert found.training.mean[found.random].sum() > found.held_out.mean[found.random].sum()
    assert abs(found.held_out.mean[continuous]) < 0.01 < found.held_out.mean[found.names.index("RM")]


def test_random_columns_come_from_the_seed() -> None:
    table = iris()
    split = hold_out(table, 0.3, 0)
    how: dict[str, Any] = {"forests": 2, "trees": 3, "permutations": 2}
    first, again, other = (random_columns(table, split, [2], seed=seed, **how) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.held_out.mean, again.held_out.mean)
    assert not np.array_equal(first.impurity.mean, other.impurity.mean)


# -- permutation


@pytest.mark.parametrize("table", [boston(), iris()], ids=["R²", "accuracy"])
def test_permutation_importance_agrees_with_scikit_learns(table: Table) -> None:
    classes = bool(table.class_names)
    model = (LogisticRegression(max_iter=2000) if classes else LinearRegression()).fit(table.data, table.target)
    data, target = table.data[1::2], table.target[1::2]
    found = permutation(model, data, target, singly(data), classes=classes, permutations=100, seed=0)
    theirs = permutation_importance(model, data, target, n_repeats=100, random_state=1)
    error = 4 * np.sqrt((found.spread**2 + theirs.importances_std**2) / 100)
    assert (np.abs(found.mean - theirs.importances_mean) <= error + 1e-12).all()
    np.testing.assert_allclose(found.spread, theirs.importances_std, rtol=0.35, atol=1e-3)


def test_permuting_what_a_linear_model_uses_loses_twice_its_share_of_the_variance(rng: np.random.Generator) -> None:
    """With independent columns the loss of R² is 2 Var(w x) / Var(y), whatever the other columns are."""
    data = rng.normal(size=(4000, 3))
    target = data @ [2.0, 1.0, 0.0]
    model = LinearRegression().fit(data, target)
    found = permutation(model, data, target, singly(data), classes=False, permutations=5, seed=0)
    np.testing.assert_allclose(found.mean, [2 * 4 / 5, 2 * 1 / 5, 0], atol=0.05)


def test_columns_that_stand_in_for_each_other_matter_together(rng: np.random.Generator) -> None:
    signal = rng.normal(size=600)
    data = np.column_stack([signal, signal + 0.01 * rng.normal(size=600), rng.normal(size=600)])
    model = RandomForestRegressor(n_estimators=30, max_features=1, random_state=0).fit(data[:400], signal[:400])
    found = permutation(model, data[400:], signal[400:], [[0], [1], [0, 1]], classes=False, permutations=10, seed=0)
    assert found.mean[2] > 1.5
    assert found.mean[2] > found.mean[0] + found.mean[1] + 0.2


def test_permutation_leaves_the_rows_alone(rng: np.random.Generator) -> None:
    data = rng.normal(size=(30, 2))
    before, model = data.copy(), LinearRegression().fit(data, data[:, 0])
    permutation(model, data, data[:, 0], singly(data), classes=False, permutations=2, seed=0)
    np.testing.assert_array_equal(data, before)


def test_groups_are_chains_of_rank_correlations(rng: np.random.Generator) -> None:
    a = rng.normal(size=400)
    b = np.exp(a + 0.1 * rng.normal(size=400))  # a monotone relation, which Pearson's correlation understates
    c = np.log(b) + 0.5 * rng.normal(size=400)
    data = np.column_stack([a, rng.normal(size=400), b, -c, np.ones(400)])
    (group,) = correlated_groups(data, 0.8)
    assert group.columns == (0, 2, 3)
    assert group.correlation == pytest.approx(abs(spearmanr(a, b).statistic))
    assert correlated_groups(data, 0.999) == []


def test_codes_without_an_order_are_in_no_group(rng: np.random.Generator) -> None:
    a = rng.integers(3, size=50).astype(float)
    assert correlated_groups(np.column_stack([a, a]), 0.7, unordered=[0]) == []
