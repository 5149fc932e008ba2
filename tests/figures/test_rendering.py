import numpy as np
import pytest

from twinlens.errors import InputError, NonFiniteError
from twinlens.figures import as_picture, heat, overlay, signed


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(4, 3, 9, 7)).astype(np.float32)


def naive_heat(values, reduce, percentile):
    """One picture after the other, one pixel after the other."""
    pictures = []
    for one in values.astype(np.float64):
        _, height, width = one.shape
        brightness = [[reduce([abs(v) for v in one[:, y, x]]) for x in range(width)] for y in range(height)]
        flat = sorted(v for row in brightness for v in row)
        place = (len(flat) - 1) * percentile / 100
        below = int(place)
        above = min(below + 1, len(flat) - 1)
        high = flat[below] + (place - below) * (flat[above] - flat[below])
        low = flat[0]
        pictures.append([[(min(v, high) - low) / (high - low) for v in row] for row in brightness])
    return np.array(pictures)


REDUCTIONS = {
    "max": max,
    "sum": sum,
    "mean": lambda channels: sum(channels) / len(channels),
    "l2": lambda channels: sum(v * v for v in channels) ** 0.5,
}


@pytest.mark.parametrize("channels", REDUCTIONS)
@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0, 100.0])
def test_heat_equals_a_naive_loop(values, channels, percentile) -> None:
    expected = naive_heat(values, REDUCTIONS[channels], percentile)
    np.testing.assert_allclose(heat(values, channels, percentile=percentile), expected, atol=1e-12)


def test_rendering_leaves_the_values_alone(values) -> None:
    before = values.copy()
    heat(values), heat(values, normalise=None), signed(values), signed(values, percentile=90)
    picture = np.random.default_rng(1).random((3, 9, 7))
    kept = picture.copy()
    as_picture(picture)[:] = 0
    overlay(picture, heat(values)[0])
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(picture, kept)


def test_read_only_values_can_be_drawn(values) -> None:
    values.flags.writeable = False
    assert heat(values).flags.writeable
    assert signed(values).flags.writeable


