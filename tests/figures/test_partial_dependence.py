"""Curves and maps: what is drawn is what was given, and where the data is shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh

from twinlens.errors import InputError
from twinlens.figures.partial_dependence import CurvePanel, FeatureAxis, MapPanel, dependence_grid, dependence_maps

GRID = np.array([1.0, 2.0, 4.0])
CURVES = np.array([[0.0, 1.0, 2.0], [5.0, 4.0, 3.0]])
PANEL = CurvePanel(GRID, CURVES, CURVES.mean(axis=0), "note")
ROOMS = FeatureAxis("rooms", np.linspace(0, 10, 11))


def lines(axes: Any) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in axes.lines]


def test_every_row_and_the_average_are_drawn() -> None:
    figure = dependence_grid([[PANEL]], ["forest"], [ROOMS], "price", "t")
    (axes,) = figure.axes
    np.testing.assert_array_equal(lines(axes), [*CURVES, CURVES.mean(axis=0)])
    assert axes.lines[-1].get_linewidth() > axes.lines[0].get_linewidth()
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="right")) == ("rooms", "forest\nprice", "note")


def test_rows_and_deciles_are_marked_and_do_not_stretch_the_scale() -> None:
    figure = dependence_grid([[CurvePanel(GRID, CURVES + 100, CURVES[0] + 100)]], ["m"], [ROOMS], "y", "t")
    (axes,) = figure.axes
    rug, deciles = (
        [segment[0][0] for segment in found.get_segments()]
        for found in axes.collections
        if isinstance(found, LineCollection)
    )
    np.testing.assert_allclose(rug, ROOMS.data)
    np.testing.assert_allclose(deciles, np.arange(1.0, 10.0))
    assert axes.get_ylim()[0] > 90


def test_models_are_rows_and_features_columns_with_one_scale() -> None:
    panels = [[PANEL] * 3, [CurvePanel(GRID, CURVES * 9, CURVES[0])] * 3]
    figure = dependence_grid(panels, ["a", "b"], [ROOMS] * 3, "y", "t")
    assert len(figure.axes) == 6
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_categories_are_named_and_no_line_leads_from_one_average_to_the_next() -> None:
    axis = FeatureAxis("smell", np.array([0.0, 1.0, 2.0]), ["foul", "none", "sweet"])
    panel = CurvePanel(np.array([0.0, 2.0]), CURVES[:, :2], CURVES[0, :2])
    (axes,) = dependence_grid([[panel]], ["m"], [axis], "y", "t").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["foul", "sweet"]
    assert axes.lines[-1].get_linestyle() == "None"


def test_maps_share_their_colours_and_hatch_what_no_row_supports() -> None:
    values, supported = np.arange(6.0).reshape(3, 2), np.array([[True, True], [True, False], [False, True]])
    panels = [MapPanel("a", values, supported), MapPanel("b", values * 2, np.ones((3, 2), bool))]
    features = ROOMS, FeatureAxis("crime", np.linspace(0, 10, 11))
    figure = dependence_maps(panels, features, (GRID, np.array([10.0, 20.0])), "price", "t")
    first, second = figure.axes[:2]
    meshes = [next(c for c in axes.collections if isinstance(c, QuadMesh)) for axes in (first, second)]
    assert {mesh.get_clim() for mesh in meshes} == {(0.0, 10.0)}
    np.testing.assert_array_equal(meshes[0].get_array(), values.T)
    boxes = [patch.get_bbox().bounds for patch in first.patches]
    assert boxes == [(1.5, 15.0, 1.5, 10.0), (3.0, 5.0, 2.0, 10.0)]
    assert not second.patches
    assert first.get_xlim() == (0.5, 5.0)


def test_panels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="2 models and 1 features"):
        dependence_grid([[PANEL]], ["a", "b"], [ROOMS], "y", "t")
    with pytest.raises(InputError, match="no maps"):
        dependence_maps([], (ROOMS, ROOMS), (GRID, GRID), "y", "t")
