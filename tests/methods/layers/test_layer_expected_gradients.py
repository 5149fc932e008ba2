"""Layer expected gradients: closed forms, the two methods that it is made of, and what its errors promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import formula_net, pictures, small_net
from .nets import READOUT, WEIGHTS, hidden_net, inputs, native, product_net, step, tanh_net

ROWS = np.random.default_rng(12).normal(0, 1, (5, 6))


def expected(model: tl.Model, x: np.ndarray, layer: str, target: Any = 1, **params: Any) -> tl.Explanation:
    return tl.explain(model, x, "layer_expected_gradients", target, layer=layer, **{"background": ROWS} | params)


def test_of_the_input_it_is_expected_gradients_draw_by_draw(backend: Backend) -> None:
    """So the draws are the same, too."""
    layers = {"entrance": step(backend, lambda x: x * 1), "rest": formula_net(backend, cubic, WEIGHTS.T).net}
    model = tl.wrap(native(backend, layers, lambda net, x: net.rest(net.entrance(x))), dtype="float64")
    x = inputs(3)
    for samples in (1, 7, 50):
        plain = tl.explain(model, x, "expected_gradients", [0, 1, 2], background=ROWS, samples=samples, seed=4)
        found = expected(model, x, "entrance", [0, 1, 2], samples=samples, seed=4)
        np.testing.assert_allclose(found.values, plain.values, rtol=1e-12)
        np.testing.assert_allclose(found.error.values, plain.error.values, atol=1e-11)
        for name in plain.extras:
            np.testing.assert_allclose(found.extras[name], plain.extras[name], rtol=1e-9)


def cubic(u: Any, w: Any) -> Any:
    return (u @ w) ** 3


@pytest.mark.parametrize("samples", [5, 20])
def test_it_is_exact_where_the_rest_is_linear(backend: Backend, samples: int) -> None:
    """Every row is used equally often, and α does not matter."""
    x = inputs()
    found = expected(hidden_net(backend, lambda y: y**3, power=1), x, "units", 2, samples=samples)
    difference = (x @ WEIGHTS.T) ** 3 - ((ROWS @ WEIGHTS.T) ** 3).mean(0)
    np.testing.assert_allclose(found.values, difference * READOUT[:, 2], rtol=1e-11)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-11)


def test_separate_units_get_their_own_mean_difference(backend: Backend) -> None:
    x = inputs()
    found = expected(hidden_net(backend), x, "hidden", 2, samples=20_000)
    exact = ((x @ WEIGHTS.T) ** 3 - ((ROWS @ WEIGHTS.T) ** 3).mean(0)) * READOUT[:, 2]
    error = np.linalg.norm(found.values - exact, axis=1) / np.linalg.norm(exact, axis=1)
    # The strata make the estimate better than what it says of itself.
    assert (error < found.extras["relative_standard_error"]).all()
    assert (found.extras["relative_standard_error"] < 0.1).all()


def test_it_is_the_mean_of_layer_integrated_gradients_over_the_background(backend: Backend) -> None:
    model, x = tanh_net(backend), inputs()
    single = [
        tl.explain(model, x, "layer_integrated_gradients", 1, layer="units", baseline=row, steps=40).values
        for row in ROWS
    ]
    mean = np.mean(single, axis=0)
    found = expected(model, x, "units", samples=5000)
    assert np.abs(found.values - mean).max() < 0.01 * np.abs(mean).max()


def test_the_path_is_straight_in_the_units_and_its_sum_complete(backend: Backend) -> None:
    """The score is x · x² = y0 · y1; of mixed inputs, y1's share would be x³ / 3 and y0's x³ / 2."""
    model, x = product_net(backend), np.array([[1.0], [2.0]])
    found = expected(model, x, "units", 0, background=np.zeros((1, 1)), samples=4000)
    np.testing.assert_allclose(found.values, [[1 / 2, 1 / 2], [4, 4]], rtol=1e-5)
    np.testing.assert_allclose(found.error.scale, [1, 8], rtol=1e-12)
    np.testing.assert_allclose(found.error.relative, 0, atol=1e-5)


@pytest.mark.parametrize("layer", ["0", "4"])
def test_more_samples_make_both_errors_smaller(backend: Backend, layer: str) -> None:
    model, x, rows = small_net(backend, dtype="float64"), pictures(4), pictures(6, seed=3)
    few, many = (expected(model, x, layer, 0, background=rows, samples=n) for n in (12, 1200))
    assert np.abs(many.error.values).mean() < np.abs(few.error.values).mean() / 4
    ratio = few.extras["relative_standard_error"] / many.extras["relative_standard_error"]
    assert (ratio > 5).all()


def test_the_standard_error_is_no_smaller_than_that_of_many_seeds(backend: Backend) -> None:
    """It leaves the strata out of account."""
    model, x = tanh_net(backend), inputs(1)
    found = [expected(model, x, "units", samples=20, seed=seed) for seed in range(60)]
    values = np.stack([each.values[0] for each in found])
    spread = np.sqrt(values.var(axis=0, ddof=1).sum()) / np.linalg.norm(values.mean(axis=0))
    claimed = np.mean([each.extras["relative_standard_error"][0] for each in found])
    assert 0 < spread < claimed


def test_what_goes_around_the_layer_stays_in_the_residual(backend: Backend) -> None:
    x = inputs()
    found = expected(hidden_net(backend, power=1, around=5.0), x, "hidden", 0, samples=10)
    np.testing.assert_allclose(found.error.values, -5 * (x[:, 0] - ROWS[:, 0].mean()), rtol=1e-10)
    straight = expected(hidden_net(backend, power=1), x, "hidden", 0, samples=10)
    np.testing.assert_allclose(found.values, straight.values, rtol=1e-12)


def test_a_tolerance_buys_more_samples(backend: Backend) -> None:
    """Also where something goes around the layer, which no number of samples would take out of the residual."""
    model = hidden_net(backend, power=1, around=5.0)
    found = expected(model, inputs(), "hidden", samples=10, tolerance=0.1)
    assert found.stopped == "tolerance"
    assert (found.extras["relative_standard_error"] <= 0.1).all()
    assert found.evaluations > 20
    limited = expected(model, inputs(), "hidden", samples=10, tolerance=1e-6, max_evaluations=100)
    assert limited.stopped == "max_evaluations"
    assert limited.evaluations <= 100


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_all_quantities_are_shared_out(backend: Backend, of: str) -> None:
    found = expected(tanh_net(backend), inputs(), "units", 0, of=of, samples=4000)
    assert (np.abs(found.error.scale) > 1e-3).all()
    assert (found.error.relative < 0.02).all()


def test_a_single_draw_has_an_unknown_error(backend: Backend) -> None:
    found = expected(tanh_net(backend), inputs(), "units", samples=1)
    assert np.isnan(found.extras["relative_standard_error"]).all()
    assert np.isfinite(found.error.values).all()


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"samples": 0}, "MethodError"),
        ({"seed": -1}, "MethodError"),
        ({"tolerance": 0}, "MethodError"),
        ({"background": np.zeros((2, 5))}, "InputError"),
        ({"background": np.full((2, 6), np.nan)}, "InputError"),
        ({"batch_size": 0}, "InputError"),
    ],
)
def test_bad_parameters_are_named(backend: Backend, params: dict[str, Any], error: str) -> None:
    with pytest.raises(getattr(tl.errors, error)):
        expected(tanh_net(backend), inputs(), "units", **params)
