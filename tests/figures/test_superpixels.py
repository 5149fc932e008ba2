import numpy as np
import pytest
from skimage.segmentation import find_boundaries

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures import as_picture, borders, boundaries, regions


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((3, 12, 12))


@pytest.fixture
def quarters():
    return np.kron(np.array([[0, 1], [2, 3]]), np.ones((6, 6), int))


def tint(picture, shaded, inside):
    """Mean change of red and green inside a region, against the picture."""
    change = (shaded - as_picture(picture))[inside].mean(axis=0)
    return change[0], change[1]


def test_borders_equal_those_of_scikit_image() -> None:
    for seed in range(20):
        segments = np.random.default_rng(seed).integers(0, 3, size=(9, 11))
        np.testing.assert_array_equal(borders(segments), find_boundaries(segments, connectivity=1, mode="thick"))


def test_one_segment_has_no_border(picture) -> None:
    np.testing.assert_array_equal(boundaries(picture, np.zeros((12, 12), int)), as_picture(picture))


def test_boundaries_change_only_the_border(picture, quarters) -> None:
    drawn, edge = boundaries(picture, quarters, colour=(1, 0, 0)), borders(quarters)
    assert (drawn[edge] == (1, 0, 0)).all()
    np.testing.assert_array_equal(drawn[~edge], as_picture(picture)[~edge])


def test_what_speaks_for_is_green_and_what_speaks_against_is_red(picture, quarters) -> None:
    shaded = regions(picture, quarters, {0: 0.5, 3: -0.2}, fade=0)
    red, green = tint(picture, shaded, quarters == 0)
    assert green > red
    red, green = tint(picture, shaded, quarters == 3)
    assert red > green
    middle = (quarters == 1) | (quarters == 2)
    np.testing.assert_array_equal(shaded[middle], as_picture(picture)[middle])


def test_only_the_strongest_are_shaded(picture, quarters) -> None:
    weights = [(0, 0.1), (1, 0.9), (2, -0.3), (3, -0.4)]
    shaded = regions(picture, quarters, weights, positive=1, negative=1, fade=0)
    changed = {k for k in range(4) if not np.array_equal(shaded[quarters == k], as_picture(picture)[quarters == k])}
    assert changed == {1, 3}


def test_stronger_segments_are_shaded_more(picture, quarters) -> None:
    shaded = regions(np.zeros((3, 12, 12)), quarters, {0: 1.0, 1: 0.1}, fade=0)
    assert shaded[2, 2, 1] > shaded[2, 9, 1] > 0


def test_weights_come_as_mapping_pairs_or_array(picture, quarters) -> None:
    expected = regions(picture, quarters, {0: 0.5, 1: -0.1})
    np.testing.assert_array_equal(regions(picture, quarters, [(0, 0.5), (1, -0.1)]), expected)
    np.testing.assert_array_equal(regions(picture, quarters, np.array([0.5, -0.1, 0.0, 0.0])), expected)
    np.testing.assert_array_equal(regions(picture, quarters, np.array([[0, 0.5], [1, -0.1]])), expected)


def test_no_weights_shade_nothing(picture, quarters) -> None:
    np.testing.assert_array_equal(regions(picture, quarters, {}, fade=0), as_picture(picture))
    np.testing.assert_array_equal(regions(picture, quarters, {0: 0.0}, fade=0), as_picture(picture))


def test_a_weight_for_a_segment_that_does_not_exist_is_named(picture, quarters) -> None:
    with pytest.raises(InputError, match="segment 7"):
        regions(picture, quarters, {0: 1.0, 7: 0.2})


def test_weights_that_are_not_numbers_are_refused(picture, quarters) -> None:
    with pytest.raises(NonFiniteError):
        regions(picture, quarters, np.array([1.0, np.nan, 0, 0]))


def test_segments_of_another_size_are_refused(picture, quarters) -> None:
    for draw in (lambda: boundaries(picture, quarters[:5]), lambda: regions(picture, quarters[:5], {})):
        with pytest.raises(InputError, match=r"\(5, 12\)"):
            draw()
    with pytest.raises(InputError, match="Segments"):
        borders(np.zeros(4, int))
