"""Copies in float64 agree to float64's own rounding, also where a framework computes in single precision."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.comparison.exact import exact

from ..frameworks import paddle
from ..nets import pictures, randomise
from .named_nets import layer


def _scores_and_gradients(models: list[tl.Model], x: Any) -> list[tuple[Any, Any]]:
    return [(model.forward(x), model.gradient(x, 3)) for model in models]


def _apart(found: list[tuple[Any, Any]]) -> float:
    """The larger of both differences, of scores and of gradients, each relative to the largest number."""
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(*found, strict=True))


def test_layers_that_a_framework_rounds_agree(both: tuple[Backend, Backend]) -> None:
    def build(backend: Backend) -> tl.Model:
        torch = backend.name == "torch"
        pool = {"padding": 1} | ({"count_include_pad": False} if torch else {"exclusive": True})
        net = layer(
            backend,
            "Sequential",
            layer(backend, "conv", 3, 4, 3),
            layer(backend, "norm", 4, **({"eps": 1e-3} if torch else {"epsilon": 1e-3})),
            layer(backend, "Hardsigmoid"),
            layer(backend, "AvgPool2d" if torch else "AvgPool2D", 3, 2, **pool),
            layer(backend, "Flatten"),
            layer(backend, "Linear", 36, 5),
        )
        return randomise(tl.wrap(net))

    models = [build(backend) for backend in both]
    x = pictures(2, shape=(3, 8, 8)).astype("float64")
    plain = [tl.wrap(model.net, dtype="float64").gradient(x, 3) for model in models]
    gradients = [exact(model).gradient(x, 3) for model in models]
    scale = np.abs(gradients[0]).max()
    assert np.abs(gradients[0] - gradients[1]).max() < 1e-14 * scale
    assert np.abs(plain[0] - plain[1]).max() > 1e-10 * scale
    scores = [exact(model).forward(x) for model in models]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-13)


def test_a_batch_norm_with_channels_last_normalises_them() -> None:
    net = randomise(tl.wrap(paddle.nn.Sequential(paddle.nn.BatchNorm2D(8, data_format="NHWC"), paddle.nn.Flatten())))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 8))
    np.testing.assert_allclose(exact(net).forward(x), tl.wrap(net.net, dtype="float64").forward(x), atol=1e-6)


# None of these numbers has a place among those of single precision.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "leaky_relu": lambda nn: nn.LeakyReLU(0.3),
    "elu": lambda nn: nn.ELU(0.3),
    "celu": lambda nn: nn.CELU(0.3),
    "selu": lambda nn: nn.SELU(),
    "softplus": lambda nn: nn.Softplus(0.7, 2.1),
    "hardtanh": lambda nn: nn.Hardtanh(-0.3, 0.7),
    "softshrink": lambda nn: nn.Softshrink(0.3),
}


def _activated(backend: Backend, activation: str) -> tl.Model:
    nn = importlib.import_module(f"{backend.name}.nn")
    net = nn.Sequential(nn.Linear(6, 40), ACTIVATIONS[activation](nn), nn.Linear(40, 5))
    return randomise(tl.wrap(net, input_shape=(6,)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_agree_whatever_they_are_set_to(both: tuple[Backend, Backend], activation: str) -> None:
    models = [exact(_activated(backend, activation)) for backend in both]
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert _apart(_scores_and_gradients(models, x)) < 1e-13


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_with_these_activations_are_not_told_apart(both: tuple[Backend, Backend], activation: str) -> None:
    models = [_activated(backend, activation) for backend in both]
    x = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    found = tl.diff(*models, x)
    assert found.agrees, str(found)
