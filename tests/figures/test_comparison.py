"""A, B and their difference on one scale, for maps and for tables, whatever the values are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.comparison.pair import Pair, paired
from twinlens.errors import InputError
from twinlens.figures.comparison import comparison_figure, comparison_scatter
from twinlens.methods import Explanation

NAMES = ("resnet18 on torch", "resnet18 on paddle")


def pair(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...] | None = None, name: str = "saliency") -> Pair:
    inputs = np.full((len(first), *(shape or first.shape[1:])), 0.5, np.float32)
    made = [
        Explanation(values, inputs, None, np.eye(2)[[0] * len(values)], "saliency", {}, backend, "resnet18", 0, 0.1)
        for values, backend in ((first, "torch"), (second, "paddle"))
    ]
    return paired(name, *made)


def maps(samples: int = 2, channels: int = 3, size: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples, channels, size, size))


def images(figure: Any) -> list[Any]:
    return [axes.images[0] for axes in figure.axes if axes.images]


def overlaps(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other, and texts that reach out of the figure."""
    figure.canvas.draw()
    texts = list(figure.texts) + [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            # An axis keeps labels beyond its limits, which are not drawn.
            texts += [
                label
                for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
                if low <= place <= high
            ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text().strip()]
    edge = figure.bbox
    found = [
        (text, "edge")
        for text, box in boxes
        if box.x0 < edge.x0 - 1 or box.x1 > edge.x1 + 1 or box.y0 < edge.y0 - 1 or box.y1 > edge.y1 + 1
    ]
    for i, (text, box) in enumerate(boxes):
        found += [
            (text, other) for other, place in boxes[i + 1 :] if box.shrunk(0.9, 0.8).overlaps(place.shrunk(0.9, 0.8))
        ]
    return found


def test_a_b_and_their_difference_share_one_scale_and_the_enlarged_difference_has_its_own() -> None:
    a, b = maps(), maps(seed=1)
    figure = comparison_figure(pair(a, a + 0.001 * b), NAMES)
    for row in range(2):
        picture, first, second, difference, enlarged = images(figure)[5 * row : 5 * row + 5]
        assert picture.get_array().shape == (8, 8, 3)
        np.testing.assert_allclose(first.get_array(), a[row].sum(axis=0))
        np.testing.assert_allclose(second.get_array(), (a + 0.001 * b)[row].sum(axis=0))
        np.testing.assert_allclose(difference.get_array(), first.get_array() - second.get_array())
        np.testing.assert_array_equal(difference.get_array(), enlarged.get_array())
        assert first.get_clim() == second.get_clim() == difference.get_clim()
        low, high = first.get_clim()
        assert low == -high
        sizes = np.abs(np.stack([np.asarray(first.get_array()), np.asarray(second.get_array())]))
        assert high == pytest.approx(np.percentile(sizes, 99.5))
        assert enlarged.get_clim()[1] < 0.01 * high
        # The bars tell these scales.
        bars = [axes for axes in figure.axes if axes.get_label() == "colour bar"][2 * row : 2 * row + 2]
        assert [bar.get_ylim() for bar in bars] == [first.get_clim(), enlarged.get_clim()]


@pytest.mark.parametrize("zero", ["both", "a", "b"])
def test_zero_maps_are_drawn_and_finite(zero: str) -> None:
    some = maps(1)
    a, b = (np.zeros_like(some) if zero in (side, "both") else some for side in "ab")
    found = pair(a, b)
    figure = comparison_figure(found, NAMES)
    scatter = comparison_scatter(found, NAMES)
    for drawn in (figure, scatter):
        drawn.canvas.draw()
    for image in images(figure)[1:]:
        assert np.isfinite(image.get_clim()).all()
        assert image.get_clim()[0] < 0 < image.get_clim()[1]
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert said.count("all zero") == (4 if zero == "both" else 1)
    assert "inf" not in "".join(text.get_text() for text in scatter.axes[1].texts)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 3, 6, 12), (2, 16, 4, 4), (1, 8, 8)])
