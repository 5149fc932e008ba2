"""ICE, PDP and how much the average hides, against loops, closed forms and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence
from sklearn.linear_model import LinearRegression

from twinlens.datasets import boston
from twinlens.errors import ConfigError
from twinlens.tasks.studies.ice_pdp.curves import Curves, curves, interaction_strength, surface

RANGE: dict[str, Any] = {"grid": 7, "percentiles": (0.05, 0.95)}


@pytest.fixture(scope="module")
def forest() -> RandomForestRegressor:
    return RandomForestRegressor(n_estimators=5, random_state=0).fit(boston().data, boston().target)


def test_curves_are_the_answers_of_a_loop_over_rows_and_values(forest: RandomForestRegressor) -> None:
    rows = boston().data[::40]
    found = curves(forest.predict, rows, 5, **RANGE)
    for i, row in enumerate(rows):
        for j, value in enumerate(found.grid):
            changed = row.copy()
            changed[5] = value
            assert found.ice[i, j] == pytest.approx(forest.predict(changed[np.newaxis])[0], abs=1e-12)
    np.testing.assert_allclose(found.average, [sum(column) / len(rows) for column in found.ice.T])


def test_average_and_grid_are_scikit_learns(forest: RandomForestRegressor) -> None:
    rows = boston().data
    found = curves(forest.predict, rows, 12, **RANGE)
    theirs = partial_dependence(forest, rows, [12], grid_resolution=7, kind="both", method="brute")
    np.testing.assert_array_equal(found.grid, theirs["grid_values"][0])
    np.testing.assert_allclose(found.average, theirs["average"][0])
    np.testing.assert_allclose(found.ice, theirs["individual"][0])


def test_a_linear_models_average_is_a_line_with_its_coefficient_and_no_row_disagrees() -> None:
    model = LinearRegression().fit(boston().data, boston().target)
    found = curves(model.predict, boston().data, 5, **RANGE)
    np.testing.assert_allclose(np.diff(found.average) / np.diff(found.grid), model.coef_[5])
    assert found.change == pytest.approx(model.coef_[5] * np.ptp(found.grid))
    assert found.disagreement == pytest.approx(0, abs=1e-12)
    assert (found.change_error, found.slope_spread) == (pytest.approx(0, abs=1e-10), pytest.approx(0, abs=1e-10))
    assert found.against == 0


def test_opposite_rows_leave_a_flat_average_that_hides_everything() -> None:
    rows = np.column_stack([np.linspace(-1, 1, 50), np.tile([-1.0, 1.0], 25)])
    found = curves(lambda x: x[:, 0] * x[:, 1], rows, 0, **RANGE)
    np.testing.assert_allclose(found.average, 0, atol=1e-12)
    assert found.disagreement == pytest.approx(1)
    assert found.slope_spread == pytest.approx(np.std([-1, 1] * 25, ddof=1))


def test_disagreement_is_the_share_of_the_variance_along_the_curves() -> None:
    """Curves a·x with a in {1, 3}: mean slope 2, deviation 1, so 1 / (1 + 4) of the movement is not the average's."""
    found = Curves(np.linspace(-1, 1, 9), np.array([1.0, 3.0])[:, np.newaxis] * np.linspace(-1, 1, 9))
    assert found.disagreement == pytest.approx(1 / 5)


def test_rows_against_the_average_are_counted() -> None:
    found = Curves(np.array([0.0, 1.0]), np.array([[0.0, 3.0], [5.0, 6.0], [2.0, 1.0], [1.0, 1.0]]))
    assert found.change == pytest.approx(0.75)
    assert found.against == 0.25
    assert found.change_error == pytest.approx(np.std([3, 1, -1, 0], ddof=1) / 2)


def test_centred_curves_begin_at_zero_and_keep_their_shapes(forest: RandomForestRegressor) -> None:
    found = curves(forest.predict, boston().data[:30], 5, **RANGE)
    centred = found.centred()
    np.testing.assert_array_equal(centred.ice[:, 0], 0)
    np.testing.assert_allclose(np.diff(centred.ice), np.diff(found.ice))
    assert centred.disagreement == pytest.approx(found.disagreement)


