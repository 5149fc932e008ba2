"""Shapley-CAM's second derivatives are those of the network, or refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap

from ...backends.nets import build, native_nn
from ...frameworks import need, torch
from ...nets import pictures, randomise, small_net
from .nets import activation_of, curved_net, pooled_net, scores_behind

TARGETS = [3, 0, 1]
OF = ["logit", "probability", "log_probability", "loss"]


def gradient_at(model: Model, x: np.ndarray, layer: str, outputs: np.ndarray, target: int, of: str) -> np.ndarray:
    """Gradient of what is explained by a layer's output, where the layer returns `outputs`: one sample."""
    backend, leaf = model.backend, model.backend.leaf(model.tensor(outputs))
    with backend.frozen(model.net):
        with model.hook(layer, post=lambda _layer, _inputs, _output: leaf * 1):
            scores = model.scores(model.tensor(x))
        explained = model.explained(scores, target, of)  # type: ignore[arg-type]
        return backend.numpy(backend.grad(backend.sum(explained), [leaf])[0])


def along(model: Model, x: np.ndarray, layer: str, a: np.ndarray, target: int, of: str, step: float) -> np.ndarray:
    """Central differences of the gradient in the direction of the activation: the Hessian times it."""
    up, down = (gradient_at(model, x, layer, (1 + sign * step) * a, target, of) for sign in (1, -1))
    difference: np.ndarray = (up - down) / (2 * step)
    return difference


def naive(model: Model, x: np.ndarray, layer: str, target: int, of: str, step: float = 1e-5) -> np.ndarray:
    """The signed map of one picture (1, C, H, W), channel by channel."""
    a = activation_of(model, x, layer)
    shapley = gradient_at(model, x, layer, a, target, of)[0] - along(model, x, layer, a, target, of, step)[0] / 2
    total = np.zeros(a.shape[2:])
    for k in range(a.shape[1]):
        total += shapley[k].mean() * a[0, k]
    return total


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("layer", ["5", "6"])
def test_its_hessian_is_the_slope_of_the_gradient_along_the_activation(backend: Backend, layer: str, of: str) -> None:
    model, x = curved_net(backend), pictures(3).astype(np.float64)
    expected = [naive(model, x[i : i + 1], layer, TARGETS[i], of) for i in range(3)]
    found = tl.explain(model, x, "shapleycam", TARGETS, layer=layer, of=of, relu=False, upsample=False)
    # The differences miss by the square of their step, 1e-10, and by 1e-16 of rounding over the step.
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    first = tl.explain(model, x, "gradcam", TARGETS, layer=layer, of=of, relu=False, upsample=False)
    assert np.abs(found.values - first.values).max() > 0.03 * np.abs(first.values).max()
    clipped = tl.explain(model, x, "shapleycam", TARGETS, layer=layer, of=of, upsample=False)
    np.testing.assert_array_equal(clipped.values, np.maximum(found.values, 0))


@pytest.mark.parametrize("of", OF[1:])
def test_behind_pooling_and_a_linear_layer_it_is_known_in_closed_form(backend: Backend, of: str) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "shapleycam", TARGETS, of=of, layer="relu2", relu=False, upsample=False)
    linear = model.state()["fc.weight"]
    for i, (a, target) in enumerate(zip(activation_of(model, x, "relu2"), TARGETS, strict=True)):
        scores = found.scores[i]
        p = np.exp(scores) / np.exp(scores).sum()
        slope = np.eye(len(p))[target] - p  # of the logarithm, whose Hessian follows
        bend = np.outer(p, p) - np.diag(p)
        if of == "probability":
            slope, bend = p[target] * slope, p[target] * (np.outer(slope, slope) + bend)
        elif of == "loss":
            slope, bend = -slope, -bend
        moved = linear @ a.mean(axis=(1, 2))
        weights = linear.T @ (slope - bend @ moved / 2) / a[0].size
        expected = sum(weight * one for weight, one in zip(weights, a, strict=True))
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "relu2"])
def test_of_a_logit_of_rectifiers_it_is_gradcam(backend: Backend, layer: str) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    one, other = (tl.explain(model, x, method, TARGETS, layer=layer) for method in ("shapleycam", "gradcam"))
    np.testing.assert_allclose(one.values, other.values, rtol=1e-13)
    assert np.abs(one.values).max() > 0.001
    curved = tl.explain(model, x, "shapleycam", TARGETS, layer=layer, of="probability")
    flat = tl.explain(model, x, "gradcam", TARGETS, layer=layer, of="probability")
    assert np.abs(curved.values - flat.values).max() > 0.01 * np.abs(flat.values).max()


