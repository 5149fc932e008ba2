"""Neuron methods against closed forms, finite differences and the layer methods, on both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import pictures, small_net
from .nets import NEURON_METHODS, READOUT, WEIGHTS, hidden_net, inputs, token_net

BASELINE = np.random.default_rng(11).normal(0, 1, (1, 6))[0]


def neuron_of(model: Model, x: np.ndarray, layer: str, index: tuple[int, ...]) -> np.ndarray:
    with model.capture(layer) as seen:
        model.forward(x)
    chosen = seen[layer][(slice(None), *index)]
    return chosen.reshape(len(x), -1).sum(1)


@pytest.mark.parametrize("index", [(1,), (3, 2), (3, 2, 0)])
def test_the_gradient_is_that_of_finite_differences(backend: Backend, index: tuple[int, ...]) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    found = tl.explain(model, x, "neuron_gradient", layer="4", neuron=index)
    rng = np.random.default_rng(0)
    for _ in range(5):
        direction = rng.normal(0, 1, x.shape)
        up, down = (neuron_of(model, x + h * direction, "4", index) for h in (1e-6, -1e-6))
        np.testing.assert_allclose((found.values * direction).sum((1, 2, 3)), (up - down) / 2e-6, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.extras["neuron"], neuron_of(model, x, "4", index), rtol=1e-12)
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-12)
    assert found.target is None


def test_the_gradient_of_a_linear_unit_is_its_weights(backend: Backend) -> None:
    found = tl.explain(hidden_net(backend), inputs(), "neuron_gradient", layer="hidden", neuron=2)
    np.testing.assert_allclose(found.values, np.broadcast_to(WEIGHTS[2], (2, 6)), rtol=1e-13)


def test_integrated_gradients_share_out_the_neuron(backend: Backend) -> None:
    x = inputs()
    model = hidden_net(backend, lambda y: y**3)
    found = tl.explain(model, x, "neuron_integrated_gradients", layer="units", neuron=1, steps=2, baseline=BASELINE)
    low, high = BASELINE @ WEIGHTS[1], x @ WEIGHTS[1]
    mean = low**2 + low * high + high**2
    np.testing.assert_allclose(found.values, (x - BASELINE) * WEIGHTS[1] * mean[:, None], rtol=1e-11)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-11)
    np.testing.assert_allclose(found.error.scale, high**3 - low**3, rtol=1e-10)
    np.testing.assert_allclose(found.extras["neuron"], high**3, rtol=1e-12)
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-12)


def test_conductance_to_the_inputs_has_its_closed_form(backend: Backend) -> None:
    x = inputs()
    found = tl.explain(
        hidden_net(backend), x, "neuron_conductance", 2, layer="hidden", neuron=1, steps=2, baseline=BASELINE
    )
    low, high = BASELINE @ WEIGHTS[1], x @ WEIGHTS[1]
    mean = (low**2 + low * high + high**2) * READOUT[1, 2]
    np.testing.assert_allclose(found.values, (x - BASELINE) * WEIGHTS[1] * mean[:, None], rtol=1e-11)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
    np.testing.assert_array_equal(found.target, [2, 2])


def test_conductances_of_all_neurons_are_integrated_gradients(backend: Backend) -> None:
    x = inputs()
    model = hidden_net(backend, lambda y: y.tanh())
    parts = [tl.explain(model, x, "neuron_conductance", 0, layer="units", neuron=j, steps=60).values for j in range(4)]
    whole = tl.explain(model, x, "integrated_gradients", 0, steps=60).values
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-8)


@pytest.mark.parametrize("index", [(0,), (5, 1), (5, 1, 2)])
def test_conductance_adds_up_to_the_layers(backend: Backend, index: tuple[int, ...]) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "neuron_conductance", 3, layer="4", neuron=index, steps=10)
    layer = tl.explain(model, x, "layer_conductance", 3, layer="4", steps=10).values[(slice(None), *index)]
    np.testing.assert_allclose(found.error.scale, layer.reshape(2, -1).sum(1), rtol=1e-10)
    np.testing.assert_allclose(found.values.sum((1, 2, 3)) - found.error.scale, found.error.values, atol=1e-12)


@pytest.mark.parametrize("method", list(NEURON_METHODS))
def test_a_channel_is_the_sum_of_its_units(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    target = 1 if method == "neuron_conductance" else None

    def values(neuron: object) -> np.ndarray:
        return tl.explain(model, x, method, target, layer="4", neuron=neuron, **NEURON_METHODS[method]).values

    # Guided backpropagation is not additive.
    if method != "neuron_guided_backprop":
        by_unit = sum(values((2, row, column)) for row in range(4) for column in range(4))
        np.testing.assert_allclose(values(2), by_unit, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(values(2), values((2,)))
    np.testing.assert_array_equal(values(2), values([2]))
    np.testing.assert_array_equal(values(2), values(np.int64(2)))


def test_guided_backpropagation_of_the_last_layer_is_that_of_the_class(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    neuron = tl.explain(model, x, "neuron_guided_backprop", layer="9", neuron=4)
    np.testing.assert_allclose(neuron.values, tl.explain(model, x, "guided_backprop", 4).values, rtol=1e-12)
    np.testing.assert_allclose(neuron.extras["neuron"], model.forward(x)[:, 4], rtol=1e-12)


def test_guided_backpropagation_below_all_rectifiers_is_the_gradient(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    guided, plain = (
        tl.explain(model, x, method, layer="1", neuron=(3, 4, 4)).values
        for method in ("neuron_guided_backprop", "neuron_gradient")
    )
    np.testing.assert_array_equal(guided, plain)


@pytest.mark.parametrize("method", ["neuron_gradient", "neuron_integrated_gradients", "neuron_conductance"])
def test_tokens_have_neurons(backend: Backend, method: str) -> None:
    model, x = token_net(backend), np.random.default_rng(0).normal(0, 1, (3, 4, 3))
    target = 1 if method == "neuron_conductance" else None
    found = tl.explain(model, x, method, target, layer="embed", neuron=(2, 4), **NEURON_METHODS[method])
    assert found.values.shape == x.shape
    # A unit of the third token depends on the third token alone.
    assert found.values[:, 2].all()
    assert not np.delete(found.values, 2, axis=1).any()


@pytest.mark.parametrize("method", list(NEURON_METHODS))
def test_the_chunks_do_not_matter(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    target = [0, 1, 4] if method == "neuron_conductance" else None

    def found(batch_size: int | str) -> tl.Explanation:
        return tl.explain(
            model, x, method, target, layer="4", neuron=3, batch_size=batch_size, **NEURON_METHODS[method]
        )

    whole = found("auto")
    for batch_size in (1, 5):
        cut = found(batch_size)
        np.testing.assert_allclose(cut.values, whole.values, rtol=1e-11, atol=1e-13)
        if whole.error is not None:
            np.testing.assert_allclose(cut.error.values, whole.error.values, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("neuron", [5, (5, 1), (5, 1, 2)])
@pytest.mark.parametrize("method", list(NEURON_METHODS))
def test_both_frameworks_say_the_same(both: tuple[Backend, Backend], method: str, neuron: object) -> None:
    target = [0, 3] if method == "neuron_conductance" else None

    def found(model: Model) -> np.ndarray:
        return tl.explain(model, pictures(2), method, target, layer="4", neuron=neuron, **NEURON_METHODS[method]).values

    torch, paddle = (found(small_net(b, dtype="float64")) for b in both)
    np.testing.assert_allclose(torch, paddle, rtol=1e-10, atol=1e-11)
    torch, paddle = (found(small_net(b)) for b in both)
    np.testing.assert_allclose(torch, paddle, rtol=1e-4, atol=1e-4 * np.abs(torch).max())


@pytest.mark.parametrize("method", list(NEURON_METHODS))
def test_a_neuron_that_does_not_exist_is_told_the_layers_shape(backend: Backend, method: str) -> None:
    model, x = small_net(backend), pictures(1)
    for neuron in (8, -1, (0, 4, 0), (0, 0, -1), (0, 0, 0, 0), 1.0, True, "3", None, (1, None)):
        with pytest.raises(tl.errors.LayerError, match=r"'4' has the shape \(8, 4, 4\)\..*0 to 7, 0 to 3, 0 to 3"):
            tl.explain(model, x, method, layer="4", neuron=neuron)


@pytest.mark.parametrize("method", list(NEURON_METHODS))
def test_layer_and_neuron_must_be_given(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.MethodError, match="needs the parameter 'layer'"):
        tl.explain(small_net(backend), pictures(1), method, neuron=1)
    with pytest.raises(tl.errors.MethodError, match="needs the parameter 'neuron'"):
        tl.explain(small_net(backend), pictures(1), method, layer="4")


def test_a_tolerance_buys_more_steps(backend: Backend) -> None:
    def found(**params: float) -> tl.Explanation:
        model = hidden_net(backend, lambda y: y.tanh())
        return tl.explain(
            model, inputs(), "neuron_integrated_gradients", layer="units", neuron=0, rule="left", steps=2, **params
        )

    assert (np.abs(found().error.relative) > 1e-2).any()
    refined = found(tolerance=1e-2)
    assert (np.abs(refined.error.relative) <= 1e-2).all()
    assert refined.stopped == "tolerance"


def test_float32_networks_are_watched_and_not_their_faster_copies(backend: Backend) -> None:
    # Batch norm folded into the convolution before it would change what that layer computes.
    model, x = small_net(backend), pictures(4)
    exact = small_net(backend, dtype="float64")
    found, expected = (
        tl.explain(m, x, "neuron_integrated_gradients", layer="0", neuron=(2, 3, 3), steps=64) for m in (model, exact)
    )
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.extras["neuron"], expected.extras["neuron"], rtol=1e-5, atol=1e-6)


def test_a_neuron_of_the_network_itself_is_a_class(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    for of_neuron, of_class in (
        ("neuron_gradient", "saliency"),
        ("neuron_integrated_gradients", "integrated_gradients"),
        ("neuron_guided_backprop", "guided_backprop"),
    ):
        found = tl.explain(model, x, of_neuron, layer="", neuron=2).values
        np.testing.assert_allclose(found, tl.explain(model, x, of_class, 2).values, rtol=1e-10, atol=1e-14)
