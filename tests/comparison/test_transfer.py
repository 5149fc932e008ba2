"""Weights cross from one framework to the other exactly, or not at all."""

from __future__ import annotations

import copy
import importlib
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.errors import BackendError, WeightsError

from ..frameworks import need, paddle, torch
from ..nets import linear_net, pictures, power_net, randomise, small_net
from ..random_states import random_states


def native_nn(backend: Backend) -> Any:
    return importlib.import_module(f"{backend.name}.nn")


def state_bytes(model: Model) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state().items()}


def test_every_number_arrives_bit_by_bit(both: tuple[Backend, Backend]) -> None:
    for source_backend, destination_backend in product(both, both):
        source, destination = small_net(source_backend, seed=1), small_net(destination_backend, seed=2)
        report = tl.transfer(source, destination)
        assert state_bytes(destination) == state_bytes(source)
        assert set(report.names) == set(source.state())
        assert report.numbers == sum(array.size for array in source.state().values())


def test_the_counterpart_gives_the_same_scores(both: tuple[Backend, Backend]) -> None:
    for source_backend, destination_backend in permutations(both):
        source = small_net(source_backend, seed=1, dtype="float64")
        destination = small_net(destination_backend, seed=2, dtype="float64")
        tl.transfer(source, destination)
        np.testing.assert_allclose(destination.forward(pictures(3)), source.forward(pictures(3)), rtol=1e-9)


def test_bare_networks_are_taken_too(both: tuple[Backend, Backend]) -> None:
    source, destination = small_net(both[0], seed=1), small_net(both[1], seed=2)
    tl.transfer(source.net, destination.net)
    assert state_bytes(destination) == state_bytes(source)


def test_a_square_linear_layer_is_turned(both: tuple[Backend, Backend], rng: np.random.Generator) -> None:
    # Transposed by mistake, a square weight would load without complaint.
    weights = rng.normal(size=(4, 4))
    for source, destination in permutations(both):
        end = linear_net(destination, np.zeros((4, 4)))
        tl.transfer(linear_net(source, weights), end)
        np.testing.assert_allclose(end.forward(np.eye(4)), weights.T, rtol=1e-14)


def test_a_parameter_of_the_users_own_is_not_turned(both: tuple[Backend, Backend], rng: np.random.Generator) -> None:
    weights = rng.normal(size=(4, 4))
    for source, destination in permutations(both):
        end = power_net(destination, np.zeros((4, 4)), 1)
        tl.transfer(power_net(source, weights, 1), end)
        np.testing.assert_allclose(end.forward(np.eye(4)), weights.T, rtol=1e-14)


def parameter(backend: Backend, shape: list[int]) -> Any:
    if backend.name == "torch":
        return torch.nn.Parameter(torch.ones(shape))
    return paddle.create_parameter(shape, "float32")


def own_linear(backend: Backend, turned: bool) -> Any:
    """A network of one linear layer, which is of the user's own and keeps its matrix in torch's layout or turned."""
    base: Any = torch.nn.Module if backend.name == "torch" else paddle.nn.Layer

    class Own(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = parameter(backend, [6, 6]), parameter(backend, [6])

        def forward(self, x: Any) -> Any:
            return x @ (self.weight if turned else self.weight.T) + self.bias

    return native_nn(backend).Sequential(Own())


def test_a_layer_of_the_users_own_that_wants_its_matrix_turned_is_noticed(
    both: tuple[Backend, Backend], rng: np.random.Generator
) -> None:
    x = rng.normal(size=(3, 6))
    for first, second in product(both, both):
        nn = native_nn(first)
        report = tl.transfer(nn.Sequential(nn.Linear(6, 6)), own_linear(second, turned=True), x)
        assert report.how == "name"
        assert report.scores is not None
        assert report.scores > 0.1
        assert "THE OUTPUTS DIFFER" in str(report)
        assert "'0' is of a class of your own in the destination" in report.differences[0]
        unseen = tl.transfer(nn.Sequential(nn.Linear(6, 6)), own_linear(second, turned=True))
        assert (unseen.scores, unseen.differences) == (None, report.differences)


def test_a_layer_of_the_users_own_that_agrees_is_not_complained_of(
    both: tuple[Backend, Backend], rng: np.random.Generator
) -> None:
    x = rng.normal(size=(3, 6))
    for first, second in product(both, both):
        nn = native_nn(first)
        report = tl.transfer(nn.Sequential(nn.Linear(6, 6)), own_linear(second, turned=False), x)
        assert report.scores is not None
        assert report.scores < 1e-5
        assert report.differences == ()


def test_two_layers_of_one_class_of_the_users_own_want_the_same(backend: Backend) -> None:
    one = own_linear(backend, turned=True)
    assert tl.transfer(one, copy.deepcopy(one)).differences == ()


def test_looking_at_the_outputs_changes_nothing(backend: Backend, rng: np.random.Generator) -> None:
    base: Any = torch.nn.Module if backend.name == "torch" else paddle.nn.Layer

    class Counting(base):  # type: ignore[misc]
        """It counts its runs, and its scores are others each time."""

        def __init__(self) -> None:
            super().__init__()
            self.head = native_nn(backend).Linear(6, 3)
            self.register_buffer("runs", backend.asarray(np.zeros(1, np.float32)))

        def forward(self, x: Any) -> Any:
            self.runs += 1
            return self.head(x) * self.runs

    pair = Counting(), Counting()
    pair[0].runs += 7
    before = random_states()
    report = tl.transfer(*pair, rng.normal(size=(2, 6)))
    assert report.scores is None
    assert [backend.numpy(net.runs).item() for net in pair] == [7, 7]
    assert random_states() == before


def test_half_precision_rounds_without_a_complaint(rng: np.random.Generator) -> None:
    need("torch")

    def net() -> Any:
        return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64))

    report = tl.transfer(net(), net().half(), rng.normal(size=(2, 64)).astype(np.float32))
    assert report.scores is not None
    assert report.scores > 0
    assert "DIFFER" not in str(report)


