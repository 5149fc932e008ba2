"""Relevance of a layer's units: against a naive NumPy version, networks folded by hand, and `lrp` itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, wrap

from ...frameworks import need, paddle, torch
from ...nets import pictures, small_net
from ..backpropagation.lrp import naive
from ..backpropagation.lrp.nets import COMPOSITES, close, folded_state, network, sequential, signed
from ..backpropagation.lrp.test_networks import layers_of, normed, plain, spelt

X = pictures(2).astype("float64")
TARGETS = [1, 2]
RULES = {
    "epsilon_gamma_box": ("gamma", "epsilon"),
    "epsilon_plus": ("plus", "epsilon"),
    "epsilon_plus_flat": ("plus", "epsilon"),
    "epsilon_alpha2_beta1": ("alpha2_beta1", "epsilon"),
    "epsilon_alpha2_beta1_flat": ("alpha2_beta1", "epsilon"),
}
"""Of convolutions and of linear layers, where they differ; the first layer's is never asked for."""


def relevance(model: tl.Model, layer: str, composite: str = "epsilon_gamma_box", **params: Any) -> tl.Explanation:
    x = params.pop("x", X)
    target = params.pop("target", TARGETS)
    return tl.explain(model, x, "layer_lrp", target, layer=layer, composite=composite, **params)


def sums(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).sum(1)


