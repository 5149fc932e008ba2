"""Adam does what its paper says, alike on both frameworks, and can be put down and taken up again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.errors import ModelError, WeightsError

Array = np.ndarray
RATE, DECAY = 0.05, 0.1


def network(backend: Backend, dtype: str = "float64") -> Any:
    nn = backend.nn
    layers = {"conv": nn.Conv2d(2, 3, 3), "norm": nn.BatchNorm2d(3), "act": nn.Tanh(), "flat": nn.Flatten()}
    net = backend.converted(nn.Sequential({**layers, "fc": nn.Linear(3 * 4, 3)}), dtype)
    rng = np.random.default_rng(1)
    backend.load(net, {name: rng.uniform(0.1, 1, array.shape) for name, array in backend.state(net).items()})
    return net


def loss_of(backend: Backend, net: Any, step: int) -> Any:
    rng = np.random.default_rng(step)
    x = backend.asarray(rng.normal(size=(5, 2, 4, 4)), backend.dtype(next(iter(net.parameters()))))
    return -backend.mean(backend.pick(backend.log_softmax(net(x), 1), rng.integers(0, 3, 5)))


def train(backend: Backend, net: Any, optimizer: Any, steps: range) -> None:
    with backend.training(net):
        for step in steps:
            optimizer.step(loss_of(backend, net, step))


@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_the_steps_are_those_of_the_paper(backend: Backend, rng: np.random.Generator, decay: float) -> None:
    net = backend.converted(backend.nn.Linear(4, 3), "float64")
    weight, bias = rng.normal(size=(3, 4)), rng.normal(size=3)
    backend.load(net, {"weight": weight, "bias": bias})
    optimizer = backend.optimizer(net, RATE, decay)
    parameters = {"weight": weight, "bias": bias}
    first = {name: np.zeros_like(p) for name, p in parameters.items()}
    second = {name: np.zeros_like(p) for name, p in parameters.items()}
    for step in range(1, 6):
        x = rng.normal(size=(6, 4))
        out = net(backend.asarray(x))
        optimizer.step(backend.sum(out * out))
        error = 2 * (x @ parameters["weight"].T + parameters["bias"])
        gradients = {"weight": error.T @ x, "bias": error.sum(0)}
        for name, p in parameters.items():
            gradient = gradients[name] + decay * p
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.999 * second[name] + 0.001 * gradient**2
            moments = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
            parameters[name] = p - RATE * moments[0] / (np.sqrt(moments[1]) + 1e-8)
    state = backend.state(net)
    # Paddle holds the learning rate in float32.
    np.testing.assert_allclose(state["weight"], parameters["weight"], atol=1e-8)
    np.testing.assert_allclose(state["bias"], parameters["bias"], atol=1e-8)
    np.testing.assert_allclose(optimizer.state()["moment1.weight"], first["weight"], atol=1e-6)


def test_both_frameworks_reach_the_same_weights(both: tuple[Backend, Backend]) -> None:
    states, optimisers = [], []
    for backend in both:
        net = network(backend)
        optimizer = backend.optimizer(net, RATE, DECAY)
        train(backend, net, optimizer, range(10))
        states.append(backend.state(net))
        optimisers.append(optimizer.state())
    assert list(states[0]) == list(states[1])
    for name, array in states[0].items():
        np.testing.assert_allclose(states[1][name], array, atol=1e-8, err_msg=name)
    assert set(optimisers[0]) == set(optimisers[1])
    for name, array in optimisers[0].items():
        np.testing.assert_allclose(optimisers[1][name], array, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_going_on_from_a_saved_state_changes_no_bit(backend: Backend, dtype: str) -> None:
    whole, first, second = (network(backend, dtype) for _ in range(3))
    train(backend, whole, backend.optimizer(whole, RATE, DECAY), range(7))
    optimizer = backend.optimizer(first, RATE, DECAY)
    train(backend, first, optimizer, range(4))
    backend.load(second, backend.state(first))
    resumed = backend.optimizer(second, RATE, DECAY)
    resumed.load_state(optimizer.state())
    train(backend, second, resumed, range(4, 7))
    for name, array in backend.state(whole).items():
        assert np.array_equal(backend.state(second)[name], array), name


def test_a_state_passes_from_one_framework_to_the_other(both: tuple[Backend, Backend]) -> None:
    source, destination = both
    net = network(source)
    optimizer = source.optimizer(net, RATE)
    train(source, net, optimizer, range(4))
    twin = network(destination)
    destination.load(twin, source.state(net))
    resumed = destination.optimizer(twin, RATE)
    resumed.load_state(optimizer.state())
    train(source, net, optimizer, range(4, 8))
    train(destination, twin, resumed, range(4, 8))
    for name, array in source.state(net).items():
        np.testing.assert_allclose(destination.state(twin)[name], array, atol=1e-8, err_msg=name)


def test_a_second_optimizer_of_one_network_has_moments_of_its_own(backend: Backend) -> None:
    net, reference = network(backend), network(backend)
    train(backend, net, backend.optimizer(net, RATE), range(3))
    backend.load(net, backend.state(reference))
    second, only = backend.optimizer(net, RATE), backend.optimizer(reference, RATE)
    train(backend, net, second, range(2))
    train(backend, reference, only, range(2))
    for name, array in only.state().items():
        assert np.array_equal(second.state()[name], array), name
    second.load_state(only.state())
    train(backend, net, second, range(2, 4))
    train(backend, reference, only, range(2, 4))
    for name, array in backend.state(reference).items():
        assert np.array_equal(backend.state(net)[name], array), name


def test_the_learning_rate_can_be_changed_on_the_way(backend: Backend) -> None:
    net = network(backend)
    optimizer = backend.optimizer(net, RATE)
    train(backend, net, optimizer, range(2))
    before = backend.state(net)
    optimizer.learning_rate = 0.0
    train(backend, net, optimizer, range(2, 4))
    assert optimizer.learning_rate == 0
    assert all(np.array_equal(backend.state(net)[name], before[name]) for name in backend.parameter_names(net))


def test_a_step_leaves_no_gradient_behind(backend: Backend) -> None:
    net = network(backend)
    train(backend, net, backend.optimizer(net, RATE), range(1))
    assert all(parameter.grad is None for parameter in net.parameters())


def test_an_unused_optimizer_has_no_state(backend: Backend) -> None:
    optimizer = backend.optimizer(network(backend), RATE)
    assert optimizer.state() == {}


def test_an_empty_state_begins_anew(backend: Backend) -> None:
    once, again = network(backend), network(backend)
    train(backend, once, backend.optimizer(once, RATE), range(2))
    optimizer = backend.optimizer(again, RATE)
    train(backend, again, optimizer, range(5))
    optimizer.load_state({})
    backend.load(again, backend.state(network(backend)))
    train(backend, again, optimizer, range(2))
    for name, array in backend.state(once).items():
        assert np.array_equal(backend.state(again)[name], array), name


def test_the_state_of_another_network_is_refused(backend: Backend) -> None:
    net = network(backend)
    optimizer = backend.optimizer(net, RATE)
    train(backend, net, optimizer, range(1))
    other = backend.optimizer(backend.nn.Linear(3, 2), RATE)
    with pytest.raises(WeightsError, match=r"moment1\.weight"):
        other.load_state(optimizer.state())


def test_a_network_with_nothing_to_train_is_refused(backend: Backend) -> None:
    with pytest.raises(ModelError, match="No parameter"):
        backend.optimizer(backend.nn.ReLU(), RATE)
