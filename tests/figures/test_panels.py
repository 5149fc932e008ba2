"""Pictures beside what speaks for and against their class; faces in whole pictures; palettes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures import as_picture, overlay, regions, save
from twinlens.figures.faces import FacedPicture, Rectangle, draw_faces
from twinlens.figures.palettes import BLUE_ORANGE, GREEN_RED, PALETTES, palette_of
from twinlens.figures.panels import PanelRow, panels

PICTURE = np.random.default_rng(0).random((24, 24, 3))
QUARTERS = np.kron(np.array([[0, 1], [2, 3]]), np.ones((12, 12), int))


def row(values: np.ndarray, pictures: int = 2) -> PanelRow:
    return PanelRow("a.jpg · torch", "mask, probability 0.9", [PICTURE] * pictures, values)


def test_every_picture_has_its_map_with_a_scale_and_the_legend_is_in_words(tmp_path: Path) -> None:
    values = np.linspace(-1, 2, 576).reshape(24, 24)
    figure = panels(
        [row(values), row(values)], ["picture", "for", "map"], "lime", legend=[(True, "speaks for"), (False, "against")]
    )
    images = [axes for axes in figure.axes if axes.images]
    assert len(images) == 6
    np.testing.assert_array_equal(images[2].images[0].get_array(), values)
    assert images[2].images[0].get_clim() == (-2.0, 2.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["speaks for", "against"]
    said = [text.get_text() for text in figure.texts]
    assert {"lime", "picture", "for", "map"} < set(said)
    assert said.count("a.jpg · torch") == said.count("mask, probability 0.9") == 2
    assert save(figure, tmp_path / "a.png").stat().st_size > 1000


def test_a_map_of_one_sign_begins_at_its_least(tmp_path: Path) -> None:
    figure = panels([row(np.full((24, 24), 0.5))], ["picture", "for", "map"], "heat")
    assert figure.axes[2].images[0].get_clim() == (0.5, 1.5)
    assert not figure.legends


def test_nothing_falls_outside_of_the_figure() -> None:
    figure = panels([row(np.zeros((24, 24)), 3)] * 6, ["picture", "for", "both", "map"], "lime " * 40)
    for axes in figure.axes:
        place = axes.get_position()
        assert 0 <= place.x0 < place.x1 <= 1
        assert 0 <= place.y0 < place.y1 <= 1
    assert all(0 <= text.get_position()[1] <= 1 for text in figure.texts)


def test_rows_that_do_not_fit_their_columns_are_refused() -> None:
    for rows in ([], [row(np.zeros((24, 24)), 1)]):
        with pytest.raises(InputError, match="rows"):
            panels(rows, ["picture", "for", "map"], "lime")
    with pytest.raises(NonFiniteError):
        panels([row(np.full((24, 24), np.nan))], ["picture", "for", "map"], "lime")


def test_palettes_are_found_by_name() -> None:
    assert palette_of("blue-orange") is BLUE_ORANGE
    with pytest.raises(InputError, match="green-red"):
        palette_of("green")


@pytest.mark.parametrize("palette", PALETTES.values())
def test_a_palette_s_map_goes_from_against_over_white_to_for(palette: object) -> None:
    cmap = palette.cmap()  # type: ignore[attr-defined]
    ends = [palette.negative, (1, 1, 1), palette.positive]  # type: ignore[attr-defined]
    for place, colour in zip((0.0, 0.5, 1.0), ends, strict=True):
        np.testing.assert_allclose(cmap(place)[:3], colour, atol=0.01)


def test_without_any_colour_stripes_tell_what_speaks_against() -> None:
    grey = np.full((24, 24, 3), 0.5)
    both = regions(grey, QUARTERS, {0: 1.0, 3: -1.0}, fade=0, palette=BLUE_ORANGE)
    inner = (slice(2, 10), slice(2, 10)), (slice(14, 22), slice(14, 22))
    assert len(np.unique(both[inner[0]].reshape(-1, 3), axis=0)) == 1
    assert len(np.unique(both[inner[1]].reshape(-1, 3), axis=0)) == 2


def test_borders_are_unbroken_for_and_dashed_against() -> None:
    grey = np.full((24, 24, 3), 0.5)
    both = regions(grey, QUARTERS, {0: 1.0, 3: -1.0}, fade=0)
    edge = both[11, :12]
    assert (edge == GREEN_RED.positive).all()
    dashed = (both[12, 12:] == GREEN_RED.negative).all(axis=1)
    assert 0 < dashed.sum() < 12


def test_the_rest_is_hidden_and_the_shown_regions_keep_their_colours() -> None:
    shown = regions(PICTURE, QUARTERS, {0: 1.0, 3: -1.0}, hide_rest=True)
    assert len(np.unique(shown[QUARTERS == 1])) == 1
    np.testing.assert_array_equal(shown[2:10, 2:10], as_picture(PICTURE)[2:10, 2:10])
    np.testing.assert_array_equal(shown[14:22, 14:22], as_picture(PICTURE)[14:22, 14:22])


def test_an_overlay_takes_the_colours_of_a_palette() -> None:
    strength = np.zeros((24, 24))
    strength[0, 0], strength[1, 1] = 1, -1
    laid = overlay(np.zeros((3, 24, 24)), strength, GREEN_RED.cmap(), alpha=1)
    np.testing.assert_allclose(laid[0, 0], GREEN_RED.positive, atol=0.01)
    np.testing.assert_allclose(laid[1, 1], GREEN_RED.negative, atol=0.01)


def test_faces_are_framed_where_they_are() -> None:
    first, second, cut = Rectangle(2, 3, 8, 8), Rectangle(14, 14, 4, 4), Rectangle(1, 2, 10, 10)
    figure = draw_faces(
        [FacedPicture("a", PICTURE, [first, second], cut), FacedPicture("b", PICTURE, [], None)], "faces"
    )
    boxes = [(p.get_x() + 0.5, p.get_y() + 0.5, p.get_width(), p.get_height()) for p in figure.axes[0].patches]
    assert boxes == [first, second, cut]
    assert len({p.get_linestyle() for p in figure.axes[0].patches}) == 3
    assert not figure.axes[1].patches
    with pytest.raises(InputError, match="no pictures"):
        draw_faces([], "faces")
