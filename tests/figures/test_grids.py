import itertools

import numpy as np
import pytest

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures import GridRow, feature_map_grid, picture_grid, tile_grid

PICTURE = np.random.default_rng(0).random((3, 16, 16))
MAP = np.random.default_rng(1).normal(size=(16, 16))


def drawn(figure):
    return [axes for axes in figure.axes if axes.get_label() != "colour bar"]


def bars_of(figure):
    return [axes for axes in figure.axes if axes.get_label() == "colour bar"]


def text_boxes(figure):
    figure.canvas.draw()
    texts = list(figure.texts)
    for axes in drawn(figure):
        texts += [axes.title, axes.xaxis.label]
    for axes in bars_of(figure):
        texts += axes.get_yticklabels()
    return [text.get_window_extent() for text in texts if text.get_text().strip()]


@pytest.mark.parametrize("count", range(1, 17))
def test_every_number_of_pictures_gets_its_axes(count) -> None:
    figure = picture_grid([("picture", [PICTURE] * count), ("map", [MAP] * count)])
    assert len(drawn(figure)) == 2 * count
    assert not bars_of(figure)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 16])
def test_texts_overlap_neither_each_other_nor_the_edge(count) -> None:
    long = "Vegetable/Fruit, mixed and fried, with noodles 0.9312"
    rows = [
        GridRow("picture", [PICTURE] * count),
        GridRow("integrated gradients with 50 steps", [MAP] * count, signed=True, captions=[long] * count),
    ]
    figure = picture_grid(rows, [long] * count, "A title that is a good deal longer than one picture is wide")
    boxes = text_boxes(figure)
    assert len(boxes) > 2 * count
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    width, height = figure.canvas.get_width_height()
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_texts_lie_on_no_picture() -> None:
    figure = picture_grid(
        [GridRow("saliency", [MAP] * 7, captions=["inside 12 %"] * 7)], ["Dairy product"] * 7, "Title"
    )
    pictures = [axes.get_window_extent() for axes in drawn(figure)]
    assert not any(text.overlaps(picture) for text in text_boxes(figure) for picture in pictures)


def test_a_signed_row_is_symmetric_and_has_a_bar() -> None:
    figure = picture_grid([GridRow("signed", [MAP, 3 * MAP - 1], signed=True)])
    assert len(bars_of(figure)) == 1
    for axes, values in zip(drawn(figure), (MAP, 3 * MAP - 1), strict=True):
        low, high = axes.images[0].get_clim()
        assert -low == high == np.abs(values).max()


def test_a_shared_scale_spans_the_row() -> None:
    figure = picture_grid([GridRow("shared", [MAP, 5 * MAP], shared=True)])
    limits = {axes.images[0].get_clim() for axes in drawn(figure)}
    assert limits == {(5 * MAP.min(), 5 * MAP.max())}
    assert len(bars_of(figure)) == 1


def test_a_zero_map_is_drawn_dark_and_a_signed_one_neutral() -> None:
    zero = np.zeros((8, 8))
    figure = picture_grid([GridRow("zero", [zero]), GridRow("zero", [zero], signed=True)])
    heat, neutral = (axes.images[0] for axes in drawn(figure))
    assert np.max(heat.cmap(heat.norm(0.0))[:3]) < 0.05
    assert np.min(neutral.cmap(neutral.norm(0.0))[:3]) > 0.9


def test_the_drawn_values_are_those_given() -> None:
    figure = picture_grid([("map", [MAP]), ("picture", [PICTURE])])
    np.testing.assert_array_equal(drawn(figure)[0].images[0].get_array(), MAP)
    np.testing.assert_array_equal(drawn(figure)[1].images[0].get_array(), np.moveaxis(PICTURE, 0, -1))


def test_pictures_keep_their_shape() -> None:
    figure = picture_grid([("wide", [np.zeros((10, 20))] * 3)])
    box = drawn(figure)[0].get_window_extent()
    assert box.width / box.height == pytest.approx(2, rel=0.01)


def test_a_place_can_stay_empty() -> None:
    figure = picture_grid([("map", [MAP, None])])
    assert [len(axes.images) for axes in drawn(figure)] == [1, 0]


def test_dollar_signs_and_braces_are_no_formulas() -> None:
    figure = picture_grid([GridRow("$\\bad{", [MAP], captions=["$_^$"])], ["a$b_{$.jpg"], "$x$ {{y}}")
    figure.canvas.draw()
    assert drawn(figure)[0].get_title() == "a$b_{$.jpg"


@pytest.mark.parametrize(
    ("rows", "titles", "text"),
    [
        ([], None, "no pictures"),
        ([("map", [])], None, "no pictures"),
        ([("map", [MAP]), ("other", [MAP, MAP])], None, "'other' has 2 pictures"),
        ([("map", [MAP])], ["a", "b"], "2 column titles for 1"),
    ],
)
def test_grids_that_do_not_fit_are_refused(rows, titles, text) -> None:
    with pytest.raises(InputError, match=text):
        picture_grid(rows, titles)


def test_captions_must_fit() -> None:
    with pytest.raises(InputError, match="1 captions for 2"):
        picture_grid([GridRow("map", [MAP, MAP], captions=["only one"])])


def test_a_map_with_nan_is_refused() -> None:
    with pytest.raises(NonFiniteError, match="saliency"):
        picture_grid([("saliency", [np.full((4, 4), np.nan)])])


def test_feature_maps_have_a_row_per_filter_and_a_column_per_picture() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 12, 5, 5))
    figure = feature_map_grid(maps, [7, 2], ["a", "b", "c"], "conv1", pictures=[PICTURE] * 3)
    images = [axes.images[0].get_array() for axes in drawn(figure)]
    assert len(images) == 9
    for place, (row, column) in enumerate(itertools.product((7, 2), range(3))):
        np.testing.assert_array_equal(images[3 + place], maps[column, row])


def test_the_first_eight_filters_are_shown_when_none_are_named() -> None:
    assert len(drawn(feature_map_grid(np.zeros((1, 12, 3, 3))))) == 8
    assert len(drawn(feature_map_grid(np.zeros((1, 5, 3, 3))))) == 5


@pytest.mark.parametrize("index", [-1, 12])
def test_a_filter_that_does_not_exist_is_named(index) -> None:
    with pytest.raises(InputError, match=rf"Filter {index} .*0 to 11"):
        feature_map_grid(np.zeros((1, 12, 3, 3)), [index])


def test_a_layer_without_maps_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(2, 10\)"):
        feature_map_grid(np.zeros((2, 10)))


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_tiles_form_a_block(count) -> None:
    figure = tile_grid([PICTURE] * count, [f"filter {i}" for i in range(count)], "Filters")
    assert len(drawn(figure)) == count
    assert figure.get_figwidth() < 12