def convolutional(backend: Backend) -> tl.Model:
    nn = backend.nn
    return sequential(
        backend,
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


@pytest.mark.parametrize("composite", COMPOSITES)
def test_it_is_the_naive_version_of_the_layers_above(backend: Backend, composite: str) -> None:
    """At a layer's output, relevance is that of the input of the network that follows."""
    model, x = convolutional(backend), pictures(2, shape=(2, 4, 4)).astype("float64")
    state = model.state()
    of_convolution, of_linear = RULES.get(composite, (composite, composite))
    written = [
        naive.convolution(state["0.weight"], state["0.bias"], 4, 1),
        naive.relu,
        naive.MaxPool(4),
        naive.convolution(state["3.weight"], state["3.bias"], 2, 1),
        naive.relu,
        lambda y: y,
        naive.dense(state["6.weight"], state["6.bias"]),
    ]
    rules = [of_convolution, of_convolution, of_linear]
    options = {"gamma": naive.GAMMA, "alpha": naive.ALPHA, "beta": naive.BETA, "epsilon": 0.01}
    for layer in range(7):
        found = relevance(model, str(layer), composite, x=x, **options)
        for sample, target, values in zip(x, TARGETS, found.values, strict=True):
            y = sample.ravel()
            for each in written[: layer + 1]:
                y = each(y)
            left = sum(isinstance(each, naive.Dense) for each in written[layer + 1 :])
            expected, _ = naive.propagated(written[layer + 1 :], rules[3 - left :], y, target, 0.01)
            if layer == 6:
                expected = np.where(np.arange(3) == target, y, 0)
            assert close(values.ravel(), expected), layer


@pytest.mark.parametrize("composite", COMPOSITES)
def test_what_is_lost_from_the_scores_to_a_layer_is_in_the_books(backend: Backend, composite: str) -> None:
    model, biases = small_net(backend, dtype="float64"), np.zeros(2)
    for layer in ("9", "8", "7", "6", "5", "4", "3", "2", "1", "0"):
        found = relevance(model, layer, composite, epsilon=0.01)
        np.testing.assert_allclose(found.error.scale, model.forward(X)[[0, 1], TARGETS], rtol=1e-12)
        booked = sums(found.values) + found.extras["biases"] + found.extras["stabiliser"]
        np.testing.assert_allclose(booked, found.error.scale, rtol=1e-9)
        np.testing.assert_allclose(found.extras["elsewhere"], 0, atol=1e-11)
        if layer == "9":
            assert not found.extras["biases"].any()
            assert not found.extras["stabiliser"].any()
        biases = found.extras["biases"]
    assert (np.abs(biases).min() > 0) == (composite != "excitation_backprop")


def test_the_books_hold_what_one_layer_keeps(backend: Backend) -> None:
    """Two units in a row, by hand: only the second one's bias lies between the score and the first one."""
    model = sequential(backend, backend.nn.Linear(1, 1), backend.nn.Linear(1, 1))
    state = {name: float(array.squeeze()) for name, array in model.state().items()}
    x = np.array([[0.5]])
    y = state["0.weight"] * 0.5 + state["0.bias"]
    z = state["1.weight"] * y + state["1.bias"]
    found = relevance(model, "0", "epsilon", x=x, target=0, epsilon=0)
    assert found.values.item() == pytest.approx(state["1.weight"] * y, rel=1e-12)
    assert found.extras["biases"].item() == pytest.approx(state["1.bias"], rel=1e-12)
    assert found.error.scale.item() == pytest.approx(z, rel=1e-12)


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_it_starts_as_score_times_derivative(backend: Backend, of: str) -> None:
    model = small_net(backend, dtype="float64")
    scores = model.forward(X)
    with model.capture("", gradients=True) as seen:
        model.gradient(X, TARGETS, of)
    for layer in ("", "9"):
        found = relevance(model, layer, of=of)
        np.testing.assert_allclose(found.values, scores * seen.gradients[""], rtol=1e-11, atol=1e-15)
        np.testing.assert_allclose(found.error.values, 0, atol=1e-12)


def test_a_target_function_starts_it_too(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    found = relevance(model, "", target=lambda scores: scores[:, 1] - 2 * scores[:, 0])
    assert found.target is None
    np.testing.assert_allclose(found.values, model.forward(X) * [-2, 1, 0, 0, 0], rtol=1e-12)


def test_by_lrp_0_it_is_gradient_times_activation_for_a_network_of_relus(backend: Backend) -> None:
    forward, layers = spelt(backend, "functional")
    model = network(backend, forward, **layers)
    for layer in ("conv1", "conv2", "pool", "fc"):
        expected = tl.explain(model, X, "layer_gradient_x_activation", TARGETS, layer=layer).values
        assert close(relevance(model, layer, "zero").values, expected, 1e-12)


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "epsilon_alpha2_beta1_flat", "zero"])
def test_four_spellings_of_one_network_have_one_relevance(backend: Backend, composite: str) -> None:
    for layer in ("conv1", "conv2", "pool"):
        found = []
        for spelling in ("module", "functional", "in place", "reused"):
            forward, layers = spelt(backend, spelling)
            found.append(relevance(network(backend, forward, **layers), layer, composite).values)
        assert np.abs(found[0]).max() > 0
        assert all(np.array_equal(values, found[0]) for values in found)


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "zero"])
def test_what_goes_around_a_layer_is_booked_elsewhere(backend: Backend, composite: str) -> None:
    """What reaches the sum of a residual block beside its convolution is what reaches it in all, less the bias's."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        first = net.relu(net.conv1(x))
        return net.fc(net.relu(net.sum(net.conv2(first) + first)).flatten(1))

    layers = layers_of(backend) | {"relu": nn.ReLU(), "sum": nn.Identity(), "fc": nn.Linear(256, 5)}
    model = network(backend, forward, **layers)
    total, inner = (relevance(model, layer, composite) for layer in ("sum", "conv2"))
    np.testing.assert_allclose(total.extras["elsewhere"], 0, atol=1e-11)
    with model.capture(["sum", "conv2"]) as seen:
        model.forward(X)
    share = seen["conv2"] / seen["sum"]
    assert close(inner.values, total.values * share)
    np.testing.assert_allclose(inner.extras["elsewhere"], sums(total.values * (1 - share)), rtol=1e-9)
    np.testing.assert_allclose(inner.extras["biases"], total.extras["biases"], rtol=1e-12)


# -- batch norms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_layer_and_its_batch_norm_are_one(backend: Backend, composite: str) -> None:
    """Asked for either, the relevance is that of the layer of the network folded by hand, also for negative scales."""
    nn = backend.nn

    def layers() -> dict[str, Any]:
        return {
            "conv1": nn.Conv2d(3, 4, 3, padding=1),
            "conv2": nn.Conv2d(4, 4, 3, padding=1),
            "fc1": nn.Linear(64, 7),
            "fc2": nn.Linear(7, 5),
            "pool": nn.MaxPool2d(2),
            "relu": nn.ReLU(),
        }

    norms = {"norm1": nn.BatchNorm2d(4), "norm2": nn.BatchNorm2d(4), "norm3": nn.BatchNorm1d(7)}
    model = network(backend, normed, **layers(), **norms)
    assert (model.state()["norm1.weight"] < 0).any()
    pairs = {"conv1": "norm1", "conv2": "norm2", "fc1": "norm3"}
    by_hand = wrap(nn.Module(plain, **layers()), dtype="float64")
    by_hand.load_state(folded_state(model.state(), pairs))
    for layer, norm in pairs.items():
        expected = relevance(by_hand, layer, composite)
        for asked in (layer, norm):
            found = relevance(model, asked, composite)
            assert close(found.values, expected.values)
            for name, booked in expected.extras.items():
                np.testing.assert_allclose(found.extras[name], booked, rtol=1e-8, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("composite", ["gamma", "epsilon_gamma_box", "zero"])
def test_a_batch_norm_that_stands_elsewhere_is_a_layer_of_its_own(backend: Backend, composite: str) -> None:
    """Equal to the network whose batch norm is written as a product and a sum, which nobody could fold."""
    nn = backend.nn

    def preactivated(net: Any, x: Any) -> Any:
        first = net.conv1(x)
        return net.fc(net.relu(net.conv2(net.relu(net.norm(first))) + first).flatten(1))

    def written(net: Any, x: Any) -> Any:
        first = net.conv1(x)
        return net.fc(net.relu(net.conv2(net.relu(net.norm(first * scale + shift))) + first).flatten(1))

    parts = {
        "conv1": nn.Conv2d(3, 4, 3, padding=1),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "relu": nn.ReLU(),
        "fc": nn.Linear(256, 5),
    }
    model = network(backend, preactivated, **parts, norm=nn.BatchNorm2d(4))
    state = model.state()
    factor = state["norm.weight"] / np.sqrt(state["norm.running_var"] + float(np.float32(1e-5)))
    offset = state["norm.bias"] - state["norm.running_mean"] * factor
    scale, shift = (backend.asarray(a.reshape(1, 4, 1, 1)) for a in (factor, offset))
    other = wrap(nn.Module(written, **parts, norm=nn.Identity()), dtype="float64")
    other.load_state({name: array for name, array in state.items() if not name.startswith("norm")})
    for layer in ("conv1", "norm", "conv2"):
        assert close(relevance(model, layer, composite).values, relevance(other, layer, composite).values)
    found = relevance(model, "conv1", composite)
    np.testing.assert_allclose(found.extras["elsewhere"], 0, atol=1e-11)
    # The shift takes its part of what arrives at the batch norm, no more.
    at_norm = relevance(model, "norm", composite)
    with model.capture("norm") as seen:
        model.forward(X)
    kept = sums(at_norm.values * offset.reshape(1, 4, 1, 1) / seen["norm"])
    np.testing.assert_allclose(found.extras["biases"] - at_norm.extras["biases"], kept, rtol=1e-8)


# -- before the first layer ----------------------------------------------------------------------------------------


def entered(backend: Backend, normalised: bool = False) -> tl.Model:
    """The layer ``entrance`` comes before the first convolution, and may come after a normalisation."""
    nn, mean = backend.nn, backend.asarray(np.array([0.4, 0.5, 0.3]).reshape(1, 3, 1, 1))

    def forward(net: Any, x: Any) -> Any:
        x = net.entrance((x - mean) * 4 if normalised else x)
        return net.fc(net.relu(net.conv(x)).flatten(1))

    layers = {"entrance": nn.Identity(), "conv": nn.Conv2d(3, 4, 3, padding=1), "fc": nn.Linear(256, 5)}
    return network(backend, forward, **layers, relu=nn.ReLU())


@pytest.mark.parametrize("first", [None, "box", "flat", "w_squared", "same"])
@pytest.mark.parametrize("composite", COMPOSITES)
def test_the_input_is_a_layer(backend: Backend, composite: str, first: str | None) -> None:
    model = entered(backend)
    found = relevance(model, "entrance", composite, first=first)
    expected = tl.explain(model, X, "lrp", TARGETS, composite=composite, first=first)
    np.testing.assert_array_equal(found.values, expected.values)
    for name, booked in expected.extras.items():
        np.testing.assert_array_equal(found.extras[name], booked)


@pytest.mark.parametrize("first", ["box", "flat", "w_squared"])
def test_a_normalised_picture_has_the_relevance_that_its_pixels_have(backend: Backend, first: str) -> None:
    """Each pixel is normalised by itself, and these rules share out differences, from which the mean cancels."""
    model = entered(backend, normalised=True)
    found = relevance(model, "entrance", first=first)
    assert close(found.values, tl.explain(model, X, "lrp", TARGETS, first=first).values)


def test_the_box_concerns_layers_before_the_first_one_alone(backend: Backend) -> None:
    model = entered(backend)
    with pytest.raises(tl.errors.InputError, match="outside of low"):
        relevance(model, "entrance", x=9 * X)
    above = relevance(model, "conv", x=9 * X)
    np.testing.assert_array_equal(above.values, relevance(model, "conv", x=9 * X, low=-1, high=10).values)


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "epsilon_plus_flat"])
def test_a_shortcut_that_runs_before_the_first_layer_does_not_lead_there(backend: Backend, composite: str) -> None:
    """Its relevance is its share of the sum; the rule of the first layer is for the other branch."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        short = net.shortcut(x * 2)
        return net.fc(net.relu(net.sum(net.conv(x) + short)).flatten(1))

    layers = {"shortcut": nn.Identity(), "conv": nn.Conv2d(3, 3, 3, padding=1), "sum": nn.Identity()}
    model = network(backend, forward, **layers, relu=nn.ReLU(), fc=nn.Linear(192, 5))
    with model.capture("sum") as seen:
        model.forward(X)
    total = relevance(model, "sum", composite).values
    assert close(relevance(model, "shortcut", composite).values, total * 2 * X / seen["sum"])


