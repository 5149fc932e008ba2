"""A neuron as a model of its own: every method explains it as the class of the network that ends there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, chunks, quick
from twinlens.methods.registry import get_method

from ...frameworks import need
from ...nets import pictures, small_net
from ..calls import CALLS, NETS, PACKAGES, relative
from ..test_side_effects import lived_in, snapshot
from .nets import NEURON_METHODS, WEIGHTS, awkward_net, hidden_net, inputs, linear, native, relu_, step

SEVERAL_OUTPUTS = ("finercam", "lime_package", "partition_shap")
"""Methods that need one score beside others."""
ON_SMALL_NET = [name for name in CALLS if name not in NETS]
LAYERS = {"6": ((3, 2, 2), 7), "4": ((3, 1, 2), 5), "7": ((2, 1, 1), 8)}
"""Of the small network: the neuron that is explained, and how many of the network's layers lie below it."""


def call(method: str, **params: Any) -> dict[str, Any]:
    if method in PACKAGES:
        pytest.importorskip(PACKAGES[method])
    of = {"of": "logit"} if "of" in get_method(method).defaults else {}
    return CALLS[method] | of | params


def cut_off(model: Model, layer: str) -> tuple[Model, int]:
    """The small network up to a layer, its units as scores, and which of them the neuron is."""
    index, below = LAYERS[layer]
    cut = tl.wrap(model.net[:below], output=lambda y: y.flatten(1))
    with model.capture(layer) as seen:
        model.forward(pictures(1))
    return cut, int(np.ravel_multi_index(index, seen[layer].shape[1:]))


# -- the same as ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", list(LAYERS))
@pytest.mark.parametrize("method", [name for name in ON_SMALL_NET if name not in SEVERAL_OUTPUTS])
def test_a_neuron_is_explained_as_the_class_of_a_network_that_ends_there(
    backend: Backend, method: str, layer: str
) -> None:
    """The layer of a map, the batch norms that count to a convolution, and the books of relevance, too."""
    model, x, params = small_net(backend, dtype="float64"), pictures(3), call(method)
    cut, number = cut_off(model, layer)
    found = tl.explain(tl.neuron(model, layer, LAYERS[layer][0]), x, method, **params)
    expected = tl.explain(cut, x, method, number if get_method(method).targeted else None, **params)
    assert relative(found.values, expected.values) < 1e-11
    np.testing.assert_allclose(found.scores[:, 0], expected.scores[:, number], rtol=1e-11)
    if expected.error is not None:
        np.testing.assert_allclose(found.error.values, expected.error.values, atol=1e-10)
    assert found.extras.keys() == expected.extras.keys()
    for name, extra in expected.extras.items():
        if extra.shape == expected.scores.shape:
            extra = extra[:, [number]]
        if name == "classes":  # by their places among the scores: the neuron is the only one
            extra = extra - number
        if extra.dtype.kind == "f":
            np.testing.assert_allclose(found.extras[name], extra, rtol=1e-8, atol=1e-10, err_msg=name)
        else:
            np.testing.assert_array_equal(found.extras[name], extra, err_msg=name)
    if found.target is not None:
        np.testing.assert_array_equal(found.target, [0, 0, 0])


@pytest.mark.parametrize("method", [name for name in CALLS if name not in (*SEVERAL_OUTPUTS, "cam")])
def test_both_frameworks_say_the_same_of_an_output(both: tuple[Backend, Backend], method: str) -> None:
    """An output is a neuron of the network itself."""
    params, found = call(method), []
    for backend in both:
        model = NETS.get(method, small_net)(backend, dtype="float64")
        found.append(tl.explain(tl.neuron(model, "", 2), pictures(3), method, **params).values)
        if get_method(method).targeted:
            assert relative(found[-1], tl.explain(model, pictures(3), method, 2, **params).values) < 1e-11
    assert relative(found[0], found[1]) < 1e-10