def test_a_function_of_the_scores_is_differentiated_twice_too(backend: Backend) -> None:
    model, x = curved_net(backend), pictures(2).astype(np.float64)
    found = tl.explain(model, x, "shapleycam", lambda scores: scores[:, 1] * scores[:, 2], layer="5", upsample=False)
    assert found.target is None
    for i in range(2):
        expected = naive(model, x[i : i + 1], "5", lambda scores: scores[:, 1] * scores[:, 2], "logit")  # type: ignore[arg-type]
        np.testing.assert_allclose(
            found.values[i, 0], np.maximum(expected, 0), rtol=0, atol=1e-9 * np.abs(expected).max()
        )


def test_it_says_how_far_it_shares_out_the_score(backend: Backend) -> None:
    model, x = curved_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "shapleycam", TARGETS, layer="5", relu=False)
    a = activation_of(model, x, "5")
    without = [scores_behind(model, x[i : i + 1], "5", 0 * a[:1])[0, TARGETS[i]] for i in range(3)]
    shared = found.scores[range(3), TARGETS] - without
    np.testing.assert_allclose(found.error.scale, shared, rtol=1e-10)
    np.testing.assert_allclose(
        found.error.values, found.extras["map"].sum(axis=(1, 2, 3)) - shared, rtol=1e-9, atol=1e-12
    )


def operations(backend: Backend) -> dict[str, Callable[[Any], Any]]:
    """What networks do behind a layer, in the framework's own words."""
    functional, torch = native_nn(backend).functional, backend.name == "torch"
    kernel = backend.asarray(np.random.default_rng(3).normal(size=(4, 1, 3, 3)))
    moments = [backend.asarray(np.linspace(0.5, 1.5, 4))] * 4
    softmax = (lambda t: functional.softmax(t, 1)) if torch else (lambda t: functional.softmax(t, axis=1))
    return {
        "none": lambda t: t,
        "relu": functional.relu,
        "leaky relu": functional.leaky_relu,
        "elu": functional.elu,
        "gelu": functional.gelu,
        "silu": functional.silu,
        "sigmoid": functional.sigmoid,
        "tanh": lambda t: t.tanh(),
        "softplus": functional.softplus,
        "hardswish": functional.hardswish,
        "hardsigmoid": functional.hardsigmoid,
        "relu6": functional.relu6,
        "softmax": softmax,
        "max pooling": lambda t: functional.max_pool2d(t, 2),
        "average pooling": lambda t: functional.avg_pool2d(t, 2),
        "global pooling": lambda t: functional.adaptive_avg_pool2d(t, 1),
        "global maximum": lambda t: backend.amax(t, (2, 3), keepdims=True),
        "depthwise convolution": lambda t: functional.conv2d(t, kernel, padding=1, groups=4),
        "batch norm": lambda t: functional.batch_norm(t, *moments, training=False),
        "layer norm": lambda t: functional.layer_norm(t, t.shape[1:]),
        "group norm": lambda t: functional.group_norm(t, 2),
        "dropout": lambda t: functional.dropout(t, 0.5, training=False),
        "flatten": lambda t: t.flatten(1).reshape(t.shape),
        "attention": lambda t: functional.scaled_dot_product_attention(t, t, t),
        "resizing": lambda t: functional.interpolate(t, scale_factor=2, mode="bilinear"),
        "division": lambda t: t / (1 + t * t),
        "gate": lambda t: t * functional.sigmoid(backend.mean(t, (2, 3), keepdims=True)),
    }


NAMES = [
    "none", "relu", "leaky relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "hardswish", "hardsigmoid",
    "relu6", "softmax", "max pooling", "average pooling", "global pooling", "global maximum", "depthwise convolution",
    "batch norm", "layer norm", "group norm", "dropout", "flatten", "attention", "resizing", "division", "gate",
]  # fmt: skip
# What a version of a framework cannot do has to be said by it; these each can.
SOUND = {"torch": set(NAMES), "paddle": set(NAMES) - {"global maximum", "resizing"}}


def refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except tl.errors.MethodError as error:
        return "differentiates twice, which fails here" in error.cause
    return False


@pytest.mark.parametrize("name", NAMES)
def test_each_operation_is_differentiated_twice_or_refused(backend: Backend, name: str) -> None:
    nn, operation = backend.nn, operations(backend)[name]
    net = build(
        backend,
        # The tanh makes what comes back through the operation depend on the activation, too.
        lambda net, x: net.fc(backend.mean(backend.sum(operation(net.conv(x)).tanh(), 1, keepdims=True), (2, 3))),
        conv=nn.Conv2d(3, 4, 3),
        fc=nn.Linear(1, 5),
    )
    model, x = randomise(wrap(net, dtype="float64")), pictures(1).astype(np.float64)
    call = partial(tl.explain, model, x, "shapleycam", 1, layer="conv", of="probability", relu=False, upsample=False)
    if name not in SOUND[backend.name] and refused(call):
        return
    expected = naive(model, x, "conv", 1, "probability", step=1e-6)
    # The differences miss by 1e-16 of rounding over the step; a kink within it would be seen.
    np.testing.assert_allclose(call().values[0, 0], expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_an_operation_without_a_second_derivative_is_named_with_the_cure(backend: Backend) -> None:
    nn, functional = backend.nn, native_nn(backend).functional
    refusing, said = {
        "torch": (lambda t: torch.cdist(t, t + 1), "_cdist"),
        "paddle": (lambda t: functional.interpolate(t, scale_factor=2, mode="bilinear"), "bilinear_interp"),
    }[backend.name]
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(refusing(net.conv(x)), (2, 3))),
        conv=nn.Conv2d(3, 4, 3),
        fc=nn.Linear(4, 3),
    )
    model, x = wrap(net), pictures(2)
    before = tl.explain(model, x, "gradcam", 1).values
    with pytest.raises(tl.errors.MethodError, match=rf"twice, which fails here: .*{said}.*gradcam") as caught:
        tl.explain(model, x, "shapleycam", 1)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    np.testing.assert_array_equal(tl.explain(model, x, "gradcam", 1).values, before)


@pytest.mark.parametrize("layer", ["0", "4", "6"])
def test_it_goes_through_batch_norm_and_max_pooling(backend: Backend, layer: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    found = tl.explain(model, x, "shapleycam", 1, layer=layer, of="probability", relu=False, upsample=False)
    for i in range(2):
        expected = naive(model, x[i : i + 1], layer, 1, "probability", step=1e-6)
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_a_published_network_has_one_map_on_both_frameworks() -> None:
    need("torch")
    need("paddle")
    model = randomise(wrap(tl.load_model("paddle:resnet18", backend="paddle").net, dtype="float64"))
    x = pictures(2, shape=(3, 64, 64)).astype(np.float64)
    for layer in ("layer4.1.conv2", "layer3.0.conv1"):
        one, other = (
            tl.explain(m, x, "shapleycam", [1, 2], layer=layer, of="probability", relu=False, upsample=False)
            for m in (model, tl.twin(model))
        )
        flat = tl.explain(model, x, "gradcam", [1, 2], layer=layer, of="probability", relu=False, upsample=False)
        np.testing.assert_allclose(one.scores, flat.scores, rtol=1e-12, atol=1e-12 * np.abs(flat.scores).max())
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-10 * np.abs(other.values).max())
        assert np.abs(one.values - flat.values).max() > 0.01 * np.abs(flat.values).max()


def test_an_error_of_the_users_own_is_not_taken_for_a_missing_derivative(backend: Backend) -> None:
    model = curved_net(backend)

    def fail(_gradient: Any) -> None:
        raise KeyError("the user's own error")

    with (
        model.hook("7", post=lambda _layer, _inputs, output: backend.on_grad(output, fail) and None),
        pytest.raises(KeyError, match="the user's own error"),
    ):
        tl.explain(model, pictures(1), "shapleycam", 1, layer="5")
