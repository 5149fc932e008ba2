"""Waterfalls, squares of numbers and rows of dots: what is drawn is what was given."""

from __future__ import annotations

import itertools
from typing import Any

import matplotlib
import numpy as np
import pytest

from twinlens.figures.tables_html import force_page
from twinlens.figures.tables_shap_matrix import interaction_matrix, rank_matrices, share_matrix
from twinlens.figures.tables_shap_rows import row_plot
from twinlens.figures.tables_shap_waterfall import waterfall_plot

NAMES = ["height (cm)", "width (cm)", "weight", "price in $ and in $"]


def texts(figure: Any) -> list[str]:
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_the_steps_of_a_waterfall_lead_from_the_base_to_the_prediction() -> None:
    values = np.array([0.5, -2.0, 0.25, 1.0])
    axes = waterfall_plot(3.0, values, np.arange(4.0), NAMES).axes[0]
    steps = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert steps[-1][0] == 3.0
    assert steps[0][1] == pytest.approx(3.0 + values.sum())
    for above, below in itertools.pairwise(steps):
        assert above[0] == pytest.approx(below[1])
    assert [tick.get_text().split(" = ")[0] for tick in axes.get_yticklabels()] == [NAMES[i] for i in (1, 3, 0, 2)]
    shown = texts(axes.figure)
    assert "base value = 3" in shown
    assert "prediction = 2.75" in shown


def test_a_waterfall_sums_the_weakest_features_up() -> None:
    values = np.array([4.0, 3.0, -2.0, 0.5, 0.25])
    axes = waterfall_plot(0.0, values, np.zeros(5), list("abcde"), most=3).axes[0]
    assert axes.patches[-1].get_width() == pytest.approx(0.75)
    assert axes.get_yticklabels()[-1].get_text() == "2 other features"
    assert len(axes.patches) == 4


def test_a_waterfall_of_a_row_that_nothing_moves_can_be_drawn() -> None:
    assert "prediction = 1.5" in texts(waterfall_plot(1.5, np.zeros(3), np.ones(3), ["a", "b", "c"]))


def test_the_interaction_matrix_shows_whole_interactions_and_single_main_effects() -> None:
    interactions = np.zeros((2, 3, 3))
    interactions[:, 0, 0] = 5.0, -3.0
    interactions[:, 1, 1] = 2.0
    interactions[0, 0, 1] = interactions[0, 1, 0] = 0.5
    axes = interaction_matrix(interactions, ["a", "b", "c"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[4.0, 0.5, 0.0], [0.5, 2.0, 0.0], [0.0, 0.0, 0.0]])
    assert {"4.00", "0.50", "2.00"} <= set(texts(axes.figure))


def test_the_interaction_matrix_keeps_the_strongest_features() -> None:
    interactions = np.zeros((1, 4, 4))
    interactions[0][np.diag_indices(4)] = 1.0, 4.0, 2.0, 3.0
    axes = interaction_matrix(interactions, list("abcd"), most=2).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["b", "d"]
    assert "(the strongest 2 of 4 features)" in texts(axes.figure)


def test_shares_are_drawn_in_per_cent_with_the_strongest_feature_on_top() -> None:
    shares = np.array([[0.1, 0.6, 0.2, 0.1], [0.2, 0.5, 0.3, 0.0]])
    axes = share_matrix(shares, NAMES, ["one", "two"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), 100 * shares[:, [1, 2, 0, 3]].T)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["one", "two"]
    assert axes.get_yticklabels()[0].get_text() == NAMES[1]


def test_rank_correlations_share_one_scale_from_minus_one_to_one() -> None:
    one, other = np.array([[1.0, -0.5], [-0.5, 1.0]]), np.eye(2)
    figure = rank_matrices(one, other, ["a", "b"])
    for axes, numbers in zip(figure.axes, (one, other), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), numbers)
        assert axes.images[0].get_clim() == (-1, 1)
    assert "−0.50" in texts(figure)


def test_dots_stand_at_the_values_and_features_on_lines_of_their_own() -> None:
    first, second = np.array([1.0, -2.0, 0.0, 0.5]), np.array([0.9, -2.1, 0.1, 0.4])
    errors = np.array([0.1, 0.2, np.nan, 0.0])
    figure = row_plot({"cm": {"one": (first, None), "two": (second, errors)}, "kg": {"three": (first, None)}}, NAMES)
    left, right = figure.axes
    order = [1, 0, 3, 2]
    dots = [container.lines[0] for container in left.containers]
    np.testing.assert_array_equal(dots[0].get_xdata(), first[order])
    np.testing.assert_array_equal(dots[1].get_xdata(), second[order])
    assert np.all(np.abs(np.asarray(dots[0].get_ydata()) - np.arange(4)) < 0.5)
    assert [tick.get_text() for tick in left.get_yticklabels()] == [NAMES[i] for i in order]
    assert (left.get_xlabel(), right.get_xlabel()) == ("SHAP value, cm", "SHAP value, kg")


def test_the_page_of_many_rows_holds_each_of_them() -> None:
    rng = np.random.default_rng(0)
    values, data = rng.normal(size=(12, 4)), rng.uniform(size=(12, 4))
    code = force_page(0.5, values, data, NAMES).rpartition("<script>")[2]
    assert "AdditiveForceArrayVisualizer" in code
    assert code.count('"simIndex"') == 12
    assert "http" not in code
