"""Hooks on layers, with the source document's two examples asserted on all elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, Model, wrap
from twinlens.errors import LayerError

from .nets import build, convolutional, linear, native_nn, need_keywords, pictures


def double_the_input(_layer: Any, inputs: Any) -> Any:
    return inputs[0] * 2


def double_the_output(_layer: Any, _inputs: Any, output: Any) -> Any:
    return output * 2


@pytest.fixture
def values() -> np.ndarray:
    return np.arange(26).reshape(2, 13).astype("float32")


def test_a_native_pre_hook_doubles_the_input(backend: Backend, values: np.ndarray) -> None:
    layer = linear(backend, 13, 5)
    handle = backend.on_enter(layer, double_the_input)
    hooked = backend.numpy(layer(backend.asarray(values)))
    handle.remove()
    np.testing.assert_array_equal(hooked, backend.numpy(layer(backend.asarray(values * 2))))
    assert (hooked != backend.numpy(layer(backend.asarray(values)))).all()


def test_a_native_post_hook_doubles_the_output(backend: Backend, values: np.ndarray) -> None:
    layer = linear(backend, 13, 5)
    handle = backend.on_exit(layer, double_the_output)
    hooked = backend.numpy(layer(backend.asarray(values)))
    handle.remove()
    np.testing.assert_array_equal(hooked, backend.numpy(layer(backend.asarray(values))) * 2)


def test_a_pre_hook_doubles_the_input(backend: Backend, values: np.ndarray) -> None:
    model = wrap(linear(backend, 13, 5))
    handle = model.hook("", pre=double_the_input)
    hooked = model.forward(values)
    handle.remove()
    np.testing.assert_array_equal(hooked, model.forward(values * 2))


def test_a_post_hook_doubles_the_output(backend: Backend, values: np.ndarray) -> None:
    model = wrap(linear(backend, 13, 5))
    handle = model.hook("", post=double_the_output)
    hooked = model.forward(values)
    handle.remove()
    np.testing.assert_array_equal(hooked, model.forward(values) * 2)


def test_a_hook_sees_its_layer_and_native_tensors(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    seen: list[tuple[Any, Any, Any]] = []
    with model.hook("fc2", post=lambda *args: seen.append(args)):
        scores = model.forward(pictures())
    ((layer, inputs, output),) = seen
    assert layer is model.layer("fc2")
    assert isinstance(inputs, tuple)
    assert backend.shape(inputs[0]) == (3, 7)
    np.testing.assert_array_equal(backend.numpy(output), scores)


@pytest.mark.parametrize("where", ["pre", "post"])
def test_a_hook_that_returns_nothing_changes_nothing(backend: Backend, where: str) -> None:
    model = wrap(convolutional(backend))
    expected = model.forward(pictures())
    with model.hook("conv2", **{where: lambda *args: None}):
        np.testing.assert_array_equal(model.forward(pictures()), expected)


def test_a_hook_in_the_middle_changes_scores_and_gradients(backend: Backend) -> None:
    model = wrap(convolutional(backend), dtype="float64")
    state = model.state()
    with model.hook("fc1", post=lambda layer, inputs, output: output * 0):
        np.testing.assert_allclose(model.forward(pictures()), np.tile(state["fc2.bias"], (3, 1)), rtol=1e-12)
        np.testing.assert_array_equal(model.gradient(pictures(), 0), np.zeros((3, 3, 8, 8)))
    plain = model.gradient(pictures(), 0)
    with model.hook("fc2", post=double_the_output):
        np.testing.assert_allclose(model.gradient(pictures(), 0), 2 * plain, rtol=1e-12)


def test_a_pre_hook_may_return_a_tuple(backend: Backend, values: np.ndarray) -> None:
    model = wrap(linear(backend, 13, 5))
    expected = model.forward(values * 2)
    with model.hook(model.net, pre=lambda layer, inputs: (inputs[0] * 2,)):
        np.testing.assert_array_equal(model.forward(values), expected)


def test_hooks_run_in_the_order_of_their_registration(backend: Backend, values: np.ndarray) -> None:
    model = wrap(linear(backend, 13, 5))
    plain = model.forward(values)
    with (
        model.hook("", post=lambda layer, inputs, output: output + 1),
        model.hook("", post=lambda layer, inputs, output: output * 2),
    ):
        np.testing.assert_allclose(model.forward(values), (plain + 1) * 2, rtol=1e-6)


def test_a_hook_runs_at_every_call_of_a_reused_layer(backend: Backend) -> None:
    net = build(backend, lambda net, x: net.fc(net.fc(x)), fc=linear(backend, 4, 4))
    calls: list[int] = []
    with wrap(net).hook("fc", pre=lambda layer, inputs: calls.append(1)):
        wrap(net).forward(np.ones((2, 4)))
    assert len(calls) == 2


def test_a_removed_hook_is_gone_and_may_be_removed_again(backend: Backend, values: np.ndarray) -> None:
    model = wrap(linear(backend, 13, 5))
    expected = model.forward(values)
    for handle in (model.hook("", pre=double_the_input), model.hook("", post=double_the_output)):
        handle.remove()
        handle.remove()
    with model.hook("", post=double_the_output) as handle:
        handle.remove()
    np.testing.assert_array_equal(model.forward(values), expected)


# -- inputs by keyword ---------------------------------------------------------------------------------------


def called_by_keyword(backend: Backend) -> Model:
    """``fc(input=x)``."""
    need_keywords(backend)
    layer = native_nn(backend).Linear(13, 5)
    return wrap(build(backend, lambda net, x: net.fc(input=x), fc=layer))


def test_hooks_see_an_input_that_comes_by_keyword(backend: Backend, values: np.ndarray) -> None:
    model, seen = called_by_keyword(backend), []
    with (
        model.hook("fc", pre=lambda layer, inputs: seen.append(inputs)),
        model.hook("fc", post=lambda layer, inputs, output: seen.append(inputs)),
    ):
        model.forward(values)
    for inputs in seen:
        (entered,) = inputs
        np.testing.assert_array_equal(backend.numpy(entered), values)
    assert len(seen) == 2


@pytest.mark.parametrize("double", [double_the_input, lambda layer, inputs: (inputs[0] * 2,)])
def test_a_pre_hook_replaces_an_input_that_comes_by_keyword(backend: Backend, values: np.ndarray, double: Any) -> None:
    model = called_by_keyword(backend)
    expected = model.forward(values * 2)
    with model.hook("fc", pre=double):
        np.testing.assert_array_equal(model.forward(values), expected)


def test_beside_positional_inputs_those_by_keyword_stay_as_they_are(backend: Backend, values: np.ndarray) -> None:
    inner = build(backend, None)
    type(inner).forward = lambda net, x, shift: x + shift
    model = wrap(build(backend, lambda net, x: net.inner(x, shift=1.0), inner=inner))
    with model.hook("inner", pre=lambda layer, inputs: tuple(2 * t for t in inputs)):
        np.testing.assert_array_equal(model.forward(values), 2 * values + 1)


def test_a_hook_that_returns_too_many_inputs_by_keyword_is_named(backend: Backend, values: np.ndarray) -> None:
    model = called_by_keyword(backend)
    with (
        model.hook("fc", pre=lambda layer, inputs: (*inputs, 1)),
        pytest.raises(LayerError, match=r"2 inputs .* called by the keywords input\. Return as many"),
    ):
        model.forward(values)


def hooks_on(net: Any) -> list[int]:
    """How many forward hooks each layer holds, read from the framework's own tables."""
    layers = list(net.modules()) if hasattr(net, "modules") else net.sublayers(include_self=True)
    tables = ("_forward_hooks", "_forward_post_hooks", "_forward_pre_hooks")
    return [sum(len(getattr(layer, table, ())) for table in tables) for layer in layers]


