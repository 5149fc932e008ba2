"""The check of an explanation against the model: one value changed at a time, against models known by heart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twinlens.datasets import Table
from twinlens.tasks.studies.lime_tables.flips import counted, flip, heaviest
from twinlens.tasks.tables_lime import explain_answer_with_lime
from twinlens.tasks.tables_neighbours import Neighbours

SHARES = np.array([0.5, 0.3, 0.2])


def make_table() -> Table:
    """Columns a and b of three categories in known shares, and c, which is always the same."""
    rng = np.random.default_rng(1)
    one = np.repeat([0.0, 1.0, 2.0], (1000 * SHARES).astype(int))
    data = np.column_stack([rng.permutation(one), rng.permutation(one), np.zeros(1000)])
    names = {0: ["x", "y", "z"], 1: ["x", "y", "z"], 2: ["only"]}
    return Table(data, np.arange(1000) % 2, list("abc"), ["no", "yes"], "abc", "", names)


def checked(probability: Callable[[np.ndarray], np.ndarray], values: list[float], most: int = 2) -> list:
    table = make_table()

    def answer(rows: np.ndarray) -> np.ndarray:
        p = probability(rows)
        return np.column_stack([1 - p, p])

    lime = explain_answer_with_lime(
        Neighbours(table, table.data), table, np.array(values), answer, target=1, samples=2000, repeats=3
    )
    return flip(lime, answer, heaviest(lime, most))


def test_a_change_is_the_difference_to_the_mean_over_the_other_categories() -> None:
    worth = np.array([0.9, 0.5, 0.2])
    (found,) = checked(lambda rows: worth[rows[:, 0].astype(int)], [0, 1, 0], most=1)
    assert found.rule == "a=x"
    assert found.texts == ("a=y", "a=z")
    np.testing.assert_allclose(found.after, [0.5, 0.2])
    assert found.change == pytest.approx(0.9 - (0.3 * 0.5 + 0.2 * 0.2) / 0.5)
    assert found.texts[found.furthest] == "a=z"
    assert found.verdict == "agrees"


def test_signs_agree_for_an_additive_model_whatever_the_row() -> None:
    def additive(rows: np.ndarray) -> np.ndarray:
        return 0.3 + 0.3 * (rows[:, 0] == 0) - 0.2 * (rows[:, 1] == 1)

    for values in ([0, 0, 0], [0, 1, 0], [1, 1, 0], [2, 2, 0]):
        found = checked(additive, values)
        assert [one.verdict for one in found] == ["agrees", "agrees"]


def test_a_row_that_is_an_exception_to_its_neighbourhood_disagrees() -> None:
    """Category x of a lowers the probability everywhere, but raises it beside z of b, which is rare."""

    def exception(rows: np.ndarray) -> np.ndarray:
        x, z = rows[:, 0] == 0, rows[:, 1] == 2
        return np.where(z, np.where(x, 0.6, 0.5), np.where(x, 0.0, 0.9))

    (found,) = [one for one in checked(exception, [0, 2, 0]) if one.column == 0]
    assert found.weight < 0 < found.change
    assert found.verdict == "disagrees"


def test_a_model_that_is_sure_for_two_reasons_does_not_change_with_one_of_them() -> None:
    either = checked(lambda rows: ((rows[:, 0] == 0) | (rows[:, 1] == 0)).astype(float), [0, 0, 0])
    assert [one.verdict for one in either] == ["no change", "no change"]
    assert all(one.weight > 0.2 for one in either)


def test_a_weight_within_its_noise_is_uncertain() -> None:
    found = checked(lambda rows: np.where(rows[:, 0] == 0, 0.9, 0.1), [0, 1, 0])
    assert {one.column: one.verdict for one in found} == {0: "agrees", 1: "uncertain"}
    assert counted(found) == {"agrees": 1, "disagrees": 0, "no change": 0, "uncertain": 1}


def test_a_column_that_is_always_the_same_cannot_be_changed() -> None:
    found = checked(lambda rows: (rows[:, 0] == 0) * 0.5, [0, 1, 0], most=3)
    assert sorted(one.column for one in found) == [0, 1]
