"""The layers of a network by name, as the framework itself walks over them."""

from __future__ import annotations

from typing import Any

import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.backends.walk import walk, walk_parameters

from ..frameworks import paddle, torch

CHILDREN = {"torch": "_modules", "paddle": "_sub_layers"}


def names_of(backend: Backend, net: Any) -> list[tuple[str, Any]]:
    if backend.name == "torch":
        return list(net.named_modules())
    return list(net.named_sublayers(include_self=True))


def knotted(backend: Backend) -> Any:
    """A network with a layer in two places, an empty place, a tied weight and a part that holds its parent's layer."""
    nn = backend.nn
    shared = nn.Linear(4, 4)
    inner = nn.Sequential(nn.ReLU(), shared, nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    net = nn.Sequential(nn.Linear(4, 4), inner, shared, nn.Sequential(inner, nn.Linear(4, 4)), nn.Linear(4, 2))
    getattr(net, CHILDREN[backend.name])["nothing"] = None
    backend.modules(net)["0"].weight = backend.modules(net)["3.1"].weight
    return net


def recurrent(backend: Backend) -> Any:
    lstm = {"torch": torch, "paddle": paddle}[backend.name].nn.LSTM
    return backend.nn.Sequential(backend.nn.Linear(3, 3), lstm(3, 2))


NETS = [
    knotted,
    recurrent,
    lambda backend: backend.nn.ReLU(),
    lambda backend: tl.load_model({"torch": "torchvision:resnet18", "paddle": "paddle:resnet18"}[backend.name]).net,
]


@pytest.mark.parametrize("make", NETS)
def test_the_walk_is_the_frameworks_own(backend: Backend, make: Any) -> None:
    net = make(backend)
    found = list(walk(net, CHILDREN[backend.name]))
    assert [name for name, _ in found] == [name for name, _ in names_of(backend, net)]
    assert all(mine is its for (_, mine), (_, its) in zip(found, names_of(backend, net), strict=True))


@pytest.mark.parametrize("make", NETS)
def test_each_parameter_comes_once_and_in_the_frameworks_order(backend: Backend, make: Any) -> None:
    net = make(backend)
    found = list(walk_parameters(net, CHILDREN[backend.name]))
    assert [id(t) for t in found] == [id(t) for t in net.parameters()]
    assert len(found) == len({id(t) for t in found})


def test_a_walk_looks_no_further_than_it_is_asked(backend: Backend) -> None:
    net = backend.nn.Sequential(backend.nn.Linear(3, 3), backend.nn.ReLU())
    steps = walk(net, CHILDREN[backend.name])
    assert next(steps) == ("", net)
    getattr(net, CHILDREN[backend.name])["1"] = backend.nn.Sigmoid()
    assert [type(layer).__name__ for _, layer in steps] == ["Linear", "Sigmoid"]
