"""Blur integrated gradients: the path is the picture coming into focus, and the attributions add up along it."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.gradient_based.scale_space import ScaleSpace

from ...frameworks import need
from ...nets import linear_net, pictures, power_net, small_net


def one_at(space: ScaleSpace, sigma: float) -> np.ndarray:
    return space.at(np.array([sigma]))[0]


# -- the path ------------------------------------------------------------------------------------------------


def test_the_blur_is_scipys_mirrored_gaussian(rng: np.random.Generator) -> None:
    from scipy import ndimage

    picture = rng.random((3, 20, 33))
    space = ScaleSpace(picture)
    for sigma in (1.0, 2.5, 6.0):
        expected = ndimage.gaussian_filter(picture, (0, sigma, sigma), mode="reflect", truncate=8)
        # A sampled Gaussian is not quite the continuous one: the narrower, the less.
        np.testing.assert_allclose(one_at(space, sigma), expected, atol=0.01 * np.exp(-2 * sigma))


def test_blurs_follow_one_another_as_squares_add_up(rng: np.random.Generator) -> None:
    space = ScaleSpace(rng.random((1, 12, 9)))
    twice = one_at(ScaleSpace(one_at(space, 3.0)), 4.0)
    np.testing.assert_allclose(twice, one_at(space, 5.0), rtol=1e-12)


def test_without_blur_it_is_the_picture_and_with_all_of_it_the_mean_colour(rng: np.random.Generator) -> None:
    picture = rng.random((3, 8, 11))
    space = ScaleSpace(picture)
    np.testing.assert_allclose(one_at(space, 0.0), picture, rtol=1e-12)
    mean = picture.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(one_at(space, 100.0), np.broadcast_to(mean, picture.shape), rtol=1e-12)
    for sigma in (0.3, 2.0):
        np.testing.assert_allclose(one_at(space, sigma).mean(axis=(1, 2)), mean.ravel(), rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.05, 0.7, 3.0, 20.0])
def test_its_slope_is_the_finite_difference(rng: np.random.Generator, sigma: float) -> None:
    space, step = ScaleSpace(rng.random((2, 10, 7))), 1e-5
    expected = (one_at(space, sigma + step) - one_at(space, sigma - step)) / (2 * step)
    np.testing.assert_allclose(space.slopes(np.array([sigma]))[0], expected, atol=1e-9)


# -- the attributions ----------------------------------------------------------------------------------------


def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([one_at(ScaleSpace(picture), sigma) for picture in x.astype(np.float64)])


def test_of_a_linear_network_it_is_what_the_blur_takes_away(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(2, 3 * 6 * 5)), rng.random((2, 3, 6, 5))
    found = tl.explain(linear_net(backend, weights), x, "blur_integrated_gradients", 1, sigma=4.0, steps=60)
    expected = weights[1].reshape(3, 6, 5) * (x - blurred(x, 4.0))
    np.testing.assert_allclose(found.values, expected, atol=1e-8)
    assert (found.error.relative < 1e-8).all()


def test_of_a_cubic_network_it_is_the_difference_of_the_cubes(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(1, 48)), rng.random((2, 3, 4, 4))
    found = tl.explain(power_net(backend, weights, 3), x, "blur_integrated_gradients", 0, sigma=3.0, steps=60)
    np.testing.assert_allclose(found.values, weights.reshape(3, 4, 4) * (x**3 - blurred(x, 3.0) ** 3), atol=1e-8)


@pytest.mark.parametrize("rule", ["gauss_legendre", "trapezoid", "midpoint", "left", "right"])
def test_every_rule_tends_to_the_same(backend: Backend, rng: np.random.Generator, rule: str) -> None:
    weights, x = rng.normal(size=(1, 48)), rng.random((1, 3, 4, 4))
    model = power_net(backend, weights, 2)
    expected = weights.reshape(3, 4, 4) * (x**2 - blurred(x, 3.0) ** 2)

    def off(steps: int) -> float:
        found = tl.explain(model, x, "blur_integrated_gradients", 0, sigma=3.0, steps=steps, rule=rule)
        return float(np.abs(found.values - expected).max())

    assert off(200) < 2e-3
    assert off(200) < off(20) / 8


def test_the_residual_is_held_against_the_blurred_picture(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    targets = [3, 0, 1]
    found = tl.explain(model, x, "blur_integrated_gradients", targets, sigma=2.0, steps=7)
    promised = (model.forward(x) - model.forward(blurred(x, 2.0)))[np.arange(3), targets]
    np.testing.assert_allclose(found.error.scale, promised, rtol=1e-9)
    np.testing.assert_allclose(found.error.values, found.values.sum(axis=(1, 2, 3)) - promised, atol=1e-12)


def test_a_plain_loop_over_the_documented_points_agrees(backend: Backend) -> None:
    model, x, steps, sigma = small_net(backend, dtype="float64"), pictures(1).astype(np.float64), 6, 3.0
    points, weights = np.polynomial.legendre.leggauss(steps)
    expected, step = np.zeros(x.shape), 1e-6
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        here = sigma * point**2
        change = (blurred(x, here + step) - blurred(x, here - step)) / (2 * step)
        expected -= 2 * sigma * point * weight * change * model.gradient(blurred(x, here), 2)
    found = tl.explain(model, x, "blur_integrated_gradients", 2, sigma=sigma, steps=steps)
    np.testing.assert_allclose(found.values, expected, atol=1e-7 * np.abs(expected).max())


def test_a_flat_picture_has_nothing_to_blur_away(backend: Backend) -> None:
    found = tl.explain(small_net(backend, dtype="float64"), np.full((1, 3, 8, 8), 0.5), "blur_integrated_gradients", 0)
    assert np.abs(found.values).max() < 1e-12


def test_the_tolerance_doubles_the_steps_of_those_that_need_it(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    found = tl.explain(model, x, "blur_integrated_gradients", 1, sigma=4.0, steps=4, tolerance=0.01)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.01).all()
    assert found.evaluations < 4 * (4 + 8 + 16 + 32 + 64 + 128)


def test_it_is_near_the_saliency_packages() -> None:
    core = pytest.importorskip("saliency.core")
    model = small_net(need("torch"), dtype="float64")
    # Black around the picture, so that the edges, which the two treat differently, play no part.
    x = np.zeros((1, 3, 8, 8))
    x[0, :, 3:5, 3:5] = 0.5 + pictures(1)[0, :, 3:5, 3:5] / 2

    def call(batch: np.ndarray, call_model_args: object, expected_keys: object) -> dict[str, np.ndarray]:
        gradient = model.gradient(np.moveaxis(batch, -1, 1), 2)
        return {core.INPUT_OUTPUT_GRADIENTS: np.moveaxis(gradient, 1, -1)}

    peer = core.BlurIG().GetMask(np.moveaxis(x[0], 0, -1), call, max_sigma=0.8, steps=400, batch_size=1)
    found = tl.explain(model, x, "blur_integrated_gradients", 2, sigma=0.8, steps=100).values[0]
    theirs = np.moveaxis(peer, -1, 0)
    assert np.corrcoef(found.ravel(), theirs.ravel())[0, 1] > 0.95
    np.testing.assert_allclose(found.sum(), theirs.sum(), rtol=0.1)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"sigma": 0}, "sigma=0"),
        ({"sigma": -2}, "sigma=-2"),
        ({"sigma": "wide"}, "sigma='wide'"),
        ({"sigma": True}, "sigma=True"),
        ({"steps": 0}, "steps=0"),
        ({"rule": "simpson"}, "simpson"),
    ],
)
def test_parameters_out_of_range_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), "blur_integrated_gradients", 0, **params)


def test_a_number_in_quotes_is_that_number(backend: Backend) -> None:
    quoted, plain = (
        tl.explain(small_net(backend), pictures(1), "blur_integrated_gradients", 0, sigma=sigma, steps=2)
        for sigma in ("1.5", 1.5)
    )
    np.testing.assert_array_equal(quoted.values, plain.values)


def test_tables_are_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="blur_integrated_gradients"):
        tl.explain(linear_net(backend, np.ones((2, 4))), np.ones((1, 4)), "blur_integrated_gradients", 0)
