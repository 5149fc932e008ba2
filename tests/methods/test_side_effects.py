"""Explaining leaves the user's network and all random numbers as they were, also when it fails."""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ..nets import pictures, small_net
from .calls import CALLS, PACKAGES, net_for

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning")


@pytest.fixture(params=list(CALLS))
def method(request: pytest.FixtureRequest) -> str:
    if request.param in PACKAGES:
        pytest.importorskip(PACKAGES[request.param])
    return str(request.param)


def lived_in(backend: Backend, method: str) -> Model:
    """A network in the middle of its training: mixed modes and flags, gradients and a hook of the user's."""
    model = net_for(method, backend)
    net = model.net
    net.train()
    layers = backend.modules(net)
    layers["1"].eval()
    x = backend.asarray(pictures(2, seed=5))
    backend.sum(net(x)).backward()
    flag = "requires_grad" if backend.name == "torch" else "stop_gradient"
    setattr(layers["0"].weight, flag, not getattr(layers["0"].weight, flag))
    backend.on_exit(layers["4"], lambda _layer, _inputs, output: None)
    return model


def snapshot(model: Model) -> dict[str, Any]:
    backend, net = model.backend, model.net
    flag = "requires_grad" if backend.name == "torch" else "stop_gradient"
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_post_hooks")
    return {
        "modes": {name: layer.training for name, layer in backend.modules(net).items()},
        "flags": [getattr(parameter, flag) for parameter in net.parameters()],
        "gradients": [None if p.grad is None else backend.numpy(p.grad).tobytes() for p in net.parameters()],
        "hooks": {
            (name, hook): len(getattr(layer, hook, ()))
            for name, layer in backend.modules(net).items()
            for hook in hooks
        },
        "attributes": {name: sorted(vars(layer)) for name, layer in backend.modules(net).items()},
        "state": {name: array.tobytes() for name, array in model.state().items()},
    }


def test_the_network_comes_back_as_it_was(backend: Backend, method: str) -> None:
    model = lived_in(backend, method)
    before = snapshot(model)
    assert any(gradient for gradient in before["gradients"])
    tl.explain(model, pictures(2), method, **CALLS[method])
    assert snapshot(model) == before


def test_the_network_comes_back_as_it_was_after_an_exception(backend: Backend, method: str) -> None:
    for failing_run in (1, 2):
        model = lived_in(backend, method)
        # What is tried out on a network once, and may fail, has been tried.
        tl.explain(model, pictures(2), method, **CALLS[method], batch_size=1)
        runs = 0

        def fail(_net: Any, _inputs: Any, failing_run: int = failing_run) -> None:
            nonlocal runs
            runs += 1
            if runs == failing_run:
                raise KeyError("the user's own error")

        handle = backend.on_enter(model.net, fail)
        before = snapshot(model)
        try:
            with pytest.raises(KeyError, match="the user's own error"):
                tl.explain(model, pictures(2), method, **CALLS[method], batch_size=1)
        finally:
            assert snapshot(model) == before
            handle.remove()


def draws(backend: Backend) -> list[bytes]:
    if backend.name == "torch":
        import torch

        native = torch.rand(4)
    else:
        import paddle

        native = paddle.rand([4])
    return [backend.numpy(native).tobytes(), np.random.rand(4).tobytes(), repr(random.random()).encode()]  # noqa: NPY002


def test_nobodys_random_numbers_move(backend: Backend, method: str) -> None:
    def drawn_after(action: Callable[[], object]) -> list[bytes]:
        numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            with backend.seeded(3):
                action()
                return draws(backend)
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)

    model, x = net_for(method, backend), pictures(2)
    expected = drawn_after(lambda: None)
    assert drawn_after(lambda: tl.explain(model, x, method, **CALLS[method])) == expected


