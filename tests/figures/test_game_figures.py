"""Figures of games: every coalition and joining in the lattice, errors and weights where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures.coalition_weights import coalition_weights
from twinlens.figures.convergence import Course, Race, convergence_plot
from twinlens.figures.lattice import coalition_lattice

BAND = [0.0, 4000, 4800, 9000, 5000, 8500, 9500, 15000]
NAMES = ["drums", "guitar", "singer"]


def boxes(axes) -> dict[str, tuple[list[str], tuple[float, float]]]:
    """Worth to the letters of who is present, and where the box stands."""
    found = {}
    for box in (child for child in axes.get_children() if isinstance(child, AnnotationBbox)):
        worth, *letters = (child.get_text() for child in box.offsetbox.get_children() if isinstance(child, Text))
        found[worth] = (letters, box.xy)
    return found


def test_each_coalition_has_a_box_with_its_worth_and_its_players() -> None:
    axes = coalition_lattice(NAMES, BAND, "Band", "roubles").axes[0]
    found = {worth: letters for worth, (letters, _) in boxes(axes).items()}
    assert found == {
        "0": [],
        "4 000": ["D"],
        "4 800": ["G"],
        "5 000": ["S"],
        "9 000": ["D", "G"],
        "8 500": ["D", "S"],
        "9 500": ["G", "S"],
        "15 000": ["D", "G", "S"],
    }
    assert axes.get_title(loc="left") == "Band (roubles)"


def test_coalitions_stand_by_their_size() -> None:
    axes = coalition_lattice(NAMES, BAND).axes[0]
    assert all(place[0] == len(letters) for letters, place in boxes(axes).values())


def test_a_line_joins_two_coalitions_in_the_colour_of_who_joins() -> None:
    axes = coalition_lattice(NAMES, BAND).axes[0]
    places = {place: set(letters) for letters, place in boxes(axes).values()}
    lines = [line for line in axes.lines if len(line.get_xdata())]
    assert len(lines) == 12
    colours: dict[str, set[str]] = {}
    for line in lines:
        start, end = (places[point] for point in zip(line.get_xdata(), line.get_ydata(), strict=True))
        (joined,) = end - start
        assert start < end
        colours.setdefault(joined, set()).add(line.get_color())
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == 3


def test_every_marginal_contribution_is_written_on_its_line() -> None:
    axes = coalition_lattice(NAMES, BAND).axes[0]
    written = sorted(text.get_text() for text in axes.texts)
    added = sorted(
        f"{BAND[i | 1 << j] - BAND[i]:+,.0f}".replace(",", " ") for i in range(8) for j in range(3) if not i >> j & 1
    )
    assert written == added


def test_small_and_negative_worths_keep_their_digits() -> None:
    axes = coalition_lattice(["a", "b"], [0.0, 0.25, -0.5, 0.125]).axes[0]
    assert set(boxes(axes)) == {"0.000", "0.250", "−0.500", "0.125"}
    assert "−0.500" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("players", [2, 3, 4, 5])
def test_no_number_of_a_lattice_covers_another(players: int) -> None:
    worth = np.random.default_rng(0).random(1 << players)
    figure = coalition_lattice([f"{chr(97 + j)}olumn" for j in range(players)], worth)
    figure.canvas.draw()
    frames = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(frames) == players * 2 ** (players - 1)
    overlaps = sum(a.overlaps(b) for i, a in enumerate(frames) for b in frames[:i])
    assert overlaps == 0


def test_players_with_the_same_first_letter_are_numbered() -> None:
    axes = coalition_lattice(["petal length", "petal width"], [0.0, 1, 2, 3]).axes[0]
    assert [letters for letters, _ in boxes(axes).values()] == [[], ["1"], ["2"], ["1", "2"]]


def test_absent_players_leave_their_square_empty() -> None:
    axes = coalition_lattice(NAMES, BAND).axes[0]
    for box in (child for child in axes.get_children() if isinstance(child, AnnotationBbox)):
        squares = [child for child in box.offsetbox.get_children() if isinstance(child, Rectangle)]
        assert len(squares) == 3
        filled = sum(square.get_facecolor() != (1.0, 1.0, 1.0, 1.0) for square in squares)
        assert filled == box.xy[0]


@pytest.mark.parametrize(
    ("players", "worth"), [(["a"], [0, 1]), (["a"] * 6, [0] * 64), (NAMES, [0] * 7), (NAMES, [[0] * 8])]
)
def test_a_lattice_that_cannot_be_drawn_is_refused(players: list[str], worth: list[float]) -> None:
    with pytest.raises(InputError, match=f"{len(players)} players"):
        coalition_lattice(players, worth)
    with pytest.raises(NonFiniteError):
        coalition_lattice(NAMES, [np.nan] * 8)


def test_convergence_shows_median_range_guide_and_end() -> None:
    errors = np.array([[0.4, 0.1, 0.2], [0.05, 0.1, 0.2]])
    race = Race("game", {"ours": Course(np.array([10.0, 40.0]), errors)}, 254)
    axes = convergence_plot([race, race], "error", "title").axes[0]
    median, guide, end = axes.lines
    np.testing.assert_allclose(median.get_ydata(), [0.2, 0.1])
    np.testing.assert_allclose(guide.get_xdata(), [10, 254])
    np.testing.assert_allclose(guide.get_ydata()[0] / guide.get_ydata()[1], 25.4**0.5)
    assert list(end.get_xdata()) == [254, 254]
    corners = axes.collections[0].get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (0.05, 0.4)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_an_error_of_zero_is_left_out_of_a_logarithmic_chart() -> None:
    race = Race("game", {"ours": Course(np.array([10.0, 14.0]), np.array([[0.4, 0.1], [0.0, 0.0]]))}, 14)
    axes = convergence_plot([race], "error").axes[0]
    assert list(axes.lines[0].get_xdata()) == [10.0]


def test_a_race_without_methods_is_refused() -> None:
    with pytest.raises(InputError, match="no method"):
        convergence_plot([Race("game", {}, 10)], "error")
    with pytest.raises(InputError):
        convergence_plot([], "error")


def test_weights_are_drawn_per_coalition_and_per_size() -> None:
    kernels = {"even": np.ones(4), "ends": np.array([np.inf, 2.0, 0.5, np.inf])}
    left, right = coalition_weights(kernels, "title").axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), [1, 1, 1, 1])
    np.testing.assert_allclose(left.lines[1].get_ydata(), [np.nan, 1, 0.25, np.nan])
    assert [text.get_text() for text in left.texts] == ["∞", "∞"]
    np.testing.assert_allclose(right.lines[0].get_ydata(), np.array([1, 3, 3, 1]) / 8)
    np.testing.assert_allclose(right.lines[1].get_ydata(), [0.8, 0.2])
    left.figure.canvas.draw()
    assert not any("$" in label.get_text() for label in left.get_yticklabels())


def test_kernels_that_do_not_fit_are_refused() -> None:
    for kernels in (
        {},
        {"a": np.ones(3), "b": np.ones(4)},
        {"a": np.array([1.0, 0.0])},
        {"a": np.array([1.0, np.nan])},
    ):
        with pytest.raises(InputError):
            coalition_weights(kernels)