def test_the_standard_error_of_the_average_shrinks_with_the_root_of_the_rows(rng: np.random.Generator) -> None:
    ice = rng.normal(size=(400, 3))
    np.testing.assert_allclose(Curves(np.arange(3.0), ice).standard_error, ice.std(axis=0, ddof=1) / 20)


def test_categories_are_all_visited_and_compared_from_the_lowest_to_the_highest() -> None:
    rows = np.column_stack([np.tile([0.0, 1.0, 2.0, 3.0], 10), np.arange(40.0)])
    heights = np.array([2.0, 7.0, -1.0, 0.0])
    found = curves(lambda x: heights[x[:, 0].astype(int)], rows, 0, categorical=True, **RANGE)
    np.testing.assert_array_equal(found.grid, [0, 1, 2, 3])
    np.testing.assert_array_equal(found.average, heights)
    assert (found.change, found.against, found.slope_spread) == (8, 0, None)


def test_a_constant_answer_neither_moves_nor_disagrees() -> None:
    found = curves(lambda x: np.full(len(x), 4.0), boston().data, 5, **RANGE)
    assert (found.change, found.disagreement, found.against) == (0, 0, 0)


def test_percentiles_on_one_value_are_told() -> None:
    rows = np.column_stack([np.r_[np.zeros(98), np.arange(1.0, 21.0)]] * 2)
    with pytest.raises(ConfigError, match=r"percentiles 0\.05 and 0\.8 .*Widen ice_pdp\.percentiles"):
        curves(lambda x: x[:, 0], rows, 0, grid=7, percentiles=(0.05, 0.8))


# -- two features


def test_a_surface_is_the_average_over_rows_with_both_features_set(forest: RandomForestRegressor) -> None:
    rows = boston().data[::25]
    found = surface(forest.predict, rows, (5, 12), grid=4, percentiles=(0.05, 0.95))
    for i, first in enumerate(found.grids[0]):
        for j, second in enumerate(found.grids[1]):
            changed = rows.copy()
            changed[:, 5], changed[:, 12] = first, second
            assert found.average[i, j] == pytest.approx(forest.predict(changed).mean())


def test_a_surface_knows_where_there_are_no_rows(rng: np.random.Generator) -> None:
    x = rng.uniform(size=300)
    rows = np.column_stack([x, x])
    found = surface(lambda r: r.sum(axis=1), rows, (0, 1), grid=10, percentiles=(0.0, 1.0))
    assert found.supported.diagonal().all()
    assert not found.supported[0, -1]
    assert not found.supported[-1, 0]
    for i, j in np.ndindex(10, 10):
        steps = [np.diff(grid)[0] * (1 + 1e-9) for grid in found.grids]
        near = (np.abs(rows[:, 0] - found.grids[0][i]) <= steps[0]) & (
            np.abs(rows[:, 1] - found.grids[1][j]) <= steps[1]
        )
        assert found.supported[i, j] == near.any()


def test_effects_that_add_up_do_not_interact(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(40, 3))
    assert interaction_strength(lambda x: x[:, 0] ** 3 + np.sin(x[:, 1]) + x[:, 2], rows, (0, 1)) < 1e-20


def test_a_product_of_centred_columns_is_nothing_but_interaction() -> None:
    corners = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)] * 3)
    assert interaction_strength(lambda x: x[:, 0] * x[:, 1], corners, (0, 1)) == pytest.approx(1)


def test_interaction_strength_is_friedman_and_popescus_by_loops(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(12, 3))

    def answer(x: np.ndarray) -> np.ndarray:
        return np.asarray(x[:, 0] + x[:, 0] * x[:, 1] + x[:, 2] * x[:, 1])

    def effect(columns: tuple[int, ...]) -> np.ndarray:
        found = []
        for row in rows:
            changed = rows.copy()
            for column in columns:
                changed[:, column] = row[column]
            found.append(answer(changed).mean())
        return np.array(found) - np.mean(found)

    joint = effect((0, 1))
    expected = np.square(joint - effect((0,)) - effect((1,))).sum() / np.square(joint).sum()
    assert interaction_strength(answer, rows, (0, 1)) == pytest.approx(expected)


def test_an_answer_that_ignores_the_pair_has_no_interaction(rng: np.random.Generator) -> None:
    assert interaction_strength(lambda x: np.zeros(len(x)), rng.normal(size=(10, 2)), (0, 1)) == 0
