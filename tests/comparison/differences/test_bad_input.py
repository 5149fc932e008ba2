"""What cannot be compared is refused in one line that says why."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, wrap
from twinlens.comparison.differences import diff
from twinlens.errors import BackendError, InputError, ModelError, NonFiniteError, TargetError

from ...nets import randomise
from .nets import SHAPE, Kit, network, pair, picture


def test_unsound_inputs_are_refused(both: tuple[Backend, Backend]) -> None:
    models = pair(*both)
    x = picture()
    x[0, 0, 0, 0] = np.nan
    for bad in (x, x[0], "picture", np.zeros((0, *SHAPE)), np.ones((1, *SHAPE), dtype=np.uint8)):
        with pytest.raises(InputError):
            diff(*models, bad)


def test_an_input_that_the_first_does_not_take_is_refused(both: tuple[Backend, Backend]) -> None:
    with pytest.raises(ModelError, match="fails on an input of shape"):
        diff(*pair(*both), np.ones((1, 5, 15, 15)))


def test_an_input_that_the_second_does_not_take_is_refused(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        first, second = (
            wrap(backend.nn.Sequential(backend.nn.Linear(inputs, 3), backend.nn.ReLU()))
            for backend, inputs in ((a, 4), (b, 6))
        )
        with pytest.raises(InputError, match="does not take what"):
            diff(first, second, np.ones((1, 4)))


def test_networks_without_a_known_input_need_one(backend: Backend) -> None:
    with pytest.raises(InputError, match="not known"):
        diff(network(backend), network(backend))


def test_known_shapes_that_differ_are_named(both: tuple[Backend, Backend]) -> None:
    first, second = pair(*both)
    second.input_shape = (3, 20, 20)
    with pytest.raises(InputError, match=r"\(3, 15, 15\).*\(3, 20, 20\)"):
        diff(first, second)


def test_networks_that_have_nothing_in_common_are_refused(both: tuple[Backend, Backend]) -> None:
    a, b = (backend.nn for backend in both)
    with pytest.raises(ModelError, match="no layer in common"):
        diff(a.Sequential(a.Linear(4, 4)), b.Sequential(b.Flatten(), b.Softmax(dim=1)), np.ones((1, 4)))


def test_nan_in_the_first_network_is_refused_with_its_layer(both: tuple[Backend, Backend]) -> None:
    first, second = pair(*both)
    _poison(first, "conv3.weight")
    with pytest.raises(NonFiniteError, match="'conv3'"):
        diff(first, second, picture())


def test_nan_in_the_second_network_is_a_difference(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        first, second = pair(a, b)
        _poison(second, "conv3.weight")
        found = diff(first, second, picture())
        assert found.first == "conv3"
        assert found.causes[0].name == "weights"
        assert "nan in B" in found.causes[0].text
        assert "inf" in str(found.to_dict()["places"][0]["relative_l2"])


def _poison(model: Any, name: str) -> None:
    state = model.state()
    state[name].flat[0] = np.nan
    model.load_state(state)


@pytest.mark.parametrize("tolerance", [0, -1e-3, float("nan"), float("inf"), "small"])
def test_a_tolerance_is_a_small_positive_number(backend: Backend, tolerance: Any) -> None:
    with pytest.raises(InputError, match="tolerance"):
        diff(*pair(backend, backend), picture(), tolerance=tolerance)


def test_a_generous_tolerance_passes_a_small_difference(backend: Backend) -> None:
    models = pair(backend, backend, eps=2e-5)
    assert not diff(*models, picture()).agrees
    assert diff(*models, picture(), tolerance=1e-3).agrees


def test_a_target_that_does_not_exist_is_refused(backend: Backend) -> None:
    with pytest.raises(TargetError):
        diff(*pair(backend, backend), picture(), target=99)


def test_what_is_no_network_is_refused(backend: Backend) -> None:
    for thing in (None, "resnet18", np.ones(3)):
        with pytest.raises(BackendError):
            diff(thing, network(backend), picture())


def test_scores_that_are_not_those_of_classes_are_summed(both: tuple[Backend, Backend]) -> None:
    def net(backend: Backend) -> Any:
        kit = Kit(backend)
        return randomise(wrap(kit.nn.Sequential(kit.conv(3, 2, 3), kit.nn.ReLU())))

    found = diff(net(both[0]), net(both[1]), picture())
    assert found.agrees
    assert found.gradient is not None
    assert found.gradient < 1e-5


def test_an_output_of_several_tensors_needs_a_choice(backend: Backend) -> None:
    kit = Kit(backend)

    class Two(kit.base):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = kit.nn.Linear(4, 2), kit.nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return {"a": self.one(x), "b": [self.two(x)]}

    with pytest.raises(ModelError, match="output="):
        diff(Two(), Two(), np.ones((1, 4)))
    model = wrap(Two(), output=lambda out: out["b"][0])
    assert diff(model, model, np.ones((1, 4))).agrees
