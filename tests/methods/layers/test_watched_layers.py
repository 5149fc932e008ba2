"""Layers whose output is another tensor's memory, not of real numbers, or not one entry per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import pictures, randomise
from .nets import CONCEPT_METHODS, LAYER_METHODS, NEURON_METHODS, explained, inputs, linear, native, relu_, step

GRADIENT_METHODS = {
    **LAYER_METHODS,
    **{name: {"neuron": 1, **params} for name, params in NEURON_METHODS.items()},
    **CONCEPT_METHODS,
}
del GRADIENT_METHODS["layer_activation"]


def shortcut_net(backend: Backend, used: bool) -> Model:
    """An identity shortcut, and a ReLU in place on the tensor that it handed on."""

    def forward(net: Any, x: Any) -> Any:
        y = net.first(x)
        short = net.shortcut(y)
        y = net.second(relu_(backend, y))
        return net.head(y + (short if used else 0 * short))

    layers = {name: linear(backend, 6, 6) for name in ("first", "second")}
    layers |= {"shortcut": step(backend, lambda y: y), "head": linear(backend, 6, 3)}
    return randomise(tl.wrap(native(backend, layers, forward), dtype="float64"))


def test_the_activation_of_an_identity_is_what_it_returned_and_the_network_is_the_same(backend: Backend) -> None:
    model, x = shortcut_net(backend, used=True), inputs()
    found = tl.explain(model, x, "layer_activation", layer="shortcut")
    np.testing.assert_array_equal(found.scores, model.forward(x))
    state = model.state()
    np.testing.assert_allclose(found.values, x @ state["first.weight"].T + state["first.bias"], rtol=1e-12)
    assert (found.values < 0).any()


@pytest.mark.parametrize("used", [True, False], ids=["in the scores", "beside them"])
@pytest.mark.parametrize("method", list(GRADIENT_METHODS))
def test_no_gradient_is_taken_at_an_output_that_is_overwritten_under_another_name(
    backend: Backend, method: str, used: bool
) -> None:
    with pytest.raises(tl.errors.LayerError, match="'shortcut' shares its output"):
        explained(shortcut_net(backend, used), inputs(), method, layer="shortcut", **GRADIENT_METHODS[method])


@pytest.mark.parametrize("samples", [1, 2])
def test_what_is_overwritten_with_the_numbers_that_are_there_is_found_by_other_samples(
    backend: Backend, samples: int
) -> None:
    """A ReLU in place changes nothing where all is positive, as in the first sample."""
    model = shortcut_net(backend, used=True)
    state = model.state()
    model.load_state(state | {"first.weight": np.abs(state["first.weight"]), "first.bias": 0 * state["first.bias"]})
    x = np.abs(inputs()[[0] * samples]) * np.array([1.0, -1.0])[:samples, None]
    with pytest.raises(tl.errors.LayerError, match="'shortcut' shares its output"):
        tl.explain(model, x, "layer_conductance", 1, layer="shortcut")


def test_what_is_only_ever_overwritten_with_the_numbers_that_are_there_is_explained(backend: Backend) -> None:
    """Behind a ReLU, another one in place on the same numbers."""

    def forward(net: Any, x: Any) -> Any:
        y = net.relu(net.first(x))
        short = net.shortcut(y)
        return net.head(relu_(backend, y) + short)

    layers = {"first": linear(backend, 6, 6), "relu": step(backend, lambda y: backend.clip(y, low=0.0))}
    layers |= {"shortcut": step(backend, lambda y: y), "head": linear(backend, 6, 3)}
    model, x = randomise(tl.wrap(native(backend, layers, forward), dtype="float64")), inputs()
    found = tl.explain(model, x, "layer_gradient_x_activation", 1, layer="shortcut")
    seen = tl.explain(model, x, "layer_activation", layer="shortcut").values
    np.testing.assert_allclose(found.values, seen * model.state()["head.weight"][1], rtol=1e-12)


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_no_map_is_made_of_an_output_that_is_overwritten_under_another_name(backend: Backend, method: str) -> None:
    def forward(net: Any, x: Any) -> Any:
        y = net.conv(x)
        short = net.shortcut(y)
        return net.head((relu_(backend, y) * 2 + short).mean((2, 3)))

    nn = backend.nn
    net = nn.Module(forward, conv=nn.Conv2d(3, 4, 3), shortcut=nn.Identity(), head=nn.Linear(4, 3))
    with pytest.raises(tl.errors.LayerError, match="'shortcut' shares its output"):
        tl.explain(tl.wrap(net), pictures(2), method, 1, layer="shortcut")


def test_an_identity_before_a_relu_in_place_is_watched_where_nobody_else_reads_its_input(backend: Backend) -> None:
    layers = {"first": linear(backend, 6, 6), "shortcut": step(backend, lambda y: y), "head": linear(backend, 6, 3)}
    net = native(backend, layers, lambda net, x: net.head(relu_(backend, net.shortcut(net.first(x)))))
    model = randomise(tl.wrap(net, dtype="float64"))
    one, other = (tl.explain(model, inputs(), "layer_conductance", 1, layer=name) for name in ("shortcut", "first"))
    np.testing.assert_array_equal(one.values, other.values)


def masked_net(backend: Backend) -> Model:
    """The layer ``mask`` returns booleans, which choose elements."""

    def forward(net: Any, x: Any) -> Any:
        kept = x * 1
        kept[net.mask(x)] = 0.0
        return net.head(kept)

    layers = {"mask": step(backend, lambda x: x > 0), "head": linear(backend, 6, 3)}
    return randomise(tl.wrap(native(backend, layers, forward), dtype="float64"))


def test_a_mask_stays_a_mask_while_it_is_watched(backend: Backend) -> None:
    model, x = masked_net(backend), inputs()
    found = tl.explain(model, x, "layer_activation", layer="mask")
    np.testing.assert_array_equal(found.values, x > 0)
    np.testing.assert_array_equal(found.scores, model.forward(x))


@pytest.mark.parametrize("method", list(GRADIENT_METHODS))
def test_booleans_and_complex_numbers_have_no_gradient(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.LayerError, match="'mask' returns bool"):
        explained(masked_net(backend), inputs(), method, layer="mask", **GRADIENT_METHODS[method])
    layers = {"phase": step(backend, lambda x: x * 1j), "head": linear(backend, 6, 3)}

    def forward(net: Any, x: Any) -> Any:
        y = net.phase(x).imag
        return net.head(y() if callable(y) else y)

    net = native(backend, layers, forward)
    for dtype in ("float32", "float64"):
        with pytest.raises(tl.errors.LayerError, match="'phase' returns complex"):
            explained(tl.wrap(net, dtype=dtype), inputs(), method, layer="phase", **GRADIENT_METHODS[method])


def test_the_cure_for_a_tuple_names_a_layer_inside_only_where_there_is_one(backend: Backend) -> None:
    nested = native(backend, {"inner": linear(backend, 6, 6)}, lambda net, x: (net.inner(x), x))
    layers = {"nested": nested, "alone": step(backend, lambda x: (x, x)), "head": linear(backend, 6, 3)}
    model = tl.wrap(native(backend, layers, lambda net, x: net.head(net.alone(net.nested(x)[0])[0])))
    for layer, cure in (("nested", "Choose a layer inside it"), ("alone", "Choose the layer that takes")):
        with pytest.raises(tl.errors.LayerError, match=f"'{layer}' returns a tuple, not one tensor. {cure}"):
            tl.explain(model, inputs(), "layer_activation", layer=layer)


def test_complex_scores_are_refused(backend: Backend) -> None:
    net = native(backend, {"head": linear(backend, 6, 3)}, lambda net, x: net.head(x) * 1j)
    with pytest.raises(tl.errors.ModelError, match="complex"):
        tl.wrap(net).forward(inputs())
    assert tl.wrap(net, output=lambda scores: scores.abs()).forward(inputs()).shape == (2, 3)


@pytest.mark.parametrize("method", ["layer_activation", *GRADIENT_METHODS])
def test_as_many_rows_as_samples_may_be_chance(backend: Backend, method: str) -> None:
    """A layer that returns features by samples, for as many samples as features."""

    def forward(net: Any, x: Any) -> Any:
        return net.head(backend.permute(net.turned(backend.permute(net.first(x), (1, 0))), (1, 0)))

    layers = {"first": linear(backend, 6, 6), "turned": step(backend, lambda y: y), "head": linear(backend, 6, 3)}
    model = tl.wrap(native(backend, layers, forward))
    params = GRADIENT_METHODS.get(method, {})
    with pytest.raises(tl.errors.LayerError, match=r"shape \(6, \d+\) for \d+ samples"):
        explained(model, inputs(6), method, layer="turned", **params)


@pytest.mark.parametrize("samples", [2, 3])
def test_a_network_that_squeezes_a_single_sample_has_layers_for_several(backend: Backend, samples: int) -> None:
    layers = {"first": linear(backend, 6, 6), "head": linear(backend, 6, 4)}
    net = native(backend, layers, lambda net, x: net.head(net.first(x).squeeze()).reshape((x.shape[0], -1)))
    found = tl.explain(tl.wrap(net), inputs(samples), "neuron_gradient", layer="head", neuron=0)
    assert found.values.shape == (samples, 6)


def test_an_error_names_the_batch_that_the_user_gave(backend: Backend) -> None:
    model = tl.wrap(native(backend, {"head": linear(backend, 5, 4)}, lambda net, x: net.head(x)))
    with pytest.raises(tl.errors.ModelError, match=r"\(3, 6\)"):
        tl.explain(model, inputs(3), "neuron_gradient", layer="head", neuron=0)


@pytest.mark.parametrize("samples", [1, 4])
def test_filters_are_visualised_in_layers_with_a_row_per_picture(backend: Backend, samples: int) -> None:
    nn = backend.nn
    net = nn.Module(
        lambda net, x: net.head(net.conv(x).mean((2, 3))) + 0 * net.mean(net.conv.bias.reshape((1, 3)))[:, :2],
        conv=nn.Conv2d(3, 3, 3),
        mean=nn.Identity(),
        head=nn.Linear(3, 2),
    )
    with pytest.raises(tl.errors.LayerError, match=r"shape \(1, 3\) for"):
        tl.explain(tl.wrap(net), pictures(samples), "filter_visualisation", layer="mean", filter=1, steps=2)
