"""Networks that are the same are said to be so, in either precision, and come back as they were."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap
from twinlens.comparison.differences import diff

from ...frameworks import paddle, torch
from ...nets import randomise
from ...random_states import random_states
from .nets import Kit, network, pair, picture


def _doubled(model: Model) -> Model:
    return wrap(model.net, dtype="float64", input_shape=model.input_shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_networks_do_not_part(both: tuple[Backend, Backend], dtype: str) -> None:
    for a, b in product(both, both):
        models = pair(a, b)
        found = diff(*(_doubled(model) if dtype == "float64" else model for model in models), picture())
        assert found.agrees
        assert found.first is None
        assert found.places == found.causes == ()
        assert found.notes == ()
        assert found.score is not None
        assert found.gradient is not None
        assert found.score <= (1e-5 if dtype == "float32" else 1e-6)  # Paddle interpolates in float32


@pytest.mark.parametrize("name", ["small_cnn", "mlp"])
def test_the_zoo_is_the_same_on_both_frameworks(both: tuple[Backend, Backend], name: str) -> None:
    options: dict[str, Any] = {"size": 32} if name == "small_cnn" else {}
    found = diff(*(tl.load_model(name, backend=backend.name, **options) for backend in both))
    assert found.agrees, str(found)
    assert all(row.step is not None and row.step < 1e-9 for row in found.rows)


def test_the_arbiter_says_who_rounds_less(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        single, _ = pair(a, b)
        double = _doubled(pair(a, b)[1])
        for models, nearer in (((single, double), "B"), ((double, single), "A")):
            found = diff(*models, picture())
            assert found.agrees
            if found.arbiter is not None:
                assert found.arbiter.nearer == nearer
                assert max(found.arbiter.a, found.arbiter.b) > 1e-9
    assert diff(*pair(*both), picture()).arbiter is not None
    assert diff(*(_doubled(model) for model in pair(*both)), picture()).arbiter is None


def test_rows_hold_what_both_networks_compute(both: tuple[Backend, Backend]) -> None:
    first, second = pair(*both, slope=0.5)
    x = picture()
    found = diff(first, second, x, target=2)
    rows = {row.layer: row for row in found.rows}
    with first.capture(["leaky3"], gradients=True) as a, second.capture(["leaky3"], gradients=True) as b:
        first.gradient(x, 2)
        second.gradient(x, 2)
    np.testing.assert_allclose(rows["leaky3"].max_abs, np.abs(a["leaky3"] - b["leaky3"]).max(), rtol=1e-5)
    apart = np.linalg.norm(a.gradients["leaky3"] - b.gradients["leaky3"])
    scale = max(np.linalg.norm(g.gradients["leaky3"]) for g in (a, b))
    np.testing.assert_allclose(rows["leaky3"].gradient_relative_l2, apart / scale, rtol=1e-4)
    scores = first.forward(x), second.forward(x)
    scale = max(map(np.linalg.norm, scores))
    np.testing.assert_allclose(found.score, np.linalg.norm(scores[0] - scores[1]) / scale, rtol=1e-4)


def test_a_model_agrees_with_itself_to_the_bit(backend: Backend) -> None:
    model, _ = pair(backend, backend)
    found = diff(model, model, picture())
    assert found.agrees
    assert {row.relative_l2 for row in found.rows} == {0.0}


def test_random_numbers_stand_for_a_missing_input(both: tuple[Backend, Backend]) -> None:
    first, second = pair(*both)
    assert diff(first, second, seed=3).to_dict() == diff(first, second, seed=3).to_dict()
    assert diff(first, second, seed=3).score != diff(first, second, seed=4).score


def test_models_come_back_as_they_were(backend: Backend) -> None:
    first, second = pair(backend, backend, eps=1e-3, dropped=lambda kit, x: kit.f.dropout(x, 0.5, training=True))
    second.net.train()
    first.net.eval()
    for model in (first, second):
        for parameter in model.net.parameters():
            parameter.stop_gradient = False
            break
    before = [_condition(model) for model in (first, second)]
    state = random_states()
    diff(first, second, picture(), teacher_forced=True)
    assert [_condition(model) for model in (first, second)] == before
    assert random_states() == state


def test_models_come_back_after_an_error_too(backend: Backend) -> None:
    def broken(kit: Kit, x: Any) -> Any:
        raise KeyError("no such thing")

    first, second = pair(backend, backend, end=broken)
    before = [_condition(model) for model in (first, second)]
    diff(first, second, picture())
    with pytest.raises(KeyError):
        diff(second, first, picture())
    assert [_condition(model) for model in (first, second)] == before


def _condition(model: Model) -> Any:
    layers = model.backend.modules(model.net).values()
    hooks = [len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in layers] if _is_torch(model) else []
    post = [] if _is_torch(model) else [len(layer._forward_post_hooks) for layer in layers]
    parameters = list(model.net.parameters())
    flags = [getattr(p, "requires_grad", None) for p in parameters]
    return (
        [layer.training for layer in layers],
        hooks,
        post,
        flags,
        [p.grad is None for p in parameters],
        {name: array.tobytes() for name, array in model.state().items()},
    )


def _is_torch(model: Model) -> bool:
    return model.backend.name == "torch"


def test_a_reused_layer_is_compared_call_by_call(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        first, second = (randomise(wrap(_reusing(backend, shift)), 1) for backend, shift in ((a, 0.0), (b, 0.1)))
        found = diff(first, second, np.random.default_rng(0).normal(size=(2, 4)))
        assert [row.call for row in found.rows if row.layer == "shared"] == [0, 1]
        assert found.places[0].call == 1
        assert found.first == "shared"
        assert "call 2" in found.places[0].text


def _reusing(backend: Backend, shift: float) -> Any:
    kit = Kit(backend)

    class Net(kit.base):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.shared = kit.nn.Linear(4, 4)
            self.relu = kit.nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.shared(self.relu(self.shared(x)) + shift)

    return Net()


def test_in_place_activations_are_no_difference() -> None:
    for net in (torch.nn.ReLU(inplace=False), torch.nn.ReLU(inplace=True)):
        layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), net, torch.nn.Flatten(), torch.nn.Linear(676, 3)]
        model = randomise(wrap(torch.nn.Sequential(*layers)))
        other = randomise(
            wrap(
                paddle.nn.Sequential(
                    paddle.nn.Conv2D(3, 4, 3),
                    paddle.nn.BatchNorm2D(4),
                    paddle.nn.ReLU(),
                    paddle.nn.Flatten(),
                    paddle.nn.Linear(676, 3),
                )
            )
        )
        assert diff(model, other, picture()).agrees
        assert diff(other, model, picture()).agrees


def test_a_bare_network_is_taken_too(backend: Backend) -> None:
    net = network(backend)
    assert diff(net, net, picture()).agrees
