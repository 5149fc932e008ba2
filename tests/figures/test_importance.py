"""Bars of coefficients and importances: what is drawn is what was given."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures.canvas import NEGATIVE, PALETTE, POSITIVE
from twinlens.figures.importance import Panel, coefficient_bars, importance_panels

NAMES = ["rooms", "crime", "age"]


def widths(axes: Any) -> list[float]:
    return [patch.get_width() for patch in axes.patches]


def labels(axes: Any) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_coefficients_are_sorted_and_coloured_by_sign_and_doubtful_ones_hatched() -> None:
    figure = coefficient_bars(NAMES, ["price"], [[1.0, -3.0, 0.5]], [[0.1, 0.2, 0.3]], [True, False, False], "t")
    (axes,) = figure.axes
    assert labels(axes) == ["crime", "rooms", "age"]
    assert widths(axes) == [-3.0, 1.0, 0.5]
    assert [to_hex(patch.get_facecolor()) for patch in axes.patches] == [NEGATIVE, POSITIVE, POSITIVE]
    assert [bool(patch.get_hatch()) for patch in axes.patches] == [False, True, False]


def test_every_output_has_a_chart_of_its_own() -> None:
    figure = coefficient_bars(NAMES, list("abcd"), np.eye(4, 3), np.zeros((4, 3)), [False] * 3, "t")
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == list("abcd")


def test_panels_share_the_order_of_the_first_and_strange_features_their_colour() -> None:
    panels = [Panel("one", "x", [0.1, 0.7, 0.2], [0.0, 0.1, 0.0]), Panel("two", "y", [5, 6, 7], log=True)]
    figure = importance_panels(NAMES, panels, "t", [False, False, True], "strange")
    first, second = figure.axes
    assert labels(first) == ["crime", "age", "rooms"]
    assert (widths(first), widths(second)) == ([0.7, 0.2, 0.1], [6, 7, 5])
    assert to_hex(first.patches[1].get_facecolor()) == PALETTE[1] != to_hex(first.patches[0].get_facecolor())
    assert second.get_xscale() == "log"


def test_bars_beyond_the_limit_are_cut_off_and_their_number_is_written() -> None:
    figure = importance_panels(NAMES, [Panel("one", "x", [0.9, 0.01, -0.02], limit=0.05)], "t")
    (axes,) = figure.axes
    assert axes.get_xlim()[1] == 0.05
    assert axes.get_xlim()[0] < -0.02
    assert any("0.9" in text.get_text() for text in axes.texts)


def test_more_features_than_fit_are_counted() -> None:
    names = [f"f{i}" for i in range(30)]
    figure = importance_panels(names, [Panel("one", "x", np.arange(30.0))], "t")
    assert labels(figure.axes[0])[0] == "f29"
    assert any("5 smaller" in text.get_text() for text in figure.texts)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="do not fit"):
        coefficient_bars(NAMES, ["a", "b"], [[1, 2, 3]], [[1, 2, 3]], [False] * 3, "t")
    with pytest.raises(InputError, match="do not fit"):
        importance_panels(NAMES, [Panel("one", "x", [1.0, 2.0])], "t")
    with pytest.raises(NonFiniteError, match="1 of 3 values"):
        importance_panels(NAMES, [Panel("one", "x", [1.0, 2.0, np.nan])], "t")


def test_the_users_settings_come_back() -> None:
    before = dict(mpl.rcParams)
    importance_panels(NAMES, [Panel("one", "x", [1.0, 2.0, 3.0])], "t")
    assert dict(mpl.rcParams) == before
