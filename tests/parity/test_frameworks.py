"""One network with the same weights on PyTorch and on Paddle gives one explanation."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ..nets import pictures, randomise, small_net

METHODS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "smoothgrad": {"samples": 10},
    "integrated_gradients": {"steps": 20},
}


def small_pair() -> tuple[Model, Model]:
    torch, paddle = (small_net(tl.get_backend(name), seed=seed) for name, seed in (("torch", 1), ("paddle", 2)))
    tl.transfer(torch, paddle)
    return torch, paddle


def resnet18_pair() -> tuple[Model, Model]:
    """The two libraries' own ResNet-18, with batch-norm statistics unlike the initial ones."""
    from twinlens.backends.torch_backend import import_torchvision

    paddle = importlib.import_module("paddle")
    first = randomise(tl.wrap(import_torchvision().models.resnet18(weights=None)))
    second = tl.wrap(paddle.vision.models.resnet18(pretrained=False))
    tl.transfer(first, second)
    return first, second


PAIRS: dict[str, tuple[Callable[[], tuple[Model, Model]], tuple[int, ...]]] = {
    "small net": (small_pair, (3, 8, 8)),
    "ResNet-18": (resnet18_pair, (3, 64, 64)),
}


@cache
def pair_of(name: str) -> tuple[Model, Model]:
    return PAIRS[name][0]()


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("pair", list(PAIRS))
def test_the_explanations_are_the_same(
    both: tuple[Backend, Backend], pair: str, method: str, record_property: Callable[[str, object], None]
) -> None:
    x = pictures(2, shape=PAIRS[pair][1])
    found = tl.parity(*pair_of(pair), x, method, **METHODS[method])
    for name, number in found.numbers().items():
        record_property(name, number)
    print(f"{pair}, {method}: {found.numbers()}")
    assert found.double.worst()["relative_l2"] < 1e-8
    assert found.single.worst()["cosine"] >= 0.9999
    assert found.single.worst()["relative_l2"] <= 5e-3
