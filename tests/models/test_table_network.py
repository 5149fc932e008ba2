"""A network fitted to a table: the same function as scikit-learn's, on raw rows, on every framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

from twinlens.backends import Backend
from twinlens.errors import DataError
from twinlens.models.table_network import fit_table_networks

SMALL = {"hidden": (8,), "seed": 3}


def iris(classes: int = 3) -> tuple[np.ndarray, np.ndarray, list[str]]:
    bunch = load_iris()
    kept = bunch.target < classes
    return bunch.data[kept], bunch.target[kept], [str(name) for name in bunch.target_names[:classes]]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probabilities_are_those_of_scikit_learn(backend: Backend, classes: int) -> None:
    rows, target, names = iris(classes)
    network = fit_table_networks(rows, target, [backend.name], class_names=names, dtype="float64", **SMALL)
    standard = (rows - rows.mean(0)) / rows.std(0)
    theirs = MLPClassifier(hidden_layer_sizes=(8,), alpha=1e-3, learning_rate_init=1e-2, max_iter=500, random_state=3)
    theirs.fit(standard, target)
    found = network[backend.name]
    np.testing.assert_allclose(found.predict_proba(rows), theirs.predict_proba(standard), rtol=1e-9, atol=1e-12)
    assert (found.predict(rows) == target).mean() > 0.95
    assert found.model.labels == names


def test_the_values_are_those_of_scikit_learn(backend: Backend) -> None:
    bunch = load_diabetes(scaled=False)
    network = fit_table_networks(bunch.data, bunch.target, [backend.name], dtype="float64", **SMALL)[backend.name]
    standard = (bunch.data - bunch.data.mean(0)) / bunch.data.std(0)
    theirs = MLPRegressor(hidden_layer_sizes=(8,), alpha=1e-3, learning_rate_init=1e-2, max_iter=500, random_state=3)
    theirs.fit(standard, (bunch.target - bunch.target.mean()) / bunch.target.std())
    expected = theirs.predict(standard) * bunch.target.std() + bunch.target.mean()
    np.testing.assert_allclose(network.predict(bunch.data), expected, rtol=1e-9)
    assert network.model.forward(bunch.data[:2]).shape == (2, 1)


def test_both_frameworks_hold_the_same_network(both: tuple[Backend, Backend]) -> None:
    rows, target, names = iris()
    networks = fit_table_networks(rows, target, [one.name for one in both], class_names=names, **SMALL)
    torch, paddle = networks["torch"], networks["paddle"]
    for name, array in torch.model.state().items():
        np.testing.assert_array_equal(paddle.model.state()[name], array)
    np.testing.assert_allclose(torch.predict_proba(rows), paddle.predict_proba(rows), rtol=1e-4, atol=1e-6)


def test_a_constant_column_and_a_class_without_rows_do_no_harm(backend: Backend) -> None:
    rows, target, names = iris(2)
    rows = np.column_stack([rows, np.full(len(rows), 7.3)])
    network = fit_table_networks(rows, target, [backend.name], class_names=[*names, "rose"], **SMALL)[backend.name]
    probabilities = network.predict_proba(rows)
    assert np.isfinite(probabilities).all()
    assert probabilities[:, 2].max() < 1e-6


def test_columns_may_be_fitted_as_they_are(backend: Backend) -> None:
    rows, target, names = iris()
    some = np.array([True, False, False, True])
    network = fit_table_networks(
        rows, target, [backend.name], class_names=names, dtype="float64", standardise=some, **SMALL
    )[backend.name]
    standard = np.where(some, (rows - rows.mean(0)) / rows.std(0), rows)
    theirs = MLPClassifier(hidden_layer_sizes=(8,), alpha=1e-3, learning_rate_init=1e-2, max_iter=500, random_state=3)
    theirs.fit(standard, target)
    np.testing.assert_allclose(network.predict_proba(rows), theirs.predict_proba(standard), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r, t: (r[:, 0], t), "do not fit together"),
        (lambda r, t: (r[:9], t), "do not fit together"),
        (lambda r, t: (np.where(r > 5, np.nan, r), t), "NaN or infinite"),
        (lambda r, t: (r, np.where(t > 1, np.inf, t)), "NaN or infinite"),
        (lambda r, t: (r, t * 0), "All 150 targets are 0"),
        (lambda r, t: (r, t + 1), "go from 1 to 3"),
    ],
)
def test_what_cannot_be_fitted_is_said(backend: Backend, change: Any, said: str) -> None:
    rows, target, names = iris()
    with pytest.raises(DataError, match=said):
        fit_table_networks(*change(rows, target), [backend.name], class_names=names, **SMALL)


def test_a_regression_has_no_probabilities(backend: Backend) -> None:
    rows, target, _ = iris()
    network = fit_table_networks(rows, target.astype(float), [backend.name], **SMALL)[backend.name]
    with pytest.raises(DataError, match="no probabilities"):
        network.predict_proba(rows)
