"""Coefficients, their errors and variance inflation factors, against published numbers and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from twinlens.datasets import Table, boston, iris
from twinlens.errors import DataError
from twinlens.tasks.studies.glass_box.linear import fit_linear, inflation
from twinlens.tasks.studies.table_encoding import Encoding

# Least squares on standardised columns of all 506 rows, as published in courses on this table.
PUBLISHED = {
    "LSTAT": -3.743627,
    "DIS": -3.104044,
    "RM": 2.674230,
    "RAD": 2.662218,
    "TAX": -2.076782,
    "PTRATIO": -2.060607,
    "NOX": -2.056718,
    "ZN": 1.081569,
    "CRIM": -0.928146,
    "B": 0.849268,
    "CHAS": 0.681740,
    "INDUS": 0.140900,
    "AGE": 0.019466,
}


def table(
    data: np.ndarray, target: np.ndarray, class_names: list[str] | None = None, categories: dict | None = None
) -> Table:
    names = [f"x{number}" for number in range(data.shape[1])]
    return Table(data, target, names, class_names or [], "planted", "", categories or {}, "y")


def test_the_published_coefficients_of_boston_are_reproduced() -> None:
    fit = fit_linear(boston(), np.arange(506))
    found = dict(zip(fit.encoding.names, fit.coefficients[0], strict=True))
    assert set(found) == set(PUBLISHED)
    for name, coefficient in PUBLISHED.items():
        assert found[name] == pytest.approx(coefficient, abs=1e-5)
    assert (fit.rows, fit.outputs) == (506, ["MEDV ($1000)"])


def test_standard_errors_are_the_spread_of_coefficients_over_new_noise(rng: np.random.Generator) -> None:
    data = rng.normal(size=(120, 3))
    data[:, 2] += 0.9 * data[:, 1]
    truth = data @ [1.0, -2.0, 0.5]
    fits = [fit_linear(table(data, truth + rng.normal(size=120)), np.arange(120)) for _ in range(150)]
    spread = np.std([fit.coefficients[0] for fit in fits], axis=0)
    np.testing.assert_allclose(np.mean([fit.errors[0] for fit in fits], axis=0), spread, rtol=0.2)


def test_coefficients_without_noise_have_no_error(rng: np.random.Generator) -> None:
    data = rng.normal(size=(50, 2))
    fit = fit_linear(table(data, 3 * data[:, 0]), np.arange(50))
    np.testing.assert_allclose(fit.coefficients[0], [3 * data[:, 0].std(), 0], atol=1e-10)
    np.testing.assert_allclose(fit.errors, 0, atol=1e-8)


def test_inflation_factors_are_those_of_regressing_each_column_on_the_others() -> None:
    data = boston().data
    for column, factor in enumerate(inflation(data)):
        others = np.delete(data, column, axis=1)
        score = LinearRegression().fit(others, data[:, column]).score(others, data[:, column])
        assert factor == pytest.approx(1 / (1 - score), rel=1e-8)


def test_only_the_columns_known_to_be_collinear_are_doubtful_in_boston() -> None:
    fit = fit_linear(boston(), np.arange(506))
    assert [n for n, doubt in zip(fit.encoding.names, fit.doubtful(5.0), strict=True) if doubt] == ["RAD", "TAX"]


def test_a_mixture_of_other_columns_has_infinite_inflation_and_a_constant_has_none(rng: np.random.Generator) -> None:
    a, b, c = rng.normal(size=(3, 40))
    factors = inflation(np.column_stack([a, b, a - 2 * b, c, np.ones(40)]))
    assert np.isinf(factors[:3]).all()
    assert factors[3] < 1.5
    assert factors[4] == 1
    assert inflation(a[:, np.newaxis]).tolist() == [1]


def test_classes_get_a_row_of_coefficients_each_and_two_classes_share_one() -> None:
    flowers = iris()
    fit = fit_linear(flowers, np.arange(150), resamples=3)
    standardised = (flowers.data - flowers.data.mean(axis=0)) / flowers.data.std(axis=0)
    alone = LogisticRegression(max_iter=2000).fit(standardised, flowers.target)
    np.testing.assert_allclose(fit.coefficients, alone.coef_, atol=1e-4)
    assert fit.outputs == ["log-odds of setosa", "log-odds of versicolor", "log-odds of virginica"]
    two = table(flowers.data[50:], flowers.target[50:] - 1, ["no", "yes"])
    assert fit_linear(two, np.arange(100), resamples=3).outputs == ["log-odds of yes"]


def test_bootstrap_errors_come_from_the_seed_and_shrink_with_more_rows(rng: np.random.Generator) -> None:
    def planted(rows: int) -> Table:
        data = rng.normal(size=(rows, 2))
        return table(data, (data[:, 0] + rng.normal(size=rows) > 0).astype(int), ["no", "yes"])

    few = planted(60)
    fits = [fit_linear(few, np.arange(60), resamples=20, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0].errors, fits[1].errors)
    assert not np.array_equal(fits[0].errors, fits[2].errors)
    many = fit_linear(planted(3000), np.arange(3000), resamples=20, seed=1)
    assert many.errors[0].mean() < 0.4 * fits[0].errors[0].mean()


def test_categories_become_columns_compared_with_the_most_frequent_one(rng: np.random.Generator) -> None:
    codes = np.repeat([0.0, 1.0, 2.0], [20, 50, 30])
    height = np.array([5.0, 1.0, -2.0])[codes.astype(int)]
    found = table(np.column_stack([rng.normal(size=100), codes]), height, categories={1: ["a", "b", "c", "unseen"]})
    encoding = Encoding.of(found)
    assert encoding.names == ["x0", "x1=a", "x1=c"]
    assert encoding.references == {"x1": "b"}
    encoded = encoding.rows(found.data)
    np.testing.assert_array_equal(encoded[:, 0], found.data[:, 0])
    np.testing.assert_array_equal(encoded[:, 1:].sum(axis=0), [20, 30])
    np.testing.assert_array_equal(encoding.summed(np.array([1.0, 2.0, 3.0])), [1, 5])
    fit = fit_linear(found, np.arange(100))
    per_unit = fit.coefficients[0, 1:] / encoded[:, 1:].std(axis=0)
    np.testing.assert_allclose(per_unit, [5 - 1, -2 - 1], atol=1e-9)
    assert fit.importance().shape == (2,)


def test_a_column_of_one_category_has_no_importance(rng: np.random.Generator) -> None:
    data = np.column_stack([np.zeros(30), rng.normal(size=30)])
    fit = fit_linear(table(data, data[:, 1], categories={0: ["only"]}), np.arange(30))
    np.testing.assert_allclose(fit.importance(), [0, data[:, 1].std()])


def test_a_regression_needs_more_rows_than_columns(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match=r"has 10 rows for 9 columns\. Give more rows"):
        fit_linear(table(rng.normal(size=(10, 9)), rng.normal(size=10)), np.arange(10))