@pytest.mark.parametrize("layer", ["entrance", "conv"])
def test_a_network_for_one_number_of_samples_has_relevance_too(backend: Backend, layer: str) -> None:
    model, x = entered(backend), pictures(4).astype("float64")
    whole = wrap(model.net, lambda x: x.reshape((4, 3, 8, 8)))
    expected = relevance(model, layer, x=x, target=1).values
    np.testing.assert_array_equal(relevance(whole, layer, x=x, target=1).values, expected)


# -- what has no relevance -----------------------------------------------------------------------------------------


def test_a_gate_gets_none(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        y = net.conv(x)
        return net.fc((y * net.gate(net.squeeze(y.mean((2, 3)))).reshape((-1, 4, 1, 1))).mean((2, 3)))

    layers = {"conv": nn.Conv2d(3, 4, 3), "squeeze": nn.Linear(4, 4), "gate": nn.Sigmoid(), "fc": nn.Linear(4, 5)}
    model = network(backend, forward, **layers)
    assert np.abs(relevance(model, "gate").values).max() > 0
    with pytest.raises(tl.errors.NoGradientError):
        relevance(model, "gate", gates=True)


def test_words_have_relevance_where_their_numbers_have_none(backend: Backend) -> None:
    nn, whole = backend.nn, {"torch": lambda x: x.long(), "paddle": lambda x: x.astype("int64")}[backend.name]
    embedding = (torch if backend.name == "torch" else paddle).nn.Embedding(7, 4)
    model = network(backend, lambda net, x: net.fc(net.words(whole(x)).mean(1)), words=embedding, fc=nn.Linear(4, 3))
    words, state = np.array([[1.0, 4, 2], [0, 6, 6]]), model.state()
    found = relevance(model, "words", "epsilon", x=words, epsilon=0)
    expected = state["words.weight"][words.astype(int)] * state["fc.weight"][TARGETS][:, None] / 3
    assert close(found.values, expected)
    np.testing.assert_allclose(found.extras["biases"], state["fc.bias"][TARGETS], rtol=1e-11)
    assert close(relevance(model, "words", x=words, epsilon=0).values, expected)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"composite": "epsilon_gama"}, "composite='epsilon_gama' is not known"),
        ({"first": "zb"}, "first='zb' is not known"),
        ({"epsilon": -1}, "epsilon=-1 is below 0"),
        ({"alpha": 2, "beta": 0}, "do not conserve relevance"),
        ({"low": 1}, "low=1 is not below high=1.0"),
    ],
)
def test_wrong_parameters_are_named(backend: Backend, params: dict[str, Any], message: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=message):
        tl.explain(small_net(backend), pictures(1), "layer_lrp", layer="4", **params)


