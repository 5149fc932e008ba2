"""Seg-Eigen-CAM is the first principal direction of activation times the gradient's size, with its own sign."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.cams import segeigencam

from ...nets import pictures, randomise
from .nets import activation_of, gradient_of, kill, pooled_net

TARGETS = [3, 0, 1]


def naive(a: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, float]:
    """Of one picture: the map by the eigenvectors of the covariance of all channels, and the share it leaves out."""
    channels, count = len(a), a[0].size
    places = np.zeros((count, channels))
    for k in range(channels):
        for p, (i, j) in enumerate(np.ndindex(*a.shape[1:])):
            places[p, k] = abs(g[k, i, j]) * a[k, i, j]
        places[:, k] -= sum(places[:, k]) / count
    covariance = np.zeros((channels, channels))
    for row in places:
        covariance += np.outer(row, row)
    values, vectors = np.linalg.eigh(covariance)
    projection = np.array([sum(row * vectors[:, -1]) for row in places])
    if abs(min(projection)) > abs(max(projection)):
        projection = -projection
    return projection.reshape(a.shape[1:]), float(1 - values[-1] / sum(values))


def test_it_is_the_first_principal_direction_of_the_products(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    for layer in ("relu1", "conv1"):
        a, g = activation_of(model, x, layer), gradient_of(model, x, layer, TARGETS)
        found = tl.explain(model, x, "segeigencam", TARGETS, layer=layer, upsample=False)
        for i in range(3):
            expected, left_out = naive(a[i], g[i])
            # Central differences are right to some 1e-9, and a direction to that over the gap to the next.
            np.testing.assert_allclose(found.values[i, 0], expected, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(found.error.values[i], left_out, rtol=1e-6)
            assert 0.01 < left_out < 0.9
            assert np.abs(expected).max() > 0.001


def test_behind_pooling_and_one_linear_layer_it_has_a_closed_form(backend: Backend) -> None:
    """There the gradient is the class's weights over the number of places, and so |g| · A is known exactly."""
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    a, weights = activation_of(model, x, "relu2"), model.state()["fc.weight"]
    found = tl.explain(model, x, "segeigencam", TARGETS, layer="relu2", upsample=False)
    for i, target in enumerate(TARGETS):
        products = (np.abs(weights[target]) / 16 * a[i].reshape(6, 16).T).astype(np.float64)
        left, values, _ = np.linalg.svd(products - products.mean(axis=0))
        expected = values[0] * left[:, 0]
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(found.values[i].ravel(), expected, rtol=0, atol=1e-12 * expected.max())
        np.testing.assert_allclose(found.error.values[i], 1 - values[0] ** 2 / (values**2).sum(), atol=1e-12)


def test_its_largest_value_is_positive_and_its_values_sum_to_zero(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(8).astype(np.float64)
    for layer in ("conv1", "relu1", "conv2", "relu2"):
        maps = tl.explain(model, x, "segeigencam", 1, layer=layer, upsample=False).values
        assert (maps.max(axis=(1, 2, 3)) > -maps.min(axis=(1, 2, 3))).all()
        np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), 0, atol=1e-12)


def test_one_channel_is_its_own_direction() -> None:
    """A single place that stands out, upwards or downwards, is positive."""
    a = np.zeros((2, 1, 2, 2))
    a[:, 0, 0, 1] = [4.0, -4.0]
    found = segeigencam._projected(a, np.full((2, 1, 2, 2), -0.5), "float64")
    np.testing.assert_allclose(found, [[[-0.5, 1.5], [-0.5, -0.5]]] * 2)


def test_of_two_places_the_mean_over_the_channels_decides() -> None:
    row = np.array([[[3.0, 1.0]], [[2.0, 4.0]], [[1.0, 2.0]]])
    centred = np.array([[1.0, -1.0], [-1.0, 1.0], [-0.5, 0.5]])
    size = np.linalg.norm(centred, axis=0)[0]
    for a, expected in ((row, [-size, size]), (row[:, :, ::-1], [size, -size])):
        found = segeigencam._projected(a[None], np.ones((1, 3, 1, 2)), "float64")
        np.testing.assert_allclose(found, [[expected]], rtol=1e-12)


def test_rounding_does_not_decide_between_two_places() -> None:
    """Their values are equal in size, but for the last digit of one of them."""
    a = np.random.default_rng(0).normal(size=(500, 5, 1, 2)) + 3
    found = segeigencam._projected(a, np.ones_like(a), "float64")
    ahead = a.mean(axis=1)[:, 0, 0] > a.mean(axis=1)[:, 0, 1]
    np.testing.assert_array_equal(found[:, 0, 0] > 0, ahead)