@contextmanager
def nothing_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive() -> Counter[str]:
    """Tensors and functions of twinlens, which hold tensors."""
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        # Not isinstance: some things of the frameworks warn when they are asked for their class.
        if type(thing) is FunctionType and str(thing.__module__).startswith("twinlens."):
            found[thing.__qualname__] += 1
        elif type(thing).__name__ == "Tensor":
            found["tensor"] += 1
    return found


def test_what_a_run_computed_is_freed_at_once(backend: Backend, method: str) -> None:
    # The garbage collector counts objects and not their megabytes, and sees no circle that leads through a graph.
    model, x = net_for(method, backend), pictures(2)
    tl.explain(model, x, method, **CALLS[method])
    with nothing_collected():
        before = alive()
        for _ in range(2):
            tl.explain(model, x, method, **CALLS[method])
        if method in PACKAGES:
            gc.collect()  # a class that is made on demand refers to itself
        assert alive() - before == Counter()


def test_global_random_numbers_do_not_matter(backend: Backend, method: str) -> None:
    model, x = net_for(method, backend), pictures(2)
    state = np.random.get_state()  # noqa: NPY002
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        found.append(tl.explain(model, x, method, **CALLS[method]).values)
    np.random.set_state(state)  # noqa: NPY002
    np.testing.assert_array_equal(found[0], found[1])


def test_the_input_is_not_changed(backend: Backend, method: str) -> None:
    x = pictures(2)
    x.flags.writeable = False
    native = backend.asarray(x)
    expected = tl.explain(net_for(method, backend), x, method, **CALLS[method]).values
    found = tl.explain(net_for(method, backend), native, method, **CALLS[method]).values
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(backend.numpy(native), x)


def test_training_mode_does_not_leak_into_the_result(backend: Backend, method: str) -> None:
    model, x = net_for(method, backend), pictures(2)
    found = []
    for prepare in (model.net.train, model.net.eval):
        prepare()
        found.append(tl.explain(model, x, method, **CALLS[method]).values)
    np.testing.assert_array_equal(found[0], found[1])


def test_a_surrounding_no_grad_is_an_answer_not_a_wrong_map(backend: Backend) -> None:
    with backend.no_grad(), pytest.raises(tl.errors.NoGradientError):
        tl.explain(small_net(backend), pictures(1), "saliency")


def test_preprocessing_is_part_of_what_is_explained(backend: Backend) -> None:
    plain, x = small_net(backend, dtype="float64"), pictures(2)
    scaled = tl.wrap(plain.net, preprocess=tl.Normalise(0.5, [0.1, 0.2, 0.5]))
    std = np.array([0.1, 0.2, 0.5]).reshape(3, 1, 1)
    expected = plain.gradient((x.astype(np.float64) - 0.5) / std, 1) / std
    np.testing.assert_allclose(tl.explain(scaled, x, "saliency", 1).values, expected, rtol=1e-10)


def test_weights_that_are_not_finite_are_an_error_in_every_method(backend: Backend, method: str) -> None:
    # Paddle's ReLU turns NaN into 0: neither the scores nor the gradient need show a NaN bias.
    for name in ("0.weight", "0.bias", "1.bias", "1.running_mean", "1.running_var", "4.weight", "9.weight", "9.bias"):
        if method == "filter_visualisation" and name == "9.weight":
            continue  # the filter does not depend on it
        model = net_for(method, backend)
        state = model.state()
        state[name].flat[0] = np.nan
        model.load_state(state)
        with pytest.raises(tl.errors.NonFiniteError):
            tl.explain(model, pictures(2), method, **CALLS[method])


def test_a_target_function_does_not_hide_scores_that_are_not_finite(backend: Backend) -> None:
    model = small_net(backend)
    state = model.state()
    state["1.running_mean"][0] = np.nan
    model.load_state(state)
    for method in ("saliency", "smoothgrad", "integrated_gradients"):
        with pytest.raises(tl.errors.NonFiniteError):
            tl.explain(model, pictures(2), method, lambda scores: scores[:, 0], **CALLS[method])
