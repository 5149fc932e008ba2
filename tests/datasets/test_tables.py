"""The iris table."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from twinlens.datasets import iris
from twinlens.errors import MissingPackageError


def test_iris_has_fifty_flowers_of_each_species() -> None:
    table = iris()
    assert table.data.shape == (150, 4)
    assert table.data.dtype == np.float64
    assert np.bincount(table.target).tolist() == [50, 50, 50]
    assert table.class_names == ["setosa", "versicolor", "virginica"]
    assert len(table.feature_names) == 4
    assert all("(cm)" in name for name in table.feature_names)


def test_iris_is_fishers() -> None:
    """Means that every textbook prints."""
    np.testing.assert_allclose(iris().data.mean(axis=0), [5.84, 3.06, 3.76, 1.20], atol=0.006)


def test_a_missing_scikit_learn_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingPackageError, match="pip install scikit-learn"):
        iris()
