"""Networks as they are: additions, reuse, spellings, batch norms, gates, and what stands before the first layer."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap
from twinlens.errors import ModelError

from ....backends.nets import need_keywords
from ....frameworks import need
from ....nets import pictures
from .nets import COMPOSITES, close, folded_state, like, network, sequential

X = pictures(2).astype("float64")


def relevance(model: Model, composite: str = "epsilon_gamma_box", x: np.ndarray = X, **params: Any) -> np.ndarray:
    return tl.explain(model, x, "lrp", [1, 2], composite=composite, **params).values


def elsewhere(model: Model, x: np.ndarray = X, **params: Any) -> np.ndarray:
    """Relevance that is lost neither to biases nor to epsilon, as a share of the score."""
    result = tl.explain(model, x, "lrp", 1, **params)
    assert result.error is not None
    assert result.error.scale is not None
    booked = result.values.sum(axis=(1, 2, 3)) + result.extras["biases"] + result.extras["stabiliser"]
    assert np.allclose(booked + result.extras["elsewhere"], result.error.scale, rtol=1e-10)
    return np.abs(result.extras["elsewhere"] / result.error.scale)


def layers_of(backend: Backend) -> dict[str, Any]:
    nn = backend.nn
    return {
        "conv1": nn.Conv2d(3, 4, 3, padding=1),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "fc": nn.Linear(64, 5),
        "pool": nn.MaxPool2d(2),
    }


def spelt(backend: Backend, spelling: str) -> tuple[Callable[[Any, Any], Any], dict[str, Any]]:
    """A residual network of two convolutions with its ReLUs written in one of four ways."""
    functional = importlib.import_module(f"{backend.name}.nn.functional")
    relus = {
        "module": lambda net, number, z: getattr(net, f"relu{number}")(z),
        "functional": lambda net, number, z: functional.relu(z),
        "in place": lambda net, number, z: functional.relu_(z),
        "reused": lambda net, number, z: net.relu(z),
    }
    relu = relus[spelling]

    def forward(net: Any, x: Any) -> Any:
        first = relu(net, 1, net.conv1(x))
        second = relu(net, 2, net.conv2(first) + first)
        return net.fc(net.pool(second).flatten(1))

    own = {"module": ("relu1", "relu2"), "reused": ("relu",)}.get(spelling, ())
    return forward, layers_of(backend) | {name: backend.nn.ReLU() for name in own}


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "epsilon_alpha2_beta1_flat", "zero"])
def test_four_spellings_of_one_network_have_one_relevance(backend: Backend, composite: str) -> None:
    results = []
    for spelling in ("module", "functional", "in place", "reused"):
        forward, layers = spelt(backend, spelling)
        results.append(relevance(network(backend, forward, **layers), composite))
    assert all(np.array_equal(result, results[0]) for result in results)


@pytest.mark.parametrize("composite", COMPOSITES)
def test_both_backends_have_one_relevance(both: tuple[Backend, Backend], composite: str) -> None:
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-4)):
        values = []
        for backend in both:
            forward, layers = spelt(backend, "functional")
            values.append(relevance(network(backend, forward, dtype=dtype, **layers), composite))
        assert close(values[1], values[0], tolerance)


def test_an_addition_shares_relevance_in_proportion(backend: Backend) -> None:
    """The same network with the addition written as a linear layer, whose rule is LRP-0."""

    def added(net: Any, x: Any) -> Any:
        return net.fc(net.a(x) + net.b(x) + x)

    def layered(net: Any, x: Any) -> Any:
        joined = backend.concat([net.a(x), net.b(x), x], axis=1)
        return net.fc(net.sum(joined))

    nn = backend.nn
    sizes = {"a": nn.Linear(6, 6), "b": nn.Linear(6, 6), "fc": nn.Linear(6, 3)}
    plain = network(backend, added, **sizes)
    written = network(backend, layered, **sizes, sum=nn.Linear(18, 6))
    written.load_state(plain.state() | {"sum.weight": np.concatenate([np.eye(6)] * 3, axis=1), "sum.bias": np.zeros(6)})
    x = np.random.default_rng(3).normal(size=(2, 6))
    assert close(relevance(plain, "epsilon", x, epsilon=0), relevance(written, "epsilon", x, epsilon=0))


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "epsilon_plus_flat", "alpha_beta"])
def test_a_reused_layer_counts_at_each_use(backend: Backend, composite: str) -> None:
    nn = backend.nn

    def reused(net: Any, x: Any) -> Any:
        return net.fc(net.relu(net.conv(net.relu(net.conv(x)))).flatten(1))

    def separate(net: Any, x: Any) -> Any:
        return net.fc(net.relu(net.again(net.relu(net.conv(x)))).flatten(1))

    parts = {"relu": nn.ReLU(), "fc": nn.Linear(192, 5)}
    one = network(backend, reused, conv=nn.Conv2d(3, 3, 3, padding=1), **parts)
    two = network(backend, separate, conv=nn.Conv2d(3, 3, 3, padding=1), again=nn.Conv2d(3, 3, 3, padding=1), **parts)
    state = one.state()
    two.load_state(state | {f"again.{name}": state[f"conv.{name}"] for name in ("weight", "bias")})
    assert close(relevance(one, composite), relevance(two, composite))


def normed(net: Any, x: Any) -> Any:
    first = net.relu(net.norm1(net.conv1(x)))
    second = net.relu(net.norm2(net.conv2(first)) + first)
    hidden = net.relu(net.norm3(net.fc1(net.pool(second).flatten(1))))
    return net.fc2(hidden)


def plain(net: Any, x: Any) -> Any:
    first = net.relu(net.conv1(x))
    second = net.relu(net.conv2(first) + first)
    return net.fc2(net.relu(net.fc1(net.pool(second).flatten(1))))


@pytest.mark.parametrize(("width", "bias"), [(7, True), (64, False)])
@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_batch_norm_is_part_of_the_layer_before_it(backend: Backend, composite: str, width: int, bias: bool) -> None:
    """Equal to the network folded by hand, also where the scale is negative and where the linear layer is square."""

    def layers(bias: bool) -> dict[str, Any]:
        nn = backend.nn
        return {
            "conv1": nn.Conv2d(3, 4, 3, padding=1, bias=bias),
            "conv2": nn.Conv2d(4, 4, 3, padding=1, bias=bias),
            "fc1": nn.Linear(64, width, bias=bias),
            "fc2": nn.Linear(width, 5),
            "pool": nn.MaxPool2d(2),
            "relu": nn.ReLU(),
        }

    nn = backend.nn
    norms = {"norm1": nn.BatchNorm2d(4), "norm2": nn.BatchNorm2d(4), "norm3": nn.BatchNorm1d(width)}
    model = network(backend, normed, **layers(bias), **norms)
    assert (model.state()["norm1.weight"] < 0).any()
    by_hand = wrap(nn.Module(plain, **layers(True)), dtype="float64")
    by_hand.load_state(folded_state(model.state(), {"conv1": "norm1", "conv2": "norm2", "fc1": "norm3"}))
    assert close(relevance(model, composite), relevance(by_hand, composite))
    assert elsewhere(model, composite=composite).max() < 1e-10


def test_a_convolution_with_a_batch_norm_for_each_use_is_folded_for_each_use(backend: Backend) -> None:
    nn = backend.nn

    def shared(net: Any, x: Any) -> Any:
        hidden = net.relu(net.norm1(net.conv(x)))
        return net.fc(net.relu(net.norm2(net.conv(hidden))).flatten(1))

    def separate(net: Any, x: Any) -> Any:
        return net.fc(net.relu(net.again(net.relu(net.conv(x)))).flatten(1))

    convolution = {"conv": nn.Conv2d(3, 3, 3, padding=1), "relu": nn.ReLU(), "fc": nn.Linear(192, 5)}
    model = network(backend, shared, **convolution, norm1=nn.BatchNorm2d(3), norm2=nn.BatchNorm2d(3))
    state = model.state()
    state |= {f"again.{name}": state[f"conv.{name}"] for name in ("weight", "bias")}
    two = wrap(nn.Module(separate, **convolution, again=nn.Conv2d(3, 3, 3, padding=1)), dtype="float64")
    two.load_state(folded_state(state, {"conv": "norm1", "again": "norm2"}))
    for composite in ("gamma", "alpha_beta", "epsilon_plus_flat"):
        assert close(relevance(model, composite), relevance(two, composite))


def test_a_batch_norm_whose_input_others_read_is_a_layer_of_its_own(backend: Backend) -> None:
    """Equal to the network whose batch norm is written as a product and a sum, which nobody could fold."""
    nn = backend.nn

    def preactivated(net: Any, x: Any) -> Any:
        first = net.conv1(x)
        return net.fc(net.relu(net.conv2(net.relu(net.norm(first))) + first).flatten(1))

    def written(net: Any, x: Any) -> Any:
        first = net.conv1(x)
        return net.fc(net.relu(net.conv2(net.relu(first * scale + shift)) + first).flatten(1))

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
    other = wrap(nn.Module(written, **parts), dtype="float64")
    other.load_state({name: array for name, array in state.items() if not name.startswith("norm")})
    for composite in ("gamma", "alpha_beta", "zero"):
        assert close(relevance(model, composite), relevance(other, composite))
    # The one books the shift as a bias, the other cannot know what it is.
    assert elsewhere(model, composite="gamma").max() < 1e-10 < elsewhere(other, composite="gamma").max()


def named(backend: Backend, by_keyword: bool) -> Model:
    """One batch norm that stands alone and one behind its convolution, of the framework's own class."""
    nn = importlib.import_module(f"{backend.name}.nn")
    norm = nn.BatchNorm2d if backend.name == "torch" else nn.BatchNorm2D

    def forward(net: Any, x: Any) -> Any:
        if by_keyword:
            return net.fc(net.norm2(input=net.conv(net.norm1(input=x))).flatten(1))
        return net.fc(net.norm2(net.conv(net.norm1(x))).flatten(1))

    layers = {"norm1": norm(3), "conv": backend.nn.Conv2d(3, 4, 3), "norm2": norm(4), "fc": backend.nn.Linear(144, 5)}
    return network(backend, forward, **layers)


