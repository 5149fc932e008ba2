"""LIME on tables with categories: against closed forms, and against LIME's own neighbours fitted anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.datasets import Table
from twinlens.errors import DataError, ModelError
from twinlens.tasks.tables_lime import LimeWeights, explain_answer_with_lime, explain_row_with_lime
from twinlens.tasks.tables_neighbours import Neighbours

SMELLS, SIZES = ["foul", "none", "sweet"], ["large", "small"]


def make_table(rows: int = 600, seed: int = 2) -> Table:
    """Two columns of categories around one of numbers; class 1 where it smells foul or is both small and long."""
    rng = np.random.default_rng(seed)
    smell, size = rng.choice(3, rows, p=[0.2, 0.5, 0.3]), rng.integers(2, size=rows)
    length = rng.uniform(0, 10, rows)
    return Table(
        data=np.column_stack([smell, length, size]).astype(np.float64),
        target=((smell == 0) | ((size == 1) & (length > 5))).astype(np.int64),
        feature_names=["smell", "length", "size"],
        class_names=["good", "bad"],
        name="fruits",
        description="",
        categories={0: SMELLS, 2: SIZES},
    )


def two_columns(probability: Any) -> Any:
    return lambda rows: np.column_stack([1 - probability(rows), probability(rows)])


def explain(table: Table, values: Any, answer: Any, **options: Any) -> LimeWeights:
    neighbours = Neighbours(table, table.data)
    return explain_answer_with_lime(neighbours, table, np.array(values), answer, **{"target": 1, **options})


class Listening:
    """A model that remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, []

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        self.asked.append(rows.copy())
        return self.answer(rows)


def test_rules_of_categories_name_column_and_category() -> None:
    found = explain(make_table(), [0, 3.0, 1], two_columns(lambda rows: (rows[:, 0] == 0) * 1.0), samples=200)
    assert (found.rules[0], found.rules[2]) == ("smell=foul", "size=small")
    assert "< length <=" in found.rules[1]
    assert dict(found.ranking())["smell=foul"] == found.weights[0] > 0.5


def test_the_weights_of_an_additive_model_are_its_coefficients() -> None:
    """p = 0.2 + 0.5 [smell is foul] - 0.1 [size is small]."""
    answer = two_columns(lambda rows: 0.2 + 0.5 * (rows[:, 0] == 0) - 0.1 * (rows[:, 2] == 1))
    found = explain(make_table(), [0, 3.0, 1], answer, samples=3000, repeats=3)
    np.testing.assert_allclose(found.weights, [0.5, 0, -0.1], atol=2e-3)
    assert found.intercept == pytest.approx(0.2, abs=2e-3)
    assert found.score > 0.9999
    assert found.error < 2e-3


def test_with_many_samples_a_weight_is_the_difference_of_means_under_the_tilted_shares() -> None:
    """LIME's neighbours and kernel are products over the columns, so least squares has this closed form.

    The kernel exp(-k / (2 w²)), k changed columns and w = 0.75 √d, leaves the columns independent and makes the row's
    own category of share s as likely as s / (s + (1 - s) exp(-1 / (2 w²))).
    """
    rng = np.random.default_rng(0)
    shares = [np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.6]), np.array([0.1, 0.9])]
    data = np.column_stack([rng.choice(len(p), 4000, p=p) for p in shares]).astype(np.float64)
    table = Table(
        data, np.arange(4000) % 2, list("abc"), ["no", "yes"], "abc", "", {0: list("xyz"), 1: ["x", "y"], 2: ["x", "y"]}
    )
    worth = rng.random((3, 2, 2))
    values, damping = np.array([0.0, 1.0, 1.0]), np.exp(-1 / (2 * 0.75**2 * 3))
    tilted = []
    for column in range(3):
        drawn = np.bincount(data[:, column].astype(int)) / len(data)
        drawn[np.arange(len(drawn)) != values[column]] *= damping
        tilted.append(drawn / drawn.sum())
    joint = tilted[0][:, None, None] * tilted[1][:, None] * tilted[2]
    expected = []
    for column in range(3):
        own = np.arange(joint.shape[column]) == values[column]
        own = own.reshape([-1 if axis == column else 1 for axis in range(3)])
        means = [(joint * worth * which).sum() / (joint * which).sum() for which in (own, ~own)]
        expected.append(means[0] - means[1])
    answer = two_columns(lambda rows: worth[tuple(rows.astype(int).T)])
    found = explain(table, values, answer, samples=60_000, repeats=3)
    np.testing.assert_allclose(found.weights, expected, atol=0.01)
    assert found.weights_std.max() < 0.01


def test_the_weights_are_the_ridge_regression_of_the_answers_to_the_neighbours() -> None:
    table, values = make_table(), np.array([2.0, 7.0, 1.0])
    model = Listening(two_columns(lambda rows: 1 / (1 + np.exp(-(rows[:, 1] - 5) - 2 * (rows[:, 0] == 2)))))
    found = explain(table, values, model, samples=500, repeats=1)
    asked = model.asked[-1]
    quartiles = np.percentile(table.data[:, 1], [25, 50, 75])
    same_interval = np.searchsorted(quartiles, asked[:, 1]) == np.searchsorted(quartiles, values[1])
    kept = np.column_stack([asked[:, 0] == 2, same_interval, asked[:, 2] == 1]).astype(float)
    kernel = np.exp(-(3 - kept.sum(axis=1)) / (2 * 0.75**2 * 3))
    centred, wanted = kept - np.average(kept, axis=0, weights=kernel), model.answer(asked)[:, 1]
    left = centred.T @ (kernel[:, None] * centred) + np.eye(3)
    weights = np.linalg.solve(left, centred.T @ (kernel * (wanted - np.average(wanted, weights=kernel))))
    np.testing.assert_allclose(found.weights, weights, atol=1e-9)