@pytest.mark.parametrize("method", ON_SMALL_NET)
def test_both_frameworks_say_the_same_of_a_neuron(both: tuple[Backend, Backend], method: str) -> None:
    if method in SEVERAL_OUTPUTS:
        pytest.skip("the method needs several outputs")
    params, found = call(method), []
    for backend in both:
        unit = tl.neuron(small_net(backend, dtype="float64"), "5", 6)
        found.append(tl.explain(unit, pictures(2), method, **params).values)
    assert relative(found[0], found[1]) < 1e-10


@pytest.mark.parametrize("method", SEVERAL_OUTPUTS)
def test_what_compares_classes_refuses_a_single_score(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"one output|other classes"):
        tl.explain(tl.neuron(small_net(backend), "5", 6), pictures(2), method, **CALLS[method])


@pytest.mark.parametrize(
    ("of_scores", "of_neurons"),
    [
        ("saliency", "neuron_gradient"),
        ("integrated_gradients", "neuron_integrated_gradients"),
        ("guided_backprop", "neuron_guided_backprop"),
    ],
)
@pytest.mark.parametrize("index", [2, (2, 1), (2, 1, 3)])
def test_the_methods_for_neurons_say_the_same(
    backend: Backend, of_scores: str, of_neurons: str, index: int | tuple[int, ...]
) -> None:
    model, x, params = small_net(backend, dtype="float64"), pictures(3), NEURON_METHODS[of_neurons]
    found = tl.explain(tl.neuron(model, "4", index), x, of_scores, **params)
    expected = tl.explain(model, x, of_neurons, layer="4", neuron=index, **params)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.scores[:, 0], expected.extras["neuron"], rtol=1e-12)


# -- closed forms --------------------------------------------------------------------------------------------------


def test_of_a_linear_unit_every_method_finds_the_weights(backend: Backend) -> None:
    x, rows = inputs(), np.random.default_rng(12).normal(0, 1, (4, 6))
    unit = tl.neuron(hidden_net(backend), "hidden", 2)
    np.testing.assert_allclose(unit.forward(x), x @ WEIGHTS[[2]].T, rtol=1e-12)
    calls: dict[str, tuple[dict[str, Any], np.ndarray]] = {
        "saliency": ({}, np.broadcast_to(WEIGHTS[2], x.shape)),
        "deeplift": ({"baseline": rows[0]}, WEIGHTS[2] * (x - rows[0])),
        "deepshap": ({"background": rows}, WEIGHTS[2] * (x - rows.mean(0))),
        "expected_gradients": ({"background": rows, "samples": 8}, WEIGHTS[2] * (x - rows.mean(0))),
        "kernelshap": ({"background": rows, "samples": 64}, WEIGHTS[2] * (x - rows.mean(0))),
        "feature_ablation": ({"baseline": 0.0}, WEIGHTS[2] * x),
        "lrp": ({"composite": "zero"}, WEIGHTS[2] * x),
    }
    for method, (params, expected) in calls.items():
        found = tl.explain(unit, x, method, **params)
        np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12, err_msg=method)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("layer", ["0", "1", "2", "4", "6", "7"])
def test_contributions_sum_to_the_neurons_difference(backend: Backend, layer: str, rule: str) -> None:
    unit, x = tl.neuron(small_net(backend, dtype="float64"), layer, 5), pictures(3).astype("float64")
    found = tl.explain(unit, x, "deeplift", baseline=0.4, rule=rule)
    difference = unit.forward(x)[:, 0] - unit.forward(0 * x + 0.4)[:, 0]
    np.testing.assert_allclose(found.values.sum((1, 2, 3)), difference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer", ["0", "1", "4", "5", "7"])
def test_relevance_starts_as_the_neuron(backend: Backend, layer: str) -> None:
    unit, x = tl.neuron(small_net(backend, dtype="float64"), layer, 5), pictures(3)
    found = tl.explain(unit, x, "lrp", epsilon=0.01)
    np.testing.assert_allclose(found.error.scale, unit.forward(x)[:, 0], rtol=1e-12)
    booked = found.values.sum((1, 2, 3)) + found.extras["biases"] + found.extras["stabiliser"]
    np.testing.assert_allclose(booked, unit.forward(x)[:, 0], rtol=1e-9)


def test_relevance_of_a_neuron_before_the_first_layer_needs_no_rule_for_that(backend: Backend) -> None:
    nn = backend.nn
    net = nn.Module(
        lambda net, x: net.head(net.conv(net.scaled(x * 3)).mean((2, 3))),
        scaled=nn.Identity(), conv=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 2),
    )  # fmt: skip
    unit, x = tl.neuron(tl.wrap(net), "scaled", (1, 2, 3)), pictures(2)
    with pytest.raises(tl.errors.NoGradientError):
        tl.explain(unit, x, "lrp")
    found = tl.explain(unit, x, "lrp", first="same").values
    np.testing.assert_allclose(found[:, 1, 2, 3], 3 * x[:, 1, 2, 3], rtol=1e-6)
    assert np.count_nonzero(found) == 2