def test_each_picture_is_normalised_by_itself(values) -> None:
    factors = np.array([1e-30, 1.0, 1e3, 1e30]).reshape(4, 1, 1, 1)
    scaled = values.astype(np.float64) * factors
    np.testing.assert_allclose(heat(scaled), heat(values), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(heat(scaled[2:3]), heat(scaled)[2:3])
    assert heat(scaled).max(axis=(1, 2)) == pytest.approx(1.0)
    assert heat(scaled).min(axis=(1, 2)) == pytest.approx(0.0)


@pytest.mark.parametrize("constant", [0.0, 1.0, -3.5, 0.1])
@pytest.mark.parametrize("percentile", [None, 99.0])
@pytest.mark.parametrize("channels", REDUCTIONS)
def test_a_map_that_is_the_same_everywhere_becomes_zeros(constant, percentile, channels) -> None:
    maps = heat(np.full((2, 3, 5, 5), constant), channels, percentile=percentile)
    np.testing.assert_array_equal(maps, np.zeros((2, 5, 5)))


def test_a_zero_map_beside_others_changes_nothing_for_them(values) -> None:
    mixed = values.copy()
    mixed[1] = 0
    maps = heat(mixed)
    assert not maps[1].any()
    np.testing.assert_array_equal(maps[[0, 2, 3]], heat(values)[[0, 2, 3]])


def test_a_single_pixel_is_not_clipped_away() -> None:
    values = np.zeros((1, 1, 40, 40))
    values[0, 0, 3, 4] = 1e-9
    for maps in (heat(values, percentile=99), signed(values, percentile=99)):
        assert maps[0, 3, 4] == 1
        assert maps.sum() == 1


def test_negative_values_alone_have_heat_by_size_or_by_order() -> None:
    values = -np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    np.testing.assert_allclose(heat(values, percentile=None)[0], np.arange(6).reshape(2, 3) / 5)
    np.testing.assert_allclose(heat(values, absolute=False, percentile=None)[0], 1 - np.arange(6).reshape(2, 3) / 5)
    np.testing.assert_allclose(signed(values)[0], values[0, 0] / 6)


def test_without_normalisation_the_unit_is_kept(values) -> None:
    maps = heat(values, "max", percentile=None, normalise=None)
    np.testing.assert_array_equal(maps, np.abs(values.astype(np.float64)).max(axis=1))


def test_signed_maps_are_symmetric_around_zero(values) -> None:
    maps = signed(values)
    total = values.astype(np.float64).sum(axis=1)
    np.testing.assert_allclose(np.abs(maps).max(axis=(1, 2)), 1)
    np.testing.assert_array_equal(np.sign(maps), np.sign(total))
    np.testing.assert_allclose(signed(-values), -maps)
    np.testing.assert_array_equal(signed(np.zeros((1, 3, 4, 4))), np.zeros((1, 4, 4)))


def test_signed_clips_both_ends_at_the_percentile(values) -> None:
    maps, total = signed(values, percentile=80), values.astype(np.float64).sum(axis=1)
    for one, whole in zip(maps, total, strict=True):
        level = np.percentile(np.abs(whole), 80)
        np.testing.assert_allclose(one, np.clip(whole, -level, level) / level)


def test_maps_without_channels_are_taken_as_one_channel(values) -> None:
    np.testing.assert_array_equal(heat(values[:, 0]), heat(values[:, :1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("draw", [heat, signed])
def test_values_that_are_not_finite_are_refused_with_their_number(values, bad, draw) -> None:
    values[0, 0, 0, 0] = bad
    with pytest.raises(NonFiniteError, match="1 of 756 values"):
        draw(values)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"values": np.zeros(3)}, r"shape \(3,\)"),
        ({"values": np.zeros((0, 3, 4, 4))}, "shape"),
        ({"values": np.zeros((1, 3, 4, 4), complex)}, "complex128"),
        ({"values": np.full((1, 3, 4, 4), "a")}, "real numbers"),
        ({"values": np.zeros((1, 3, 4, 4)), "channels": "median"}, "median"),
        ({"values": np.zeros((1, 3, 4, 4)), "percentile": 0}, "percentile=0"),
        ({"values": np.zeros((1, 3, 4, 4)), "percentile": 101}, "percentile=101"),
        ({"values": np.zeros((1, 3, 4, 4)), "normalise": "batch"}, "batch"),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments, text) -> None:
    with pytest.raises(InputError, match=text):
        heat(**arguments)


def test_signed_refuses_a_reduction_that_loses_the_sign(values) -> None:
    with pytest.raises(InputError, match="l2"):
        signed(values, "l2")


def test_pictures_of_any_layout_become_rgb() -> None:
    rgb = np.random.default_rng(0).random((3, 6, 8))
    hwc = np.moveaxis(rgb, 0, -1)
    np.testing.assert_array_equal(as_picture(rgb), hwc)
    np.testing.assert_array_equal(as_picture(hwc), hwc)
    np.testing.assert_array_equal(as_picture(rgb[0]), np.repeat(rgb[0][..., None], 3, axis=2))
    np.testing.assert_array_equal(as_picture(np.concatenate([rgb, rgb[:1]])), hwc)
    np.testing.assert_allclose(as_picture((rgb * 255).astype(np.uint8)), hwc, atol=1 / 255)
    assert as_picture(np.array([[[-1.0, 2.0]]])).tolist() == [[[0, 0, 0], [1, 1, 1]]]


@pytest.mark.parametrize("shape", [(2, 5, 5), (3,), (1, 3, 4, 4), (0, 4)])
def test_other_shapes_are_no_pictures(shape) -> None:
    with pytest.raises(InputError, match="picture"):
        as_picture(np.zeros(shape))


def test_an_overlay_covers_where_the_map_is_strong_and_nothing_where_it_is_zero() -> None:
    picture = np.random.default_rng(0).random((3, 4, 4))
    strength = np.zeros((4, 4))
    np.testing.assert_array_equal(overlay(picture, strength), as_picture(picture))
    strength[0, 0], strength[1, 1] = 1, -1
    laid = overlay(picture, strength, alpha=1.0)
    assert laid[0, 0, 0] > laid[0, 0, 2], "positive is red"
    assert laid[1, 1, 2] > laid[1, 1, 0], "negative is blue"
    np.testing.assert_array_equal(laid[2:], as_picture(picture)[2:])


def test_an_overlay_needs_a_map_of_the_pictures_size() -> None:
    with pytest.raises(InputError, match=r"\(2, 2\).*\(4, 4\)"):
        overlay(np.zeros((3, 4, 4)), np.zeros((2, 2)))