def test_outputs_that_cannot_be_compared_are_not_said_to_differ(both: tuple[Backend, Backend]) -> None:
    source, destination = linear_net(both[0], np.array([[np.nan, 1.0]])), linear_net(both[1], np.zeros((1, 2)))
    assert tl.transfer(source, destination, np.ones((1, 2))).scores is None
    destination = linear_net(both[1], np.zeros((1, 2)))
    assert tl.transfer(linear_net(both[0], np.ones((1, 2))), destination, np.ones((1, 3))).scores is None


def test_diff_finds_the_matrix_that_is_the_wrong_way_round(
    both: tuple[Backend, Backend], rng: np.random.Generator
) -> None:
    x = rng.normal(size=(3, 6))
    for first, second in product(both, both):
        nn = native_nn(first)
        pair = nn.Sequential(nn.Linear(6, 6)), own_linear(second, turned=True)
        tl.transfer(*pair)
        for found in (tl.diff(*pair, x), tl.diff(*pair[::-1], x)):
            assert [(cause.name, cause.confidence) for cause in found.causes] == [("transposed weight", "certain")]


def test_the_report_says_what_went_where(both: tuple[Backend, Backend]) -> None:
    text = str(tl.transfer(small_net(both[0]), small_net(both[1])))
    assert "Sequential (torch) -> Sequential (paddle)" in text
    assert "\n" not in text


def test_the_source_is_not_changed(both: tuple[Backend, Backend]) -> None:
    source, destination = small_net(both[0], seed=1), small_net(both[1], seed=2)
    before = state_bytes(source)
    tl.transfer(source, destination)
    state = destination.state()
    randomise(destination, seed=9)
    assert state_bytes(source) == before
    assert any(not np.array_equal(array, destination.state()[name]) for name, array in state.items())


def test_the_destination_keeps_its_precision(both: tuple[Backend, Backend]) -> None:
    source = small_net(both[0], seed=1, dtype="float64")
    destination = small_net(both[1], seed=2)
    tl.transfer(source, destination)
    for name, array in destination.state().items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, source.state()[name].astype(np.float32))


def test_nan_weights_arrive_as_they_are(both: tuple[Backend, Backend]) -> None:
    source, destination = linear_net(both[0], np.array([[np.nan, 1.0]])), linear_net(both[1], np.zeros((1, 2)))
    tl.transfer(source, destination)
    np.testing.assert_array_equal(destination.state()["1.weight"], [[np.nan, 1.0]])


@pytest.mark.parametrize("kind", ["missing", "superfluous", "shape"])
def test_a_failure_names_the_array_and_leaves_the_destination_unchanged(
    both: tuple[Backend, Backend], kind: str
) -> None:
    for source_backend, destination_backend in product(both, both):
        nn = native_nn(source_backend)
        other = {
            "missing": lambda nn=nn: nn.Sequential(nn.Linear(4, 3)),
            "superfluous": lambda nn=nn: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(2, 2)),
            "shape": lambda nn=nn: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 7)),
        }[kind]()
        end_nn = native_nn(destination_backend)
        destination = randomise(tl.wrap(end_nn.Sequential(end_nn.Linear(4, 3), end_nn.Linear(3, 2))))
        before = state_bytes(destination)
        named = {"missing": r"'1\.weight'", "superfluous": r"'2\.weight'", "shape": r"'1\.weight'.*\(7, 3\).*\(2, 3\)"}
        with pytest.raises(WeightsError, match=named[kind]):
            tl.transfer(other, destination)
        assert state_bytes(destination) == before


def test_a_shared_layer_takes_no_two_values(both: tuple[Backend, Backend]) -> None:
    for source_backend, destination_backend in product(both, both):
        nn, end_nn = native_nn(source_backend), native_nn(destination_backend)
        source = randomise(tl.wrap(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))))
        shared = end_nn.Linear(3, 3)
        destination = tl.wrap(end_nn.Sequential(shared, shared))
        before = state_bytes(destination)
        with pytest.raises(WeightsError):
            tl.transfer(source, destination)
        assert state_bytes(destination) == before


def test_what_is_no_network_is_refused(backend: Backend) -> None:
    for thing in (None, "resnet18", {"weight": 1}, np.ones(3), backend.asarray(np.ones(3))):
        with pytest.raises(BackendError):
            tl.transfer(thing, small_net(backend))
        with pytest.raises(BackendError):
            tl.transfer(small_net(backend), thing)