def test_a_target_function_is_given_the_neuron(backend: Backend) -> None:
    unit, x = tl.neuron(small_net(backend, dtype="float64"), "4", 3), pictures(2)
    found = tl.explain(unit, x, "saliency", lambda neuron: 3 * neuron[:, 0])
    np.testing.assert_allclose(found.values, 3 * tl.explain(unit, x, "saliency", 0).values, rtol=1e-12)


def test_its_name_and_label_say_what_it_is(backend: Backend) -> None:
    model = small_net(backend)
    model.name = "net"
    for index, shown in ((3, "3"), (np.int64(3), "3"), ((3,), "3"), ([3, 1], "(3, 1)")):
        unit = tl.neuron(model, "4", index)
        assert unit.name == f"net, neuron {shown} of layer '4'"
        assert unit.labels == [f"neuron {shown} of layer '4'"]
        assert unit.backend is model.backend
        assert unit.net is model.net
    found = tl.explain(unit, pictures(2), "gradcam")
    assert found.model == unit.name
    assert found.scores.shape == (2, 1)


def test_a_neuron_of_a_neurons_model_is_one_of_the_same_network(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    again = tl.neuron(tl.neuron(model, "9", 3), "4", 2)
    np.testing.assert_array_equal(again.forward(x), tl.neuron(model, "4", 2).forward(x))
    assert again.name == tl.neuron(model, "4", 2).name


# -- which layer a map is made of ----------------------------------------------------------------------------------


def branched(backend: Backend) -> Model:
    """Two branches of convolutions side by side; the second one runs last."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        left = net.left(net.stem(x))
        right = net.deep(net.right(x))
        return net.head(backend.concat([net.relu(left), right], 1).mean((2, 3)))

    convolutions = {name: nn.Conv2d(3, 3, 3, padding=1) for name in ("stem", "left", "right", "deep")}
    net = nn.Module(forward, **convolutions, relu=nn.ReLU(), head=nn.Linear(6, 4))
    return tl.wrap(net, dtype="float64")


@pytest.mark.parametrize("method", ["gradcam", "layercam", "eigencam", "scorecam", "ablationcam"])
def test_the_layer_that_is_chosen_has_a_part_in_the_neuron(backend: Backend, method: str) -> None:
    model, x = branched(backend), pictures(2)
    for layer, chosen in (("relu", "left"), ("left", "left"), ("stem", "stem"), ("deep", "deep"), ("right", "right")):
        assert tl.explain(tl.neuron(model, layer, 1), x, method).extras["layer"] == chosen
    assert tl.explain(model, x, method).extras["layer"] == "deep"


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "scorecam", "ablationcam", "layer_activation"])
def test_a_layer_after_the_neurons_is_refused(backend: Backend, method: str) -> None:
    unit, x = tl.neuron(small_net(backend), "2", 1), pictures(2)
    for layer in ("4", "", "3"):
        with pytest.raises(tl.errors.LayerError, match=f"Layer '{layer}' comes after layer '2'"):
            tl.explain(unit, x, method, layer=layer)
    for layer in ("0", "1", "2"):
        tl.explain(unit, x, method, layer=layer)


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "scorecam", "ablationcam"])
def test_without_a_convolution_before_the_neuron_there_is_no_map(backend: Backend, method: str) -> None:
    nn = backend.nn
    net = nn.Module(
        lambda net, x: net.head(net.conv(net.scaled(x)).mean((2, 3))),
        scaled=nn.Linear(8, 8), conv=nn.Conv2d(3, 4, 3), head=nn.Linear(4, 2),
    )  # fmt: skip
    with pytest.raises(tl.errors.LayerError, match="'conv' comes after layer 'scaled'"):
        tl.explain(tl.neuron(tl.wrap(net), "scaled", 1), pictures(2), method)


def test_the_table_of_layers_is_the_networks(backend: Backend) -> None:
    model = small_net(backend)
    assert tl.neuron(model, "2", 1).layers((3, 8, 8)) == model.layers((3, 8, 8))


# -- faster and other copies ---------------------------------------------------------------------------------------


def test_a_convolution_before_a_batch_norm_is_not_lost_in_a_faster_copy(backend: Backend) -> None:
    x, calls = pictures(4), {"integrated_gradients": {"steps": 64}, "occlusion": {"window": 2, "stride": 1}}
    for method, params in calls.items():
        found, exact = (
            tl.explain(tl.neuron(small_net(backend, dtype=dtype), "0", (2, 3, 3)), x, method, **params).values
            for dtype in ("float32", "float64")
        )
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5 * np.abs(exact).max())


def test_another_order_in_memory_does_not_lose_the_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[bool] = []
    model, x = small_net(need("torch")), pictures(3)

    def watch(_layer: Any, inputs: Any) -> None:
        orders.append(inputs[0].is_contiguous())

    plain = tl.explain(tl.neuron(model, "4", 2), x, "integrated_gradients", steps=4)
    monkeypatch.setattr(quick, "_WORTH_ARRANGING", 1)
    arranged = tl.explain(tl.neuron(model, "4", 2), x, "integrated_gradients", steps=4)
    np.testing.assert_allclose(arranged.values, plain.values, rtol=1e-4, atol=1e-5 * np.abs(plain.values).max())
    # Of a network that somebody watches, nothing is tried out; so it is asked directly.
    unit = tl.neuron(model, "4", 2).arranged(x)
    with model.hook("0", pre=watch):
        unit.forward(x)
    assert not any(orders)


def test_less_precision_is_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="the network's own precision"):
        tl.explain(tl.neuron(small_net(backend), "4", 2), pictures(2), "integrated_gradients", precision="bfloat16")


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "lrp", "kernelshap", "scorecam"])
def test_the_chunks_do_not_matter(backend: Backend, method: str) -> None:
    unit, x = tl.neuron(small_net(backend, dtype="float64"), "4", 3), pictures(5)
    whole = tl.explain(unit, x, method, **call(method))
    for batch_size in (1, 2):
        pieces = tl.explain(unit, x, method, **call(method), batch_size=batch_size)
        assert relative(pieces.values, whole.values) < 1e-11


def test_memory_is_measured_of_the_whole_network_which_runs(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_FREE_ELEMENTS", 1)
    model, x = small_net(backend), pictures(3)
    tl.explain(tl.neuron(model, "0", 3), x, "saliency")
    measured = dict(model.sample_bytes)
    model.sample_bytes.clear()
    tl.explain(model, x, "saliency", 1)
    assert model.sample_bytes == measured


# -- comparisons ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, "float64"])
def test_two_networks_neurons_are_compared(both: tuple[Backend, Backend], dtype: str | None) -> None:
    first, second = (tl.neuron(small_net(backend), "4", (3, 1, 2)) for backend in both)
    compared = tl.compare(first, second, pictures(2), ["saliency", "lrp", "gradcam"], dtype=dtype)
    assert compared.worst()["relative_l2"] < (1e-4 if dtype is None else 1e-10)
    assert "neuron (3, 1, 2) of layer '4'" in str(compared)
    assert compared.pairs[0].first.scores.shape == (2, 1)
    other = tl.compare(first, tl.neuron(second, "4", (3, 2, 2)), pictures(2), "saliency", dtype=dtype)
    assert other.worst()["relative_l2"] > 0.1


def test_the_judgement_in_double_precision_is_on_the_neuron(both: tuple[Backend, Backend]) -> None:
    first, second = (tl.neuron(small_net(backend), "4", 2) for backend in both)
    assert tl.parity(first, second, pictures(2), "integrated_gradients", steps=4).double.worst()["relative_l2"] < 1e-10


def test_what_is_about_whole_networks_refuses_a_neuron(both: tuple[Backend, Backend]) -> None:
    first, second = (tl.neuron(small_net(backend), "4", 2) for backend in both)
    actions: list[Callable[[], Any]] = [
        lambda: tl.twin(first),
        lambda: tl.convert(first),
        lambda: tl.diff(first, second, pictures(2)),
        lambda: tl.transfer(first, second),
    ]
    for action in actions:
        with pytest.raises(tl.errors.InputError, match="is a neuron, where a whole network is asked for"):
            action()


# -- wrong use -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", [None, "resnet18", np.ones(3)])
def test_only_a_model_has_neurons(thing: Any) -> None:
    with pytest.raises(tl.errors.InputError, match="not a twinlens Model"):
        tl.neuron(thing, "4", 0)


def test_a_network_has_to_be_wrapped_first(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="Wrap it first"):
        tl.neuron(small_net(backend).net, "4", 0)  # type: ignore[arg-type]


def test_what_is_wrong_is_said_when_it_is_made(backend: Backend) -> None:
    model = small_net(backend)
    with pytest.raises(tl.errors.LayerError, match=r"no layer '44'\. Did you mean '4'"):
        tl.neuron(model, "44", 0)
    with pytest.raises(tl.errors.LayerError, match="layer=4 is not the name of a layer"):
        tl.neuron(model, 4, 0)  # type: ignore[arg-type]
    for index in (-1, 1.0, True, "3", None, (1, None), (1, -2), [[1]]):
        with pytest.raises(tl.errors.LayerError, match="is no index"):
            tl.neuron(model, "4", index)  # type: ignore[arg-type]


def test_a_neuron_that_does_not_exist_is_named_as_soon_as_the_layers_shape_is_known(backend: Backend) -> None:
    model = small_net(backend)
    known = tl.wrap(model.net, input_shape=(3, 8, 8))
    for index in (8, (0, 4, 0), (0, 0, 0, 0)):
        for make in (
            lambda index=index: tl.neuron(known, "4", index),
            lambda index=index: tl.explain(tl.neuron(model, "4", index), pictures(2), "saliency"),
            lambda index=index: tl.neuron(model, "4", index).forward(pictures(2)),
        ):
            with pytest.raises(tl.errors.LayerError, match=r"'4' has the shape \(8, 4, 4\)"):
                make()
    assert tl.neuron(known, "4", (7, 3, 3)).forward(pictures(2)).shape == (2, 1)


def test_a_network_that_does_not_take_zeros_has_neurons_all_the_same(backend: Backend) -> None:
    def forward(net: Any, x: Any) -> Any:
        if not float(x.abs().sum()):
            raise RuntimeError("nothing to see")
        return net.head(net.first(x))

    layers = {"first": linear(backend, 6, 5), "head": linear(backend, 5, 3)}
    model = tl.wrap(native(backend, layers, forward), input_shape=(6,))
    assert tl.neuron(model, "first", 4).forward(inputs()).shape == (2, 1)


@pytest.mark.parametrize("of", ["probability", "log_probability", "loss"])
def test_one_number_has_no_probability(backend: Backend, of: str) -> None:
    unit, x = tl.neuron(small_net(backend), "4", 2), pictures(2)
    for method in ("saliency", "deeplift", "lrp", "occlusion", "lime", "gradcam"):
        with pytest.raises(tl.errors.NoGradientError, match=rf"no {of.replace('_', ' ')}\. .*of=.logit"):
            tl.explain(unit, x, method, **CALLS[method], of=of)
    # Its own default is the probability.
    with pytest.raises(tl.errors.NoGradientError, match="A neuron is one number"):
        tl.explain(unit, x, "lime", **CALLS["lime"])


def test_there_is_no_other_target(backend: Backend) -> None:
    unit, x = tl.neuron(small_net(backend), "4", 2), pictures(2)
    np.testing.assert_array_equal(
        tl.explain(unit, x, "saliency").values, tl.explain(unit, x, "saliency", [0, 0]).values
    )
    with pytest.raises(tl.errors.TargetError, match="Target 1 does not exist"):
        tl.explain(unit, x, "saliency", 1)


@pytest.mark.parametrize("method", ["saliency", "deeplift", "lrp", "occlusion", "kernelshap"])
@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ("twice", "runs 2 times"),
        ("never", "runs 0 times"),
        ("pair", "returns a tuple"),
        ("folded", r"shape \(\d+, 3\) for \d+ samples"),
        ("whole", "int64"),
    ],
)
def test_a_layer_without_neurons_is_named(backend: Backend, method: str, layer: str, named: str) -> None:
    index = () if layer == "whole" else 1
    params: dict[str, Any] = {
        "lrp": {"low": -9, "high": 9},
        "occlusion": {"window": 2},
        "kernelshap": {"background": inputs(1), "samples": 8},
    }.get(method, {})
    with pytest.raises(tl.errors.LayerError, match=named):
        tl.explain(tl.neuron(awkward_net(backend), layer, index), inputs(), method, **params)


def test_what_shares_its_memory_has_a_value_but_no_gradient(backend: Backend) -> None:
    """An identity, and a ReLU in place on what it handed on."""

    def forward(net: Any, x: Any) -> Any:
        y = net.first(x)
        short = net.shortcut(y)
        return net.head(relu_(backend, y) + short)

    layers = {"first": linear(backend, 6, 6), "shortcut": step(backend, lambda y: y), "head": linear(backend, 6, 3)}
    model, x = tl.wrap(native(backend, layers, forward), dtype="float64"), inputs()
    unit, state = tl.neuron(model, "shortcut", 4), model.state()
    value = (x @ state["first.weight"].T + state["first.bias"])[:, 4]
    for _ in range(2):
        np.testing.assert_allclose(unit.forward(x)[:, 0], value, rtol=1e-12)
        found = tl.explain(unit, x, "feature_ablation")
        np.testing.assert_allclose(found.values, x * state["first.weight"][4], rtol=1e-10)
        with pytest.raises(tl.errors.LayerError, match="'shortcut' shares its output"):
            tl.explain(unit, x, "saliency")


# -- nothing is left behind ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["saliency", "deeplift", "lrp", "guided_backprop", "gradcam", "occlusion"])
@pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning")
def test_the_network_comes_back_as_it_was(backend: Backend, method: str) -> None:
    model, x = lived_in(backend, method), pictures(2)
    unit, before = tl.neuron(model, "6", 3), snapshot(model)
    tl.explain(unit, x, method, **call(method))
    assert snapshot(model) == before
    with pytest.raises(tl.errors.NoGradientError):
        tl.explain(unit, x, method, **call(method, of="loss"))
    assert snapshot(model) == before

    def fail(_layer: Any, _inputs: Any) -> None:
        raise KeyError("the user's own error")

    handle = backend.on_enter(backend.modules(model.net)["9"], fail)
    try:
        before = snapshot(model)
        with pytest.raises(KeyError, match="the user's own error"):
            tl.explain(unit, x, method, **call(method))
        assert snapshot(model) == before
    finally:
        handle.remove()


def test_hooks_of_both_models_see_the_runs_that_are_asked_for_alone(backend: Backend) -> None:
    """Not those that find out whether the layer can be watched."""
    for through_neuron in (False, True):
        model, x = small_net(backend), pictures(3)
        unit = tl.neuron(model, "4", 2)
        with (unit if through_neuron else model).capture(["0", "9"]) as seen:
            unit.forward(x)
        assert seen["0"].shape == (3, 6, 8, 8)
        np.testing.assert_allclose(seen["9"], model.forward(x), rtol=1e-6)


def test_a_user_may_hook_the_neurons_own_layer(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    unit = tl.neuron(model, "4", 2)
    plain = tl.explain(unit, x, "saliency").values
    with unit.hook("4", post=lambda _layer, _inputs, output: output * 2):
        np.testing.assert_allclose(tl.explain(unit, x, "saliency").values, 2 * plain, rtol=1e-12)
    np.testing.assert_array_equal(tl.explain(unit, x, "saliency").values, plain)
