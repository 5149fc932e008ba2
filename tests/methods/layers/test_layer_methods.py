"""Layer methods against closed forms, brute force in NumPy and each other, on both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import pictures, small_net
from .nets import (
    LAYER_METHODS,
    READOUT,
    TARGETED,
    WEIGHTS,
    explained,
    hidden_net,
    inputs,
    product_net,
    tanh_net,
    token_net,
)

BASELINE = np.random.default_rng(11).normal(0, 1, (1, 6))[0]


def units(x: np.ndarray) -> np.ndarray:
    return x @ WEIGHTS.T


def test_the_activation_is_what_the_layer_returns(backend: Backend) -> None:
    model, x = small_net(backend), pictures(3)
    with model.capture("4") as seen:
        scores = model.forward(x)
    found = tl.explain(model, x, "layer_activation", layer="4")
    np.testing.assert_allclose(found.values, seen["4"], rtol=1e-6)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)
    assert found.values.dtype == np.float32
    assert found.target is None
    assert found.error is None


@pytest.mark.parametrize("target", [0, [2, 1]])
def test_gradient_x_activation_of_cubes_is_three_cubes(backend: Backend, target: int | list[int]) -> None:
    x, columns = inputs(), np.broadcast_to(target, 2)
    found = tl.explain(hidden_net(backend), x, "layer_gradient_x_activation", target, layer="hidden")
    terms = units(x) ** 3 * READOUT.T[columns]
    np.testing.assert_allclose(found.values, 3 * terms, rtol=1e-12)
    # The network is no longer homogeneous of degree one: the estimate says by how much.
    np.testing.assert_allclose(found.error.values, 2 * terms.sum(1), rtol=1e-10)
    np.testing.assert_allclose(found.error.scale, terms.sum(1), rtol=1e-10)


def test_gradient_x_activation_shares_out_the_score_where_the_rest_is_linear(backend: Backend) -> None:
    found = tl.explain(hidden_net(backend, power=1), inputs(), "layer_gradient_x_activation", 1, layer="units")
    np.testing.assert_allclose(found.error.values, 0, atol=1e-13)


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "layer_conductance"])
def test_separate_units_get_their_own_difference(backend: Backend, method: str) -> None:
    x = inputs()
    found = tl.explain(hidden_net(backend), x, method, 2, layer="hidden", steps=2, baseline=BASELINE)
    expected = (units(x) ** 3 - units(BASELINE) ** 3) * READOUT[:, 2]
    np.testing.assert_allclose(found.values, expected, rtol=1e-11)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
    np.testing.assert_allclose(found.error.scale, expected.sum(1), rtol=1e-11)


def test_internal_influence_is_the_mean_gradient(backend: Backend) -> None:
    x = inputs()
    found = tl.explain(hidden_net(backend), x, "internal_influence", 0, layer="hidden", steps=2, baseline=BASELINE)
    low, high = units(BASELINE), units(x)
    np.testing.assert_allclose(found.values, (low**2 + low * high + high**2) * READOUT[:, 0], rtol=1e-12)


def test_the_straight_path_of_units_is_not_the_path_of_inputs(backend: Backend) -> None:
    model, x = product_net(backend), np.array([[1.0], [2.0]])
    conductance = tl.explain(model, x, "layer_conductance", 0, layer="units", steps=4)
    np.testing.assert_allclose(conductance.values, [[1 / 3, 2 / 3], [8 / 3, 16 / 3]], rtol=1e-12)
    integrated = tl.explain(model, x, "layer_integrated_gradients", 0, layer="units", steps=2)
    np.testing.assert_allclose(integrated.values, [[1 / 2, 1 / 2], [4, 4]], rtol=1e-12)
    influence = tl.explain(model, x, "internal_influence", 0, layer="units", steps=2)
    np.testing.assert_allclose(influence.values, [[1 / 3, 1 / 2], [4 / 3, 1]], rtol=1e-12)


def brute_force(x: np.ndarray, column: int) -> dict[str, np.ndarray]:
    """Of the tanh network, by the definitions, with far more points than needed."""
    points, weights = np.polynomial.legendre.leggauss(120)
    alphas, weights = (points + 1) / 2, weights / 2
    found = {name: np.zeros((len(x), 4)) for name in ("layer_conductance", "internal_influence")}
    found["layer_integrated_gradients"] = np.zeros((len(x), 4))
    for i, sample in enumerate(x):
        for alpha, weight in zip(alphas, weights, strict=True):
            y = np.tanh(WEIGHTS @ (alpha * sample))
            slope = (1 - y**2) * (WEIGHTS @ sample)
            gradient = (1 - np.tanh(y @ READOUT[:, column]) ** 2) * READOUT[:, column]
            found["internal_influence"][i] += weight * gradient
            found["layer_conductance"][i] += weight * gradient * slope
            end = np.tanh(WEIGHTS @ sample)
            gradient = (1 - np.tanh(alpha * end @ READOUT[:, column]) ** 2) * READOUT[:, column]
            found["layer_integrated_gradients"][i] += weight * gradient * end
    return found


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "layer_conductance", "internal_influence"])
def test_smooth_networks_agree_with_the_definition(backend: Backend, method: str) -> None:
    x = inputs()
    found = tl.explain(tanh_net(backend), x, method, 1, layer="units", steps=60)
    np.testing.assert_allclose(found.values, brute_force(x, 1)[method], rtol=1e-7)


def test_conductance_converges_fast_on_smooth_networks(backend: Backend) -> None:
    x = inputs()
    exact = brute_force(x, 1)["layer_conductance"]
    errors = [
        np.abs(tl.explain(tanh_net(backend), x, "layer_conductance", 1, layer="units", steps=n).values - exact).max()
        for n in (4, 8, 16)
    ]
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8
    assert errors[2] < 1e-4


def test_conductance_needs_no_steps_where_the_rest_is_linear(backend: Backend) -> None:
    def kinked(y: object) -> object:
        return backend.abs(y) + backend.clip(y, low=0.3)

    model, x = hidden_net(backend, kinked, power=1), inputs()
    low, high = (tl.explain(model, at, "layer_activation", layer="units").values for at in (0 * x, x))
    for steps in (1, 2, 7):
        found = tl.explain(model, x, "layer_conductance", 0, layer="units", steps=steps)
        np.testing.assert_allclose(found.values, (high - low) * READOUT[:, 0], rtol=1e-10)


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "layer_conductance", "internal_influence"])
def test_more_steps_make_the_residual_of_a_real_network_smaller(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    coarse, fine = (np.abs(tl.explain(model, x, method, 0, layer="4", steps=n).error.values).mean() for n in (4, 256))
    assert fine < coarse / 4


def test_what_goes_around_the_layer_is_told(backend: Backend) -> None:
    x = inputs()
    model = hidden_net(backend, around=5.0)
    integrated = tl.explain(model, x, "layer_integrated_gradients", 0, layer="hidden", baseline=BASELINE)
    around = 5 * (x[:, 0] - BASELINE[0])
    np.testing.assert_allclose(integrated.extras["around"], around, rtol=1e-10)
    np.testing.assert_allclose(integrated.error.values, -around, rtol=1e-9)
    conductance = tl.explain(model, x, "layer_conductance", 0, layer="hidden", baseline=BASELINE)
    np.testing.assert_allclose(conductance.error.values, -around, rtol=1e-9)
    np.testing.assert_allclose(conductance.values, integrated.values, rtol=1e-10)
    influence = tl.explain(model, x, "internal_influence", 0, layer="hidden", baseline=BASELINE, steps=400)
    np.testing.assert_allclose(influence.error.values, -around, rtol=1e-2)


@pytest.mark.parametrize("rule", ["gauss_legendre", "trapezoid", "midpoint", "left", "right"])
@pytest.mark.parametrize("method", ["layer_integrated_gradients", "internal_influence"])
def test_every_rule_converges_to_the_same(backend: Backend, method: str, rule: str) -> None:
    x = inputs(1)
    found = tl.explain(tanh_net(backend), x, method, 1, layer="units", steps=400, rule=rule)
    np.testing.assert_allclose(found.values, brute_force(x, 1)[method], rtol=2e-2)


@pytest.mark.parametrize("method", list(LAYER_METHODS))
def test_the_network_itself_is_a_layer(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    target = [3, 1] if method in TARGETED else None
    found = explained(model, x, method, target, layer="", **LAYER_METHODS[method])
    scores, zero = model.forward(x), model.forward(0 * x)
    one = np.eye(5)[[3, 1]]
    expected = {
        "layer_activation": scores,
        "layer_gradient_x_activation": scores * one,
        "internal_influence": one,
        "layer_lrp": scores * one,
        "layer_feature_ablation": scores * one,
        "layer_feature_permutation": (scores - scores[::-1]) * one,
    }.get(method, (scores - zero) * one)
    np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", list(LAYER_METHODS))
def test_layers_of_tokens_have_values_of_their_shape(backend: Backend, method: str) -> None:
    model, x = token_net(backend), np.random.default_rng(0).normal(0, 1, (3, 4, 3))
    target = 1 if method in TARGETED else None
    found = explained(model, x, method, target, layer="embed", **LAYER_METHODS[method])
    assert found.values.shape == (3, 4, 5)
    if method in ("layer_integrated_gradients", "layer_conductance", "layer_deeplift", "layer_deepshap"):
        np.testing.assert_allclose(found.error.values, 0, atol=1e-12)


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
@pytest.mark.parametrize("method", ["layer_integrated_gradients", "layer_conductance"])
def test_all_quantities_are_shared_out(backend: Backend, method: str, of: str) -> None:
    found = tl.explain(tanh_net(backend), inputs(), method, 0, layer="units", of=of, steps=40)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-7)
    assert (np.abs(found.error.scale) > 1e-3).all()


@pytest.mark.parametrize("method", TARGETED)
def test_a_target_function_is_as_good_as_a_class(backend: Backend, method: str) -> None:
    by_class = explained(tanh_net(backend), inputs(), method, 2, layer="units")
    by_function = explained(tanh_net(backend), inputs(), method, lambda s: s[:, 2], layer="units")
    np.testing.assert_allclose(by_function.values, by_class.values, rtol=1e-12)
    np.testing.assert_allclose(by_function.error.values, by_class.error.values, atol=1e-12)
    assert by_function.target is None


@pytest.mark.parametrize("method", TARGETED)
def test_without_a_target_the_predicted_class_is_explained(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    found = explained(model, x, method, layer="4", **LAYER_METHODS[method])
    np.testing.assert_array_equal(found.target, model.predict(x))
    named = explained(model, x, method, model.predict(x).tolist(), layer="4", **LAYER_METHODS[method])
    np.testing.assert_array_equal(found.values, named.values)


@pytest.mark.parametrize("method", list(LAYER_METHODS))
def test_the_chunks_do_not_matter(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    target = [0, 1, 4] if method in TARGETED else None

    def found(batch_size: int | str) -> tl.Explanation:
        return explained(model, x, method, target, layer="4", batch_size=batch_size, **LAYER_METHODS[method])

    whole = found("auto")
    for batch_size in (1, 5):
        cut = found(batch_size)
        np.testing.assert_allclose(cut.values, whole.values, rtol=1e-11, atol=1e-13)
        if whole.error is not None:
            np.testing.assert_allclose(cut.error.values, whole.error.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layer", ["0", "2", "3", "4", "9"])
@pytest.mark.parametrize("method", list(LAYER_METHODS))
def test_both_frameworks_say_the_same(both: tuple[Backend, Backend], method: str, layer: str) -> None:
    target = [0, 3] if method in TARGETED else None

    def found(model: Model) -> np.ndarray:
        return explained(model, pictures(2), method, target, layer=layer, **LAYER_METHODS[method]).values

    torch, paddle = (found(small_net(b, dtype="float64")) for b in both)
    np.testing.assert_allclose(torch, paddle, rtol=1e-10, atol=1e-11)
    torch, paddle = (found(small_net(b)) for b in both)
    np.testing.assert_allclose(torch, paddle, rtol=1e-4, atol=1e-4 * np.abs(torch).max())


@pytest.mark.parametrize("name", ["mean", "blur", "noise"])
@pytest.mark.parametrize("method", ["layer_integrated_gradients", "layer_conductance", "internal_influence"])
def test_baselines_have_names(backend: Backend, method: str, name: str) -> None:
    found = tl.explain(small_net(backend, dtype="float64"), pictures(2), method, 0, layer="4", baseline=name)
    assert np.isfinite(found.values).all()
    assert (np.abs(found.error.relative) < 1).all()


def test_several_baselines_are_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="2 baselines"):
        tl.explain(small_net(backend), pictures(1), "layer_conductance", layer="4", baseline=[0.0, 1.0])
