"""Spellings, reuse, tuples, NaN and failures: the right values, or a named error, and nothing left behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import pictures, small_net
from ..test_side_effects import lived_in, snapshot
from .nets import (
    BY_REPLACING,
    CONCEPT_METHODS,
    LAYER_METHODS,
    NEURON_METHODS,
    TARGETED,
    awkward_net,
    explained,
    inputs,
    native,
    spelt_net,
)

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning")

METHODS = {
    **LAYER_METHODS,
    **{name: {"neuron": 1, **params} for name, params in NEURON_METHODS.items()},
    **CONCEPT_METHODS,
}
WITH_CLASSES = (*TARGETED, "neuron_conductance", *CONCEPT_METHODS)
INTEGRATED = [name for name, params in METHODS.items() if "steps" in params]


def target_for(method: str) -> int | None:
    return 1 if method in WITH_CLASSES else None


@pytest.mark.parametrize("layer", ["conv", "norm"])
@pytest.mark.parametrize("method", list(METHODS))
def test_every_spelling_of_a_relu_gives_the_same(backend: Backend, method: str, layer: str) -> None:
    module, functional, in_place = (
        explained(spelt_net(backend, spelling), pictures(2), method, target_for(method), layer=layer, **METHODS[method])
        for spelling in ("module", "functional", "in place")
    )
    assert np.abs(module.values).max() > 0
    np.testing.assert_allclose(functional.values, module.values, rtol=1e-12)
    np.testing.assert_allclose(in_place.values, module.values, rtol=1e-12)


def test_the_activation_is_that_before_the_relu_in_place(backend: Backend) -> None:
    found = tl.explain(spelt_net(backend, "in place"), pictures(2), "layer_activation", layer="norm")
    assert (found.values < 0).any()


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ("twice", "runs 2 times"),
        ("never", "runs 0 times"),
        ("pair", "returns a tuple"),
        ("folded", r"shape \(\d+, 3\) for \d+ samples"),
        ("nowhere", "no layer 'nowhere'"),
        (["conv"], "This list is not a layer"),
    ],
)
def test_a_layer_that_cannot_be_explained_is_named(backend: Backend, method: str, layer: Any, named: str) -> None:
    with pytest.raises(tl.errors.LayerError, match=named):
        explained(awkward_net(backend), inputs(), method, layer=layer, **METHODS[method])


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize(("layer", "named"), [("twice", "runs 2 times"), ("pair", "returns a tuple")])
def test_it_is_named_too_where_the_network_refuses_two_samples(
    backend: Backend, method: str, layer: str, named: str
) -> None:
    def refuse(x: Any) -> Any:
        if x.shape[0] == 2:
            raise ValueError("two samples")
        return x

    model = tl.wrap(awkward_net(backend).net, refuse)
    with pytest.raises(tl.errors.LayerError, match=named):
        explained(model, inputs(5), method, layer=layer, **METHODS[method])


@pytest.mark.parametrize("method", [name for name in WITH_CLASSES if name not in BY_REPLACING])
def test_a_layer_beside_the_way_to_the_score_has_no_gradient(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.NoGradientError):
        explained(awkward_net(backend), inputs(), method, layer="aside", **METHODS[method])


@pytest.mark.parametrize("method", BY_REPLACING)
def test_without_a_layer_beside_the_way_to_the_score_nothing_falls(backend: Backend, method: str) -> None:
    found = explained(awkward_net(backend), inputs(), method, layer="aside", **METHODS[method])
    np.testing.assert_allclose(found.values, 0, atol=1e-14)


def test_whole_numbers_are_an_activation_without_gradient(backend: Backend) -> None:
    model = awkward_net(backend)
    assert tl.explain(model, inputs(), "layer_activation", layer="whole").values.dtype == np.int64
    for method in (*TARGETED, *CONCEPT_METHODS):
        with pytest.raises(tl.errors.LayerError, match="returns int64, not floating-point numbers"):
            explained(model, inputs(), method, layer="whole", **METHODS[method])
    with pytest.raises(tl.errors.LayerError, match="int64"):
        tl.explain(model, inputs(), "neuron_gradient", layer="whole", neuron=())


@pytest.mark.parametrize("method", [*LAYER_METHODS, *CONCEPT_METHODS])
def test_weights_that_are_not_finite_do_not_hide_behind_a_relu(backend: Backend, method: str) -> None:
    model = small_net(backend)
    state = model.state()
    state["0.weight"][0, 0, 0, 0] = np.nan
    model.load_state(state)
    with pytest.raises(tl.errors.NonFiniteError):
        explained(model, pictures(1), method, layer="6", **METHODS[method])


@pytest.mark.parametrize("method", [name for name in METHODS if target_for(name) is None])
def test_a_method_without_target_says_so(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=f"{method} has no target"):
        explained(small_net(backend), pictures(1), method, 0, layer="4", **METHODS[method])


@pytest.mark.parametrize("method", WITH_CLASSES)
def test_a_target_out_of_range_is_named(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.TargetError, match="Target 5 does not exist"):
        explained(small_net(backend), pictures(2), method, 5, layer="4", **METHODS[method])


@pytest.mark.parametrize("method", INTEGRATED)
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"steps": 0}, "MethodError"),
        ({"steps": 2.5}, "MethodError"),
        ({"baseline": np.nan}, "InputError"),
        ({"baseline": np.zeros((2, 2))}, "InputError"),
        ({"baseline": "black"}, "InputError"),
        ({"batch_size": 0}, "InputError"),
    ],
)
def test_bad_parameters_of_a_path_are_named(backend: Backend, method: str, params: dict[str, Any], error: str) -> None:
    with pytest.raises(getattr(tl.errors, error)):
        explained(small_net(backend), pictures(1), method, layer="4", **(METHODS[method] | params))


@pytest.mark.parametrize("method", ["layer_integrated_gradients", "internal_influence"])
def test_a_rule_that_is_not_known_is_named(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.MethodError, match="simpson"):
        tl.explain(small_net(backend), pictures(1), method, layer="4", rule="simpson")


@pytest.mark.parametrize("method", list(METHODS))
def test_the_network_comes_back_as_it_was(backend: Backend, method: str) -> None:
    model = lived_in(backend, method)
    before = snapshot(model)
    explained(model, pictures(2), method, target_for(method), layer="2", **METHODS[method])
    assert snapshot(model) == before


# Two inputs one by one: the integrated methods go on to the points of the path.
@pytest.mark.parametrize(
    ("method", "failing_run"),
    [(method, run) for method in METHODS for run in ((1, 2, 3, 5) if method in INTEGRATED else (1, 2))],
)
def test_the_network_comes_back_as_it_was_after_an_exception(backend: Backend, method: str, failing_run: int) -> None:
    model, runs = lived_in(backend, method), 0
    # What is tried out on a network once, and may fail, has been tried.
    explained(model, pictures(2), method, target_for(method), layer="2", batch_size=1, **METHODS[method])

    def fail(_layer: Any, _inputs: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == failing_run:
            raise KeyError("the user's own error")

    # Above the layer, so that the layer's own hook has been at work.
    handle = backend.on_enter(backend.modules(model.net)["9"], fail)
    before = snapshot(model)
    try:
        with pytest.raises(KeyError, match="the user's own error"):
            explained(model, pictures(2), method, target_for(method), layer="2", batch_size=1, **METHODS[method])
    finally:
        assert snapshot(model) == before
        handle.remove()


@pytest.mark.parametrize("method", list(METHODS))
def test_networks_with_several_outputs_have_layers_too(backend: Backend, method: str) -> None:
    plain = small_net(backend, dtype="float64")
    pair = native(backend, {"inner": plain.net}, lambda net, x: (x, net.inner(x)))
    model, x = tl.wrap(pair, output=lambda out: out[1]), pictures(2)
    found = explained(model, x, method, target_for(method), layer="inner.4", **METHODS[method])
    expected = explained(plain, x, method, target_for(method), layer="4", **METHODS[method])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
    with pytest.raises(tl.errors.LayerError, match="Layer '' returns a tuple"):
        explained(model, x, method, target_for(method), layer="", **METHODS[method])