def test_the_same_seed_asks_every_model_about_the_same_neighbours() -> None:
    models = [Listening(two_columns(lambda rows, level=level: np.full(len(rows), level))) for level in (0.2, 0.7)]
    neighbours, table = Neighbours(make_table(), make_table().data), make_table()
    for model in models:
        explain_answer_with_lime(neighbours, table, table.data[3], model, samples=150, repeats=2, seed=5)
    for one, other in zip(models[0].asked, models[1].asked, strict=True):
        np.testing.assert_array_equal(one, other)
    first, second = models[0].asked[1:]
    assert not np.array_equal(first, second)


def test_neighbours_hold_categories_that_exist_as_often_as_the_table() -> None:
    table = make_table()
    model = Listening(two_columns(lambda rows: (rows[:, 0] == 0) * 1.0))
    explain(table, table.data[0], model, samples=4000, repeats=1)
    drawn = model.asked[-1][1:]
    for column, names in table.categories.items():
        assert set(np.unique(drawn[:, column])) == set(range(len(names)))
        known = np.bincount(table.data[:, column].astype(int)) / len(table.data)
        np.testing.assert_allclose(np.bincount(drawn[:, column].astype(int)) / len(drawn), known, atol=0.03)


def test_a_rule_and_the_rules_that_could_hold_instead_share_all_rows() -> None:
    table = make_table()
    found = explain(table, [1, 9.0, 0], two_columns(lambda rows: rows[:, 2] * 0.5), samples=100, repeats=1)
    for column in range(3):
        others = found.others[column]
        assert found.shares[column] + sum(rule.share for rule in others) == pytest.approx(1)
        assert found.rules[column] not in [rule.text for rule in others]
    assert [rule.text for rule in found.others[0]] == ["smell=foul", "smell=sweet"]
    assert [rule.value for rule in found.others[0]] == [0, 2]
    quartiles = np.percentile(table.data[:, 1], [25, 50, 75])
    assert [int(np.searchsorted(quartiles, rule.value)) for rule in found.others[1]] == [0, 1, 2]


def test_a_category_that_no_known_row_has_is_drawn_never_and_says_so() -> None:
    table = make_table()
    known = table.data[table.data[:, 0] != 2]
    model = Listening(two_columns(lambda rows: 0.1 + 0.8 * (rows[:, 0] == 2)))
    found = explain_answer_with_lime(
        Neighbours(table, known), table, np.array([2.0, 5.0, 0.0]), model, samples=300, target=1
    )
    assert found.rules[0] == "smell=sweet"
    assert found.shares[0] == 0
    assert not (model.asked[-1][1:, 0] == 2).any()
    assert {rule.text for rule in found.others[0]} == {"smell=foul", "smell=none"}
    assert sum(rule.share for rule in found.others[0]) == pytest.approx(1)


def test_an_interval_of_one_value_is_drawn_as_that_value() -> None:
    """A quarter and more of the rows hold 5: LIME itself would ask the model about 0 there."""
    rng = np.random.default_rng(0)
    data = np.column_stack([np.where(rng.random(400) < 0.5, 5.0, rng.uniform(5, 9, 400)), np.full(400, 7.0)])
    table = Table(data, np.arange(400) % 2, ["a", "constant"], ["no", "yes"], "ties", "")
    model = Listening(two_columns(lambda rows: (rows[:, 0] > 6) * 1.0))
    explain(table, data[0], model, samples=1000, repeats=1)
    asked = model.asked[-1]
    assert 5 <= asked[:, 0].min() <= asked[:, 0].max() <= 9
    assert (asked[:, 0] == 5).mean() > 0.3
    np.testing.assert_array_equal(asked[:, 1], 7)


def test_rows_of_a_table_with_categories_can_be_explained_by_number() -> None:
    table = make_table()
    row = int(np.flatnonzero(table.data[:, 0] == 0)[0])
    found = explain_row_with_lime(table, row, target=1, samples=1000, repeats=2)
    assert found.ranking()[0][0] == "smell=foul"
    assert found.row == row


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda rows: rows[:, 0], r"shape \(1,\)"),
        (lambda rows: np.zeros((len(rows), 3)), r"shape \(1, 3\)"),
        (lambda rows: np.full((len(rows), 2), 0.9), "sum 1.8"),
        (lambda rows: np.full((len(rows), 2), np.nan), "sum nan"),
    ],
)
def test_a_model_that_answers_no_probabilities_is_refused(answer: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        explain(make_table(), [0, 3.0, 1], answer, samples=100)


@pytest.mark.parametrize("code", [3.0, -1.0, 0.5])
def test_a_code_that_stands_for_no_category_is_named(code: float) -> None:
    table = make_table()
    table.data[17, 0] = code
    with pytest.raises(DataError, match=rf"'smell' .* has 3 categories, but row 17 holds the code {code:g}"):
        explain_row_with_lime(table, 3)