# -- a second opinion ----------------------------------------------------------------------------------------------


@pytest.fixture
def zennit() -> Any:
    """zennit.composites, which imports torchvision."""
    need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    return pytest.importorskip("zennit.composites")


def relevance_by_zennit(model: tl.Model, layer: str, composite: Any) -> np.ndarray:
    seen: list[Any] = []
    handle = model.layer(layer).register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    try:
        with composite.context(model.net.eval()) as net:
            scores = net(model.tensor(X).requires_grad_())
            seeds = torch.eye(5).double()[TARGETS] * scores.detach()
            (found,) = torch.autograd.grad(scores, seen[-1:], seeds)
    finally:
        handle.remove()
    return found.numpy()


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4", "5", "6"])
@pytest.mark.parametrize(
    ("name", "peer", "options"),
    [
        ("epsilon_gamma_box", "EpsilonGammaBox", {"low": 0.0, "high": 1.0}),
        ("epsilon_plus", "EpsilonPlus", {}),
        ("epsilon_alpha2_beta1_flat", "EpsilonAlpha2Beta1Flat", {}),
    ],
)
def test_it_is_zennits(zennit: Any, name: str, peer: str, options: dict[str, float], layer: str) -> None:
    backend = need("torch")
    nn = backend.nn
    convolutions = [nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)]
    model = sequential(
        backend, convolutions[0], nn.ReLU(), nn.MaxPool2d(2), convolutions[1], nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip
    found = relevance(model, layer, name, epsilon=1e-9).values
    composite = getattr(zennit, peer)(**options, epsilon=1e-9, stabilizer=1e-9)
    assert close(found, relevance_by_zennit(model, layer, composite), 1e-7)


@pytest.mark.parametrize("layer", ["0", "1", "4", "5"])
def test_a_convolution_and_its_batch_norm_are_merged_as_by_zennit(zennit: Any, layer: str) -> None:
    """But for the 1e-5 that zennit's merged batch norms still add to their variance of 1."""
    canonizers = pytest.importorskip("zennit.canonizers")
    model = signed(small_net(need("torch"), dtype="float64"))
    found = relevance(model, layer, "epsilon_alpha2_beta1", epsilon=1e-9).values
    merging = [canonizers.SequentialMergeBatchNorm()]
    composite = zennit.EpsilonAlpha2Beta1(epsilon=1e-9, stabilizer=1e-9, canonizers=merging)
    assert close(found, relevance_by_zennit(model, layer, composite), 1e-4)