def test_two_directions_that_hold_equally_much_are_told_by_the_share_left_out() -> None:
    a = np.zeros((1, 2, 2, 2))
    a[0, 0], a[0, 1] = [[1, -1], [0, 0]], [[0, 0], [1, -1]]
    gradient = np.ones_like(a)
    found = segeigencam._projected(a, gradient, "float64")
    np.testing.assert_allclose((found**2).sum(), 2, rtol=1e-12)
    np.testing.assert_allclose(segeigencam._left_out(a, gradient, found, "float64")[0], 0.5, rtol=1e-12)


def test_products_that_are_the_same_everywhere_have_no_direction(backend: Backend) -> None:
    """0.1 less its own mean is not 0 in floating point."""
    flat = np.broadcast_to(np.array([0.1, 0.7, 1e5])[None, :, None, None], (2, 3, 3, 7))
    found = segeigencam._projected(flat, np.full_like(flat, 0.3), "float64")
    assert not found.any()
    assert not segeigencam._left_out(flat, np.full_like(flat, 0.3), found, "float64")[0].any()
    dead = tl.explain(kill(pooled_net(backend), *range(6)), pictures(2), "segeigencam", layer="relu2")
    assert not dead.values.any()
    assert not dead.error.values.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_the_network_rounds_is_no_direction(backend: Backend, dtype: str) -> None:
    """A vectorised convolution rounds otherwise at the ends of its rows: on Paddle an even picture's map is uneven."""
    nn, x = backend.nn, np.full((2, 3, 28, 44), 0.37, dtype)
    net = nn.Sequential(
        nn.Conv2d(3, 33, 4, stride=4), nn.SiLU(), nn.Conv2d(33, 33, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(33, 5),
    )  # fmt: skip
    found = tl.explain(randomise(tl.wrap(net, dtype=dtype)), x, "segeigencam", 1, layer="2")
    assert not found.values.any()
    assert not found.error.values.any()


def test_rounding_is_told_by_the_networks_own_precision() -> None:
    a = np.ones((1, 1, 3, 5))
    a[0, 0, 1, 2] += 1e-6
    for dtype, expected in (("float32", 0), ("float64", 1e-6 * 14 / 15)):
        found = segeigencam._projected(a, np.ones_like(a), dtype)
        np.testing.assert_allclose(found[0, 1, 2], expected, rtol=1e-8)


def test_a_single_place_has_no_direction(backend: Backend) -> None:
    net = backend.nn.Sequential(
        backend.nn.Conv2d(3, 4, 3), backend.nn.AdaptiveAvgPool2d(1), backend.nn.Flatten(), backend.nn.Linear(4, 2)
    )
    found = tl.explain(tl.wrap(net), pictures(2), "segeigencam", 1, layer="1")
    assert not found.values.any()
    assert not found.error.values.any()


def test_gradients_whose_squares_underflow_have_a_map() -> None:
    """As of a probability that is all but settled, in double precision."""
    a = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    gradient = np.random.default_rng(1).normal(size=a.shape)
    expected = segeigencam._projected(a, gradient, "float64")
    found = segeigencam._projected(a, gradient * 1e-200, "float64")
    np.testing.assert_allclose(found, 1e-200 * expected, rtol=1e-10)
    np.testing.assert_allclose(
        segeigencam._left_out(a, gradient * 1e-200, found, "float64")[0],
        segeigencam._left_out(a, gradient, expected, "float64")[0],
        rtol=1e-10,
    )


def test_a_sign_of_the_gradient_does_not_count(backend: Backend) -> None:
    """Behind pooling and a linear layer a class and its opposite have one map, unlike with eigengradcam."""
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    opposite = [lambda s: s[:, 2], lambda s: -s[:, 2]]
    one, other = (tl.explain(model, x, "segeigencam", target).values for target in opposite)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(one).max())
    one, other = (tl.explain(model, x, "eigengradcam", target).values for target in opposite)
    np.testing.assert_allclose(one, -other, rtol=0, atol=1e-12 * np.abs(one).max())


@pytest.mark.parametrize("relu", [True, False])
def test_a_network_of_segmentation_is_explained_by_the_mean_of_a_class(backend: Backend, relu: bool) -> None:
    nn = backend.nn
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 2, 3, padding=1))
    model = tl.wrap(net, output=lambda pixels: backend.mean(pixels, (2, 3)))
    found = tl.explain(model, pictures(2), "segeigencam", [0, 1], layer="1", relu=relu)
    assert found.values.shape == (2, 1, 8, 8)
    assert (found.values < 0).any() != relu