def test_no_hook_stays_behind(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    kept = backend.on_exit(model.layer("fc1"), lambda *args: None)
    before = hooks_on(model.net)
    assert sum(before) == 1
    with model.hook("conv1", post=double_the_output), model.hook("", pre=double_the_input):
        assert sum(hooks_on(model.net)) == 3
        model.gradient(pictures())
    model.layers((3, 8, 8))
    assert hooks_on(model.net) == before
    kept.remove()


def test_the_context_takes_the_hook_off_after_an_exception(backend: Backend) -> None:
    model = wrap(convolutional(backend))

    class MineError(Exception):
        pass

    def fail(*_args: Any) -> None:
        raise MineError

    for where in ("pre", "post"):
        with pytest.raises(MineError), model.hook("conv2", **{where: fail}):
            model.forward(pictures())
    assert sum(hooks_on(model.net)) == 0
    assert np.isfinite(model.forward(pictures())).all()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("conv3", "Did you mean 'conv"), ("Norm1", "Did you mean 'norm1'"), ("classifier", "Choose one of: conv1, conv2")],
)
def test_a_wrong_layer_name_suggests_the_right_one(backend: Backend, name: str, hint: str) -> None:
    model = wrap(convolutional(backend))
    for call in (
        lambda: model.hook(name, post=double_the_output),
        lambda: model.capture([name]),
        lambda: model.capture(name),
    ):
        with pytest.raises(LayerError, match=hint) as caught:
            call()
        assert f"'{name}'" in str(caught.value)


def test_a_layer_of_another_network_is_an_error(backend: Backend) -> None:
    model = wrap(convolutional(backend))
    for thing in (convolutional(backend), linear(backend, 2, 2), 3, None):
        with pytest.raises(LayerError, match="is not a layer of the network"):
            model.hook(thing, post=double_the_output)


def test_a_hook_needs_exactly_one_function(backend: Backend) -> None:
    model = wrap(linear(backend, 2, 2))
    with pytest.raises(LayerError, match="exactly one"):
        model.hook("")
    with pytest.raises(LayerError, match="exactly one"):
        model.hook("", post=double_the_output, pre=double_the_input)