def test_maps_of_any_kind_are_drawn(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    figure = comparison_figure(pair(values, -values, (3, 8, 8)), NAMES)
    assert len(images(figure)) == 5 * shape[0]
    assert overlaps(figure) == []


def test_inputs_that_are_no_pictures_leave_their_place_empty() -> None:
    figure = comparison_figure(pair(maps(1), maps(1), (7, 8, 8)), NAMES)
    assert len(images(figure)) == 4


def test_rows_of_a_table_are_bars_on_one_scale() -> None:
    a = np.array([[1.0, -3, 0.5], [0, 0, 0]])
    b = np.array([[1.0, 2, 0.25], [0, 0, 0]])
    figure = comparison_figure(pair(a, b), NAMES, ["first row", "second row"])
    left, right = figure.axes[:2]
    assert [label.get_text() for label in left.get_yticklabels()] == ["feature 1", "feature 0", "feature 2"]
    assert [bar.get_width() for bar in left.patches] == [-3, 1, 0.5, 2, 1, 0.25]
    assert [bar.get_width() for bar in right.patches] == [-5, 0, 0.25]
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xlim()[1] > 5
    assert np.isfinite(figure.axes[2].get_xlim()).all()
    assert left.get_title(loc="left") == "first row"
    assert overlaps(figure) == []


def test_of_many_features_the_largest_are_drawn_and_the_rest_is_counted() -> None:
    a = np.arange(40.0)[None]
    figure = comparison_figure(pair(a, np.zeros_like(a)), NAMES)
    left, right = figure.axes
    assert left.get_yticklabels()[0].get_text() == "feature 39"
    assert len(right.patches) == 12
    assert right.get_xlabel() == "28 smaller values are not shown"


def test_values_of_other_shapes_are_bars_with_their_place() -> None:
    values = np.zeros((1, 4, 1, 1))
    values[0, 2] = 1
    figure = comparison_figure(pair(values, values, (3, 8, 8)), NAMES)
    assert figure.axes[0].get_yticklabels()[0].get_text() == "feature 2, 0, 0"


def test_more_samples_than_fit_are_counted_in_the_title() -> None:
    figure = comparison_figure(pair(maps(5), maps(5)), NAMES, maximum=2)
    assert len(images(figure)) == 10
    assert "saliency, 2 of 5 samples" in [text.get_text() for text in figure.texts]


def test_long_names_and_tiny_numbers_do_not_overlap() -> None:
    long = ("a_very_long_name_of_a_network_in_a_file.py:build_the_network_with_options on torch", "b" * 70)
    a = 1e-12 * maps(2)
    found = pair(a, -3.14159 * a, name="integrated_gradients / feature_permutation")
    samples = ["a_photograph_with_a_long_file_name_20240131_120000.jpeg", "two: a golden retriever"]
    assert overlaps(comparison_figure(found, long, samples)) == []
    assert overlaps(comparison_scatter(found, long)) == []
    rows = pair(1e-12 * np.arange(1.0, 7).reshape(2, 3), -1e5 * np.ones((2, 3)))
    assert overlaps(comparison_figure(rows, long, samples)) == []


@pytest.mark.parametrize("size", [2, 50])
def test_the_scatter_holds_every_value_the_identity_and_the_numbers(size: int) -> None:
    a = maps(3, 1, size)
    found = pair(a, a + 0.1)
    left, right = comparison_scatter(found, NAMES).axes
    drawn = left.collections[0]
    counted = drawn.get_array().sum() if size == 50 else len(drawn.get_offsets())
    assert counted == a.size
    assert (left.get_xlabel(), left.get_ylabel()) == ("A", "B")
    assert left.lines[0].get_label() == "identity"
    texts = [text.get_text() for text in right.texts]
    worst = found.worst()["relative_l2"]
    assert texts[texts.index("relative L2") + 1] == f"{worst:.4g}"


def test_samples_need_one_name_each() -> None:
    with pytest.raises(InputError, match="1 names for 2 samples"):
        comparison_figure(pair(maps(), maps()), NAMES, ["one"])
