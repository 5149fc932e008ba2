"""Figures of LIME on tables: what is drawn is what was given, signs and order included."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from twinlens.errors import InputError
from twinlens.figures.canvas import NEGATIVE, POSITIVE, save
from twinlens.figures.tables_lime import flip_dots, lime_side_by_side

RULES = ["odor=foul", "size=broad", "ring=large", "a $ sign & <b>"]
WEIGHTS = {"forest": np.array([0.4, -0.2, 0.0, 0.05]), "network": np.array([0.1, -0.5, 0.02, 0.0])}
STDS = {name: np.full(4, 0.01) for name in WEIGHTS}


def test_every_model_gets_a_panel_with_the_same_rules_in_the_same_order() -> None:
    figure = lime_side_by_side(RULES, WEIGHTS, STDS, {"forest": 0.9, "network": 0.75}, "poisonous", "row 3", most=3)
    order = [1, 0, 3]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [RULES[i] for i in order]
    for axes, (name, weights) in zip(figure.axes, WEIGHTS.items(), strict=True):
        assert [bar.get_width() for bar in axes.patches] == [weights[i] for i in order]
        colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
        assert colours == [POSITIVE if weights[i] >= 0 else NEGATIVE for i in order]
        assert name in axes.get_title()
    assert "P(poisonous) = 0.750" in figure.axes[1].get_title()


def test_all_bars_and_deviations_lie_within_the_shared_limits() -> None:
    figure = lime_side_by_side(RULES, WEIGHTS, STDS, dict.fromkeys(WEIGHTS, 0.5), "x")
    assert {axes.get_xlim() for axes in figure.axes} == {figure.axes[0].get_xlim()}
    low, high = figure.axes[0].get_xlim()
    assert low < -0.51
    assert high > 0.41


def test_weights_of_zero_are_drawn(tmp_path) -> None:
    figure = lime_side_by_side(["a"], {"m": np.zeros(1)}, {"m": np.zeros(1)}, {"m": 1.0}, "x")
    assert save(figure, tmp_path / "zero.png").stat().st_size > 0


@pytest.mark.parametrize("weights", [{}, {"m": np.zeros(3)}])
def test_weights_that_do_not_fit_the_rules_are_refused(weights) -> None:
    with pytest.raises(InputError, match="do not fit 4 rules"):
        lime_side_by_side(RULES, weights, weights, {}, "x")


def test_the_row_stands_on_top_and_the_values_that_change_most_follow() -> None:
    after = {"forest": np.array([0.8, 0.1, 0.9]), "network": np.array([0.9, 0.5, 0.95])}
    figure = flip_dots(
        "odor=foul", ["odor=a", "odor=b", "odor=c"], {"forest": 0.9, "network": 0.95}, after, "bad", most=2
    )
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["odor=foul (the row)", "odor=b", "odor=a"]
    dots = {line.get_label(): list(line.get_xdata()) for line in axes.lines if line.get_label() in after}
    assert dots == {"forest": [0.9, 0.1, 0.8], "network": [0.95, 0.5, 0.9]}
    assert "1 that change less" in figure.get_suptitle()
