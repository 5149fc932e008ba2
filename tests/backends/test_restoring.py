"""A user's network and process are as they were after every call, also after one that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, Model, wrap

from ..random_states import random_states
from .nets import build, convolutional, pictures
from .test_hooks import hooks_on


class MineError(Exception):
    """Raised by the user's code."""


def trained(backend: Backend) -> Any:
    """A network with mixed modes and flags, and gradients from a training step."""
    net = convolutional(backend)
    net.train()
    backend.sum(net(backend.asarray(pictures()))).backward()
    modules = backend.modules(net)
    modules["norm1"].eval()
    modules["dropout"].eval()
    for name in ("conv1", "fc2"):
        for parameter in modules[name].parameters():
            if backend.name == "torch":
                parameter.requires_grad_(False)
            else:
                parameter.stop_gradient = True
    backend.on_exit(modules["fc1"], lambda *args: None)
    return net


def snapshot(backend: Backend, net: Any) -> dict[str, Any]:
    """Everything of a network that a call could change."""
    parameters = list(net.named_parameters())
    flag = "requires_grad" if backend.name == "torch" else "stop_gradient"
    return {
        "modes": {name: layer.training for name, layer in backend.modules(net).items()},
        "flags": {name: getattr(p, flag) for name, p in parameters},
        "gradients": {name: None if p.grad is None else backend.numpy(p.grad).tobytes() for name, p in parameters},
        "gradient objects": {name: id(p.grad) for name, p in parameters if backend.name == "torch"},
        "parameters": {name: id(p) for name, p in parameters},
        "state": {name: array.tobytes() for name, array in backend.state(net).items()},
        "hooks": hooks_on(net),
    }


def capture(model: Model) -> None:
    with model.capture(["conv1", "fc2"], gradients=True):
        model.gradient(pictures(), 0)


CALLS: dict[str, Callable[[Model], Any]] = {
    "forward": lambda model: model.forward(pictures()),
    "forward in chunks": lambda model: model.forward(pictures(), batch_size=1),
    "predict": lambda model: model.predict(pictures()),
    "gradient": lambda model: model.gradient(pictures(), 1, "loss"),
    "layers": lambda model: model.layers((3, 8, 8)),
    "state": lambda model: model.state(),
    "capture": capture,
    "float64 copy": lambda model: wrap(model.net, dtype="float64").gradient(pictures(), 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_network_and_random_numbers_as_they_were(backend: Backend, name: str) -> None:
    net = trained(backend)
    before, randomness = snapshot(backend, net), random_states()
    assert len(set(before["modes"].values())) == 2
    assert any(before["gradients"].values())
    CALLS[name](wrap(net))
    assert snapshot(backend, net) == before
    assert random_states() == randomness


def fail(*_args: Any) -> Any:
    raise MineError


def fail_in_forward(model: Model) -> None:
    broken = build(model.backend, lambda net, x: fail(net.inner(x)), inner=model.net)
    wrap(broken).gradient(pictures(), 0)


def fail_in_pre_hook(model: Model) -> None:
    with model.hook("fc2", pre=fail):
        model.gradient(pictures(), 0)


def fail_in_post_hook(model: Model) -> None:
    with model.hook("conv2", post=fail):
        model.forward(pictures())


def fail_in_target(model: Model) -> None:
    model.gradient(pictures(), fail)


def fail_in_preprocess(model: Model) -> None:
    wrap(model.net, preprocess=fail).gradient(pictures(), 0)


def fail_in_output(model: Model) -> None:
    wrap(model.net, output=fail).forward(pictures())


def fail_in_gradient_hook(model: Model) -> None:
    def watch(_layer: Any, _inputs: Any, output: Any) -> None:
        model.backend.on_grad(output, fail)

    with model.hook("fc1", post=watch):
        model.gradient(pictures(), 0)


def fail_in_second_chunk(model: Model) -> None:
    runs: list[int] = []

    def count(*_args: Any) -> None:
        runs.append(1)
        if len(runs) == 2:
            raise MineError

    with model.hook("fc1", post=count):
        model.gradient(pictures(), 0, batch_size=1)


def fail_in_capture_block(model: Model) -> None:
    with model.capture("fc1", gradients=True), model.hook("fc2", post=fail):
        model.gradient(pictures(), 0)


def fail_in_layers(model: Model) -> None:
    model.backend.on_enter(model.net, lambda *args: None).remove()
    model.preprocess = fail
    model.layers((3, 8, 8))


FAILURES = [
    fail_in_forward,
    fail_in_pre_hook,
    fail_in_post_hook,
    fail_in_target,
    fail_in_preprocess,
    fail_in_output,
    fail_in_gradient_hook,
    fail_in_second_chunk,
    fail_in_capture_block,
    fail_in_layers,
]


@pytest.mark.parametrize("call", FAILURES)
def test_an_exception_arrives_as_itself_and_leaves_everything_as_it_was(
    backend: Backend, call: Callable[[Model], None]
) -> None:
    net = trained(backend)
    before, randomness = snapshot(backend, net), random_states()
    with pytest.raises(MineError):
        call(wrap(net))
    assert snapshot(backend, net) == before
    assert random_states() == randomness


@pytest.mark.parametrize("context", ["frozen", "training"])
def test_a_context_of_the_protocol_restores_every_flag(backend: Backend, context: str) -> None:
    net = trained(backend)
    before = snapshot(backend, net)
    with getattr(backend, context)(net):
        assert {layer.training for layer in backend.modules(net).values()} == {context == "training"}
    assert snapshot(backend, net) == before
    with pytest.raises(MineError), getattr(backend, context)(net):
        raise MineError
    assert snapshot(backend, net) == before


def test_frozen_contexts_may_be_nested(backend: Backend) -> None:
    net = trained(backend)
    before = snapshot(backend, net)
    with backend.frozen(net):
        with backend.frozen(net):
            pass
        assert not any(layer.training for layer in backend.modules(net).values())
    assert snapshot(backend, net) == before


def test_seeded_numbers_repeat_and_the_global_state_comes_back(backend: Backend) -> None:
    layer = backend.nn.Dropout(0.5)
    layer.train()
    ones = backend.asarray(np.ones(100, "float32"))
    before = random_states()
    masks = []
    for seed in (3, 3, 4):
        with backend.seeded(seed):
            masks.append(backend.numpy(layer(ones)))
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()
    assert random_states() == before
    with pytest.raises(MineError), backend.seeded(3):
        raise MineError
    assert random_states() == before


def test_a_gradient_of_the_users_own_input_is_left_alone(backend: Backend) -> None:
    x = backend.leaf(backend.asarray(pictures()))
    wrap(convolutional(backend)).gradient(x, 0)
    assert x.grad is None
