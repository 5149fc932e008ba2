"""Fed the reference's values, every faulty layer stands for itself; what only shows backward is found as well."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, Normalise, wrap
from twinlens.comparison.differences import diff

from ...frameworks import paddle, torch
from ...nets import randomise
from .nets import Kit, network, pair, picture

MANY: dict[str, Any] = {
    "eps": 1e-3,
    "ceil_mode": True,
    "count_include_pad": False,
    "activation": "gelu",
    "functional": lambda kit, x: x,
    "group_norm_eps": 1e-3,
    "momentum": 0.3,
}
FOUND = [
    ("norm2", "epsilon"),
    ("pool2", "ceil_mode"),
    ("pool3", "count_include_pad"),
    ("block.act4", "activation"),
    ("pad", "missing activation"),
    ("norm8", "epsilon"),
    ("norm2", "momentum"),
]


def test_every_fault_is_found_in_one_run(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        first, second = pair(a, b, **MANY)
        found = diff(first, second, picture(), teacher_forced=True)
        assert [(place.layer, place.causes[0].name) for place in found.places if place.causes] == FOUND[:-1] + (
            [] if "norm2" in {place.layer for place in found.places} else FOUND[-1:]
        )
        assert [place.layer for place in diff(first, second, picture()).places] == ["norm2"]


def test_a_fault_that_changes_shapes_does_not_hide_the_next(both: tuple[Backend, Backend]) -> None:
    first, second = pair(*both, stride=2, slope=0.3, activation="relu")
    found = diff(first, second, picture(), teacher_forced=True)
    assert [(place.layer, place.causes[0].name) for place in found.places] == [
        ("conv3", "stride"),
        ("leaky3", "slope"),
        ("block.act4", "activation"),
    ]
    assert any("left to itself B breaks off" in note for note in found.notes)
    assert found.score is None


BACKWARD: list[tuple[str, Any]] = [
    ("detach", lambda kit, x: kit.f.relu(x).detach()),
    ("straight-through", lambda kit, x: x + (kit.f.relu(x) - x).detach()),
    ("scaled gradient", lambda kit, x: kit.f.relu(x) * 0.5 + kit.f.relu(x).detach() * 0.5),
    ("reversed gradient", lambda kit, x: kit.f.relu(x).detach() * 2 - kit.f.relu(x)),
]


@pytest.mark.parametrize(("cause", "functional"), BACKWARD, ids=[cause for cause, _ in BACKWARD])
def test_what_only_shows_backward_is_found_there(both: tuple[Backend, Backend], cause: str, functional: Any) -> None:
    for a, b in product(both, both):
        found = diff(*pair(a, b, functional=functional), picture())
        assert not found.agrees
        assert [place.direction for place in found.places] == ["backward"]
        assert found.first == "conv6"  # the gradient that arrives behind it is the first to differ
        assert [c.name for c in found.causes] == [cause]


def test_a_wrong_gradient_inside_a_layer_is_that_layers(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        sound, wrong = (randomise(wrap(_with_own_gradient(backend, wrong)), 2) for backend, wrong in ((a, 0), (b, 1)))
        found = diff(sound, wrong, np.random.default_rng(1).normal(size=(2, 6)))
        assert found.first == "guided"
        assert found.places[0].direction == "backward"
        assert found.causes[0].name == "guided gradient"
        assert diff(sound, sound, np.ones((1, 6))).agrees


def _with_own_gradient(backend: Backend, wrong: int) -> Any:
    kit = Kit(backend)

    class Guided(kit.base):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            y = kit.f.relu(x)
            if wrong:
                y = backend.with_vjp(
                    y,
                    [x],
                    lambda g: [
                        backend.clip(g, 0) * (x > 0).astype(g.dtype) if not kit.torch else backend.clip(g, 0) * (x > 0)
                    ],
                )
            return y

    class Net(kit.base):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = kit.nn.Linear(6, 6)
            self.guided = Guided()
            self.last = kit.nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.last(self.guided(self.first(x)))

    return Net()


def test_what_comes_before_the_network_is_compared_too(both: tuple[Backend, Backend]) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for a, b in product(both, both):
        first, second = pair(a, b)
        first.preprocess = Normalise(mean, std)
        found = diff(first, second, picture())
        assert found.first == "input"
        assert found.causes[0].name == "normalisation"
        assert "ImageNet" in found.causes[0].text
        second.preprocess = Normalise(mean, std)
        assert diff(first, second, picture()).agrees


def test_a_layer_that_one_network_lacks_is_named(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        first = randomise(wrap(_sequence(a, middle=True)))
        second = wrap(_sequence(b, middle=False))
        state = first.state()
        second.load_state(
            {
                "0.weight": state["0.weight"],
                "0.bias": state["0.bias"],
                "1.weight": state["2.weight"],
                "1.bias": state["2.bias"],
            }
        )
        x = np.random.default_rng(0).normal(size=(2, 6))
        found = diff(first, second, x)
        assert found.first == "2"
        assert found.causes[0].name == "missing activation"
        assert "A runs '1' (tanh) here" in found.causes[0].text
        back = diff(second, first, x)
        assert back.causes[0].name == "missing activation"
        assert "B runs '1' (tanh) here" in back.causes[0].text


def _sequence(backend: Backend, middle: bool) -> Any:
    nn = backend.nn
    return nn.Sequential(nn.Linear(6, 5), *([nn.Tanh()] if middle else []), nn.Linear(5, 4))


def test_a_layer_of_another_size_is_told_apart(both: tuple[Backend, Backend]) -> None:
    for a, b in product(both, both):
        first, second = (
            wrap(backend.nn.Sequential(backend.nn.Linear(6, 5), backend.nn.Linear(5, outputs)))
            for backend, outputs in ((a, 4), (b, 3))
        )
        second.load_state({name: first.state()[name][: len(array)] for name, array in second.state().items()})
        found = diff(first, second, np.ones((1, 6)))
        assert found.first == "1"
        assert "shape (4, 5) in A and (3, 5) in B" in found.causes[0].text


def test_what_only_happens_in_the_networks_own_precision_is_found() -> None:
    class Coarse(torch.nn.Linear):
        def forward(self, x: Any) -> Any:
            if x.dtype != torch.float32:
                return super().forward(x)
            return torch.nn.functional.linear(x.bfloat16(), self.weight.bfloat16(), self.bias.bfloat16()).float()

    layers = (torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3))
    first = randomise(wrap(torch.nn.Sequential(*layers)))
    second = wrap(torch.nn.Sequential(layers[0], layers[1], Coarse(8, 8), layers[3]))
    second.load_state(first.state())
    found = diff(first, second, np.random.default_rng(0).normal(size=(4, 8)))
    assert found.first == "2"
    assert found.causes[0].name == "dtype"
    assert "bfloat16" in found.causes[0].text


def test_a_network_without_a_float64_copy_is_judged_in_its_own_precision(backend: Backend) -> None:
    def only_single(kit: Kit, x: Any) -> Any:
        if "float32" not in str(x.dtype):
            raise TypeError("float32 only")
        return x

    first, second = pair(backend, backend, input=only_single)
    found = diff(first, second, picture())
    assert found.agrees
    assert any("float64" in note for note in found.notes)
    first, second = pair(backend, backend, input=only_single, slope=0.3)
    assert diff(first, second, picture()).causes[0].name == "slope"


def test_training_mode_is_noted(both: tuple[Backend, Backend]) -> None:
    first, second = wrap(network(both[0])), wrap(network(both[1]))
    second.load_state(first.state())
    second.net.eval()
    first.net.train()
    found = diff(first, second, picture())
    assert found.agrees
    assert any("training mode in A alone" in note for note in found.notes)


def test_in_place_paddle_functions_are_seen() -> None:
    class Net(paddle.nn.Layer):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = paddle.nn.Linear(4, 4), paddle.nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            y = self.one(x)
            paddle.nn.functional.relu_(y)
            return self.two(y)

    model = randomise(wrap(Net()))
    other = wrap(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)))
    state = model.state()
    other.load_state(
        {
            f"{index}.{entry}": state[f"{name}.{entry}"]
            for index, name in ((0, "one"), (2, "two"))
            for entry in ("weight", "bias")
        }
    )
    found = diff(model, other, np.random.default_rng(0).normal(size=(3, 4)))
    assert found.agrees, str(found)


def test_an_activation_that_another_layer_holds_is_no_difference() -> None:
    fused = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm(4, act="relu"), paddle.nn.Flatten(), paddle.nn.Linear(676, 3)
    )
    apart = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(676, 3)
    )
    first, second = randomise(wrap(apart)), wrap(fused)
    moved = {"0": "0", "1": "1", "4": "3"}
    second.load_state({f"{moved[name[0]]}{name[1:]}": array for name, array in first.state().items()})
    for models in ((first, second), (second, first)):
        found = diff(*models, picture())
        assert found.agrees, str(found)
        assert found.first is None
        assert "what follows makes up for it, first at '1' (batch norm" in found.notes[0]
    state = second.state()
    state["1.bias"] += 0.1
    second.load_state(state)
    assert diff(first, second, picture()).first == "1"
