"""Activations and their gradients, read while the network runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, chunks, wrap
from twinlens.errors import LayerError, TargetError

from ..frameworks import paddle, torch
from .nets import build, convolutional, layer_class, linear, pictures
from .test_hooks import hooks_on


def test_values_are_those_of_running_the_layers_by_hand(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    names = ["conv1", "norm1", "relu1", "pool1", "conv2", "norm2", "relu2", "flatten", "fc1", "relu3", "dropout", "fc2"]
    model.net.eval()
    by_hand, t = {}, backend.asarray(pictures())
    for name in names:
        t = model.layer(name)(t)
        by_hand[name] = backend.numpy(t)
    with model.capture(names) as seen:
        scores = model.forward(pictures())
    assert list(seen) == names
    assert len(seen) == len(names)
    for name in names:
        np.testing.assert_array_equal(seen[name], by_hand[name], err_msg=name)
    np.testing.assert_array_equal(seen["fc2"], scores)


def test_the_network_itself_can_be_captured(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("") as seen:
        scores = model.forward(pictures())
    np.testing.assert_array_equal(seen[""], scores)


def in_place(backend: Backend) -> Any:
    """A linear layer whose output is overwritten by an activation in place."""
    relu_ = torch.nn.ReLU(inplace=True) if backend.name == "torch" else paddle.nn.functional.relu_
    first, second = linear(backend, 3, 4), linear(backend, 4, 2, seed=1)
    if backend.name == "torch":
        return torch.nn.Sequential(first, relu_, second)
    return build(backend, lambda net, x: net.b(relu_(net.a(x))), a=first, b=second)


def test_an_activation_in_place_does_not_change_what_was_captured(backend: Backend) -> None:
    model = wrap(in_place(backend), dtype="float64")
    first = "0" if backend.name == "torch" else "a"
    x = np.random.default_rng(1).normal(size=(5, 3))
    state = model.state()
    expected = x @ state[f"{first}.weight"].T + state[f"{first}.bias"]
    assert (expected < 0).any()
    with model.capture(first, gradients=True) as seen:
        model.gradient(x, 1)
    np.testing.assert_allclose(seen[first], expected, rtol=1e-12)
    second = "2" if backend.name == "torch" else "b"
    slope = state[f"{second}.weight"][1] * (expected > 0)
    np.testing.assert_allclose(seen.gradients[first], slope, rtol=1e-12)


@pytest.mark.parametrize("layer", ["conv1", "norm1", "pool1", "fc1"])
def test_gradients_are_those_at_the_layers_output(backend: Backend, layer: str) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    x = pictures(1)
    with model.capture(layer, gradients=True) as seen:
        model.gradient(x, 2, "loss")

    # All perturbed activations in one run: the layer's output is replaced by a batch of them.
    step = 1e-6
    moved = step * np.eye(seen[layer].size).reshape(-1, *seen[layer].shape[1:])
    perturbed = seen[layer] + np.concatenate([moved, -moved])
    with model.hook(layer, post=lambda *args: backend.asarray(perturbed)):
        loss = -np.log(model.probabilities(np.repeat(x, len(perturbed), axis=0), batch_size=len(perturbed))[:, 2])
    expected = (loss[: len(moved)] - loss[len(moved) :]) / (2 * step)
    np.testing.assert_allclose(seen.gradients[layer], expected.reshape(seen[layer].shape), atol=1e-7)


def test_capturing_does_not_change_the_gradient(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    expected = model.gradient(pictures(), 1)
    with model.capture(["conv1", "relu1", "fc2"], gradients=True):
        np.testing.assert_array_equal(model.gradient(pictures(), 1), expected)


def test_several_runs_are_joined(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    x = pictures(5)
    with model.capture("relu2", gradients=True) as together:
        model.gradient(x, 0, batch_size=5)
    with model.capture("relu2", gradients=True) as apart:
        model.gradient(x, 0, batch_size=2)
    assert len(apart.calls("relu2")) == 3
    np.testing.assert_allclose(apart["relu2"], together["relu2"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(apart.gradients["relu2"], together.gradients["relu2"], rtol=1e-4, atol=1e-6)


def test_a_run_that_measures_memory_is_not_captured(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "_FREE_ELEMENTS", 1)
    monkeypatch.setattr(chunks, "MEMORY_BUDGET", 30_000)
    model = wrap(convolutional(backend))
    x = pictures(6)
    hooked: list[int] = []

    def count(_layer: Any, _inputs: Any, output: Any) -> None:
        hooked.append(backend.shape(output)[0])

    with model.capture("conv1") as seen, model.hook("conv1", post=count):
        model.forward(x)
        model.layers((3, 8, 8))
    assert model.sample_bytes
    assert sum(hooked) == 6
    assert len(seen["conv1"]) == 6


def test_a_reused_layer_is_read_call_by_call(backend: Backend) -> None:
    net = build(backend, lambda net, x: net.fc(net.fc(x)), fc=linear(backend, 3, 3))
    model = wrap(net)
    x = np.ones((2, 3), "float32")
    with model.capture("fc") as seen:
        scores = model.forward(x)
    with pytest.raises(LayerError, match=r"used 2 times in one run.*capture\.calls\('fc'\)"):
        seen["fc"]
    first, second = seen.calls("fc")
    np.testing.assert_array_equal(first, wrap(net.fc).forward(x))
    np.testing.assert_array_equal(second, scores)


def test_a_layer_used_twice_in_one_run_and_never_in_the_other_is_noticed(backend: Backend) -> None:
    def forward(net: Any, x: Any) -> Any:
        return net.fc(net.fc(x)) if float(x.sum()) > 0 else x

    model = wrap(build(backend, forward, fc=linear(backend, 3, 3)))
    with model.capture("fc") as seen:
        model.forward(np.ones((1, 3)))
        model.forward(-np.ones((1, 3)))
    with pytest.raises(LayerError, match="used 2 times"):
        seen["fc"]


def test_a_layer_that_is_not_reached_is_named(backend: Backend) -> None:
    net = build(backend, lambda net, x: net.used(x), used=linear(backend, 3, 2), spare=linear(backend, 3, 2))
    model = wrap(net)
    with model.capture(["used", "spare"], gradients=True) as seen:
        model.gradient(np.ones((1, 3)), 0)
    assert seen["used"].shape == (1, 2)
    with pytest.raises(LayerError, match="'spare' was not reached"):
        seen["spare"]
    with pytest.raises(LayerError, match="'spare' was not reached"):
        seen.gradients  # noqa: B018


def test_reading_before_running_says_so(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc1") as seen, pytest.raises(LayerError, match="the network did not run"):
        seen["fc1"]


def test_reading_a_layer_that_was_not_captured_is_an_error(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc1") as seen:
        model.forward(pictures())
    for read in (lambda: seen["fc2"], lambda: seen.calls("fc2")):
        with pytest.raises(LayerError, match="Captured: fc1"):
            read()


def test_gradients_must_be_asked_for(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc1") as seen:
        model.gradient(pictures())
    with pytest.raises(LayerError, match="gradients=True"):
        seen.gradients  # noqa: B018


def test_a_forward_run_has_activations_but_no_gradients(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc1", gradients=True) as seen:
        model.forward(pictures())
    assert seen["fc1"].shape == (3, 7)
    with pytest.raises(LayerError, match="not reached"):
        seen.gradients  # noqa: B018


def test_a_layer_that_returns_several_tensors_is_named(backend: Backend) -> None:
    class Pair(layer_class(backend)):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x, x

    model = wrap(build(backend, lambda net, x: net.pair(x)[0], pair=Pair()))
    with pytest.raises(LayerError, match="'pair' returns a tuple"), model.capture("pair"):
        model.forward(np.ones((1, 3)))
    assert sum(hooks_on(model.net)) == 0


def test_hooks_are_gone_afterwards_also_after_an_exception(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture(["conv1", "fc1"], gradients=True):
        assert sum(hooks_on(model.net)) == 3
    assert sum(hooks_on(model.net)) == 0
    with pytest.raises(TargetError), model.capture(["conv1", "fc1"]):
        model.gradient(pictures(), 99)
    assert sum(hooks_on(model.net)) == 0


def test_nothing_is_captured_after_the_block(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc1") as seen:
        model.forward(pictures())
    model.forward(pictures(5))
    assert seen["fc1"].shape == (3, 7)


def test_what_was_captured_is_the_readers_own(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc2") as seen:
        scores = model.forward(pictures())
    seen["fc2"][:] = 0
    np.testing.assert_array_equal(model.forward(pictures()), scores)


def test_captures_may_be_nested(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    with model.capture("fc1") as outer:
        with model.capture("fc1") as inner:
            model.forward(pictures(2))
        model.forward(pictures(3))
    assert inner["fc1"].shape == (2, 7)
    assert outer["fc1"].shape == (5, 7)


# -- one layer's activation with its graph ---------------------------------------------------------------------


def test_an_activation_is_the_captured_one_and_can_be_differentiated(backend: Backend) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    x = pictures().astype("float64")
    with model.capture("conv1") as seen:
        model.forward(x)
    with backend.frozen(model.net):
        leaf = backend.leaf(backend.asarray(x))
        activation = model.activation(leaf, "conv1")
        (gradient,) = backend.grad(backend.sum(activation), [leaf])
    np.testing.assert_array_equal(backend.numpy(activation), seen["conv1"])
    assert np.abs(backend.numpy(gradient)).max() > 0
    assert sum(hooks_on(model.net)) == 0


def test_an_activation_in_place_does_not_overwrite_the_layers_own(backend: Backend) -> None:
    model = wrap(in_place(backend), dtype="float64")
    first = "0" if backend.name == "torch" else "a"
    x = np.random.default_rng(1).normal(size=(5, 3))
    weight = model.state()[f"{first}.weight"]
    with backend.frozen(model.net):
        leaf = backend.leaf(backend.asarray(x))
        activation = model.activation(leaf, first)
        (gradient,) = backend.grad(backend.sum(activation), [leaf])
    assert (backend.numpy(activation) < 0).any()
    np.testing.assert_allclose(backend.numpy(gradient), np.tile(weight.sum(0), (5, 1)), rtol=1e-12)


def test_the_activation_of_a_layer_that_runs_twice_or_never_is_an_error(backend: Backend) -> None:
    layers = {"twice": linear(backend, 3, 3), "never": linear(backend, 3, 3)}
    model = wrap(build(backend, lambda net, x: net.twice(net.twice(x)), **layers))
    x = backend.asarray(np.ones((1, 3), "float32"))
    for name, times in (("twice", 2), ("never", 0)):
        with pytest.raises(LayerError, match=f"'{name}' runs {times} times"):
            model.activation(x, name)
    with pytest.raises(LayerError, match="Did you mean 'never'"):
        model.activation(x, "nevr")