@pytest.mark.parametrize("composite", ["epsilon_gamma_box", "gamma"])
def test_a_batch_norm_may_be_called_by_keyword(backend: Backend, composite: str) -> None:
    need_keywords(backend)
    plain, by_keyword = (named(backend, each) for each in (False, True))
    assert np.array_equal(relevance(by_keyword, composite), relevance(plain, composite))
    assert np.array_equal(elsewhere(by_keyword, composite=composite), elsewhere(plain, composite=composite))


def test_a_batch_norm_whose_input_hooks_do_not_see_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Paddle 2.6, whose hooks know nothing of keywords."""
    model = named(need("paddle"), by_keyword=True)
    monkeypatch.setattr("twinlens.backends.paddle_backend._PRE_SHOWS_KEYWORDS", False)
    with pytest.raises(ModelError, match=r"batch norm by keyword.* Write norm\(x\)"):
        relevance(model)


def test_a_batch_norm_with_an_activation_inside_is_folded_too(both: tuple[Backend, Backend]) -> None:
    paddle_nn = importlib.import_module("paddle.nn")
    torch, paddle = both
    model = sequential(
        torch, torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(144, 5),
    )  # fmt: skip
    layers = [paddle.nn.Conv2d(3, 4, 3), paddle_nn.BatchNorm(4, act="relu"), paddle.nn.Identity()]
    same = wrap(paddle.nn.Sequential(*layers, paddle.nn.Flatten(), paddle.nn.Linear(144, 5)), dtype="float64")
    same.load_state(model.state())
    for composite in ("gamma", "epsilon_gamma_box"):
        assert close(relevance(same, composite), relevance(model, composite))


def test_a_normalisation_before_the_first_layer_is_followed_back(backend: Backend) -> None:
    """The map of the picture is that of the normalised picture, by every rule for first layers."""
    nn = backend.nn
    mean, deviation = np.array([0.4, 0.5, 0.3]).reshape(1, 3, 1, 1), np.array([0.2, 0.3, 0.25]).reshape(1, 3, 1, 1)
    head = {"conv": nn.Conv2d(3, 4, 3, padding=1), "relu": nn.ReLU(), "fc": nn.Linear(256, 5)}

    def inside(net: Any, x: Any) -> Any:
        normal = (x - backend.asarray(mean)) / backend.asarray(deviation)
        return net.fc(net.relu(net.conv(normal)).flatten(1))

    def outside(net: Any, x: Any) -> Any:
        return net.fc(net.relu(net.conv(x)).flatten(1))

    model = network(backend, inside, **head)
    other = like(backend, outside, model, **head)
    normal = (X - mean) / deviation
    limits = {"low": ((0 - mean) / deviation * np.ones((1, 3, 8, 8)))[0], "high": ((1 - mean) / deviation)[0]}
    limits["high"] = limits["high"] * np.ones((3, 8, 8))
    for first in ("box", "flat", "w_squared"):
        assert close(relevance(model, first=first), relevance(other, x=normal, first=first, **limits))


def test_a_picture_turned_into_its_negative_has_its_box_turned_too(backend: Backend) -> None:
    nn = backend.nn
    head = {"conv": nn.Conv2d(3, 4, 3), "relu": nn.ReLU(), "fc": nn.Linear(144, 5)}

    def negative(net: Any, x: Any) -> Any:
        return net.fc(net.relu(net.conv(1 - x)).flatten(1))

    def positive(net: Any, x: Any) -> Any:
        return net.fc(net.relu(net.conv(x)).flatten(1))

    model = network(backend, negative, **head)
    assert close(relevance(model), relevance(like(backend, positive, model, **head), x=1 - X))


def test_activations_hand_relevance_on(backend: Backend) -> None:
    """``c f(z) / z`` in closed form: the relevance of one unit before and after its activation is the same."""
    nn = backend.nn
    for activation in (nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ReLU6, nn.LeakyReLU):
        model = sequential(backend, nn.Linear(1, 1, bias=False), activation(), nn.Linear(1, 2, bias=False))
        x = np.array([[0.7], [9.0]])
        result = tl.explain(model, x, "lrp", 0, composite="epsilon", epsilon=0)
        assert np.allclose(result.values[:, 0], result.scores[:, 0], rtol=1e-12)


def test_gates_are_constant_factors(backend: Backend) -> None:
    """A squeeze-and-excitation block with gates equals the same network with the factors written in."""
    nn = backend.nn
    layers = {"conv": nn.Conv2d(3, 4, 3), "squeeze": nn.Linear(4, 4), "gate": nn.Sigmoid(), "fc": nn.Linear(4, 5)}

    def squeezed(net: Any, x: Any) -> Any:
        features = net.conv(x)
        gate = net.gate(net.squeeze(features.mean((2, 3))))
        return net.fc((features * gate.reshape((-1, 4, 1, 1))).mean((2, 3)))

    model = network(backend, squeezed, **layers)
    with backend.frozen(model.net), backend.no_grad():
        features = model.net.conv(model.tensor(X))
        factors = model.net.gate(model.net.squeeze(features.mean((2, 3)))).reshape((-1, 4, 1, 1))

    def constant(net: Any, x: Any) -> Any:
        return net.fc((net.conv(x) * factors).mean((2, 3)))

    fixed = wrap(nn.Module(constant, **{name: layers[name] for name in ("conv", "fc")}), dtype="float64")
    fixed.load_state({name: a for name, a in model.state().items() if not name.startswith("squeeze")})
    assert close(
        relevance(model, "epsilon", gates=True, batch_size=2), relevance(fixed, "epsilon", first="same", batch_size=2)
    )
    assert elsewhere(model, gates=True).max() < 1e-10
    # Without gates both factors get all of the relevance, and the books show it.
    assert elsewhere(model).max() > 1e-3


def test_scores_that_take_no_gradient_are_told_from_what_cuts_it(backend: Backend) -> None:
    def forward(net: Any, x: Any) -> Any:
        with backend.no_grad():
            return net.fc(x)

    model = network(backend, forward, fc=backend.nn.Linear(6, 3))
    with pytest.raises(tl.errors.NoGradientError, match="cuts the graph"):
        tl.explain(model, np.ones((2, 6)), "lrp", 1)
