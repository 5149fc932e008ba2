"""Networks that save memory by computing parts of themselves again on the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ..frameworks import paddle, torch
from .nets import build

RULES = ("guided_backprop", "deconvnet", "deeplift", "lrp")


def network(backend: Backend, reentrant: bool | None) -> Model:
    """Two convolutions, in a part that is computed again unless `reentrant` is None."""
    nn = backend.nn

    def part(net: Any) -> Callable[[Any], Any]:
        return lambda x: net.relu(net.second(net.relu(net.norm(net.first(x)))))

    def forward(net: Any, x: Any) -> Any:
        if reentrant is None:
            maps = part(net)(x)
        elif backend.name == "torch":
            maps = torch.utils.checkpoint.checkpoint(part(net), x, use_reentrant=reentrant)
        else:
            # Paddle 2.6 keeps random numbers on a GPU only.
            options = {"use_reentrant": reentrant, "preserve_rng_state": False}
            maps = paddle.distributed.fleet.utils.recompute(part(net), x, **options)
        return net.head(backend.mean(maps, (2, 3)))

    layers = {
        "first": nn.Conv2d(3, 6, 3, padding=1),
        "norm": nn.BatchNorm2d(6),
        "second": nn.Conv2d(6, 8, 3, padding=1),
        "relu": nn.ReLU(),
        "head": nn.Linear(8, 4),
    }
    with backend.seeded(0):
        model = tl.wrap(build(backend, forward, **layers), dtype="float64")
    rng = np.random.default_rng(0)
    model.load_state(
        {name: rng.random(array.shape) - 0.3 * ("var" not in name) for name, array in model.state().items()}
    )
    return model


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.random((2, 3, 6, 6))


def explained_or_refused(
    backend: Backend, x: np.ndarray, reentrant: bool, refused: bool, method: str, **params: Any
) -> None:
    target = 1 if tl.methods()[method].targeted else None
    model = network(backend, reentrant)
    if refused:
        with pytest.raises(tl.errors.NoGradientError, match=r"checkpoint|recompute"):
            tl.explain(model, x, method, target, **params)
        return
    expected = tl.explain(network(backend, None), x, method, target, **params).values
    found = tl.explain(model, x, method, target, **params).values
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", *RULES])
@pytest.mark.parametrize("reentrant", [True, False])
def test_a_part_that_is_computed_again_is_explained_like_any_other_or_refused(
    backend: Backend, x: np.ndarray, method: str, reentrant: bool
) -> None:
    refused = backend.name == "torch" and (reentrant or method in {"deeplift", "lrp"})
    explained_or_refused(backend, x, reentrant, refused, method)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_layer_inside_such_a_part_is_explained_or_refused(backend: Backend, x: np.ndarray, reentrant: bool) -> None:
    explained_or_refused(backend, x, reentrant, True, "gradcam", layer="second")
    explained_or_refused(backend, x, reentrant, True, "layer_integrated_gradients", layer="second")
    explained_or_refused(backend, x, reentrant, reentrant, "neuron_gradient", layer="second", neuron=1)


def test_a_refusal_leaves_gradients_switched_on(backend: Backend, x: np.ndarray) -> None:
    plain = network(backend, None)
    expected = tl.explain(plain, x, "saliency", 1).values
    with pytest.raises(tl.errors.NoGradientError):
        tl.explain(network(backend, False), x, "gradcam", 1, layer="second")
    np.testing.assert_array_equal(tl.explain(plain, x, "saliency", 1).values, expected)


def test_outside_of_explanations_parts_are_computed_again_as_ever(backend: Backend, x: np.ndarray) -> None:
    model, runs = network(backend, False), []
    handle = backend.on_exit(model.net.first, lambda _layer, _inputs, _output: runs.append(1))
    model.gradient(x, 1)
    handle.remove()
    assert len(runs) == 2
