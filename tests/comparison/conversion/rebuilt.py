"""Build a torch network anew on Paddle and hold both against each other in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import get_backend
from twinlens.comparison.conversion.from_torch import paddle_network

from ...frameworks import BOTH, paddle, torch

for framework in BOTH:
    pytest.importorskip(framework)

Shape = tuple[int, ...]

# Paddle 2 rounds the parameters of more functions.
EXACT = (1e-6, 1e-6) if paddle.__version__ < "3" else (1e-10, 1e-9)


def built(net: Any, shape: Shape) -> tuple[Any, np.ndarray]:
    """The Paddle network with the weights of a torch network, both in float64."""
    backend = get_backend("paddle")
    net = net.double().eval()
    x = np.random.default_rng(1).normal(size=shape)
    there = paddle_network(net, torch.tensor(x))
    backend.load(there, get_backend("torch").state(net))
    return there, x


def values_and_gradient(name: str, net: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    backend = get_backend(name)
    leaf = backend.leaf(backend.asarray(x))
    with backend.frozen(net):
        out = net(leaf * 1)
        weights = backend.asarray(np.random.default_rng(2).normal(size=backend.shape(out)))
        (gradient,) = backend.grad(backend.sum(out * weights), [leaf])
    return backend.numpy(out), backend.numpy(gradient)


def assert_same(net: Any, there: Any, x: np.ndarray, limits: tuple[float, float] = EXACT) -> None:
    here_values, here_gradient = values_and_gradient("torch", net, x)
    values, found = values_and_gradient("paddle", there, x)
    assert values.dtype == here_values.dtype
    for there_array, here, limit in zip((values, found), (here_values, here_gradient), limits, strict=True):
        np.testing.assert_allclose(there_array, here, rtol=0, atol=limit * np.abs(here).max(initial=1e-300))
