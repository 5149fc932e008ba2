"""Weights that are not numbers are found before a method runs, whenever they come."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.checks import finite, finite_weights, independent_samples, second_in_shape

from ..backends.nets import build
from ..frameworks import need, paddle, torch
from ..nets import pictures, small_net


def spoil(model: Model, name: str, value: float) -> None:
    state = model.state()
    state[name].flat[-1] = value
    model.load_state(state)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["0.weight", "1.running_var", "9.bias"])
def test_a_weight_that_is_not_finite_is_named(backend: Backend, name: str, value: float) -> None:
    model = small_net(backend)
    finite_weights(model)
    spoil(model, name, value)
    for _ in range(2):
        with pytest.raises(tl.errors.NonFiniteError, match=f"'{name}'"):
            finite_weights(model)
    spoil(model, name, 1.0)
    finite_weights(model)


def test_a_layer_put_in_place_of_another_is_looked_at(backend: Backend) -> None:
    model, other = small_net(backend), small_net(backend, seed=1)
    finite_weights(model)
    spoil(other, "9.weight", np.nan)
    setattr(model.net, "9", backend.modules(other.net)["9"])
    with pytest.raises(tl.errors.NonFiniteError, match=r"9\.weight"):
        finite_weights(model)


def test_weights_made_in_inference_mode_are_looked_at_each_time() -> None:
    need("torch")
    with torch.inference_mode():
        model = tl.wrap(torch.nn.Linear(2, 2))
        finite_weights(model)
        model.net.weight.fill_(float("nan"))
        with pytest.raises(tl.errors.NonFiniteError):
            finite_weights(model)


def own_statistics(backend: Backend) -> Model:
    if backend.name == "torch":
        return tl.wrap(torch.nn.Sequential(torch.nn.BatchNorm1d(3, track_running_stats=False), torch.nn.Linear(3, 2)))
    nn = paddle.nn
    return tl.wrap(nn.Sequential(nn.BatchNorm1D(3, use_global_stats=False), nn.Linear(3, 2)))


def test_samples_that_depend_on_one_another_are_not_explained(backend: Backend, rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 3))
    with pytest.raises(tl.errors.MethodError, match="'0' takes its statistics from the batch"):
        tl.explain(own_statistics(backend), x, "saliency", target=0)


NOISE = np.random.default_rng(0)
MIXING: dict[str, Callable[[Backend, Any], Any]] = {
    "the largest of the batch": lambda backend, x: x / backend.amax(x),
    "the mean of the batch": lambda backend, x: x - backend.mean(x, 0, keepdims=True),
    "the sample before": lambda backend, x: x + 0.5 * backend.concat([x[-1:], x[:-1]]),
}


def formula(backend: Backend, forward: Callable[[Backend, Any], Any]) -> Model:
    with backend.seeded(0):
        return tl.wrap(build(backend, lambda net, x: net.head(forward(backend, x)), head=backend.nn.Linear(3, 2)))


@pytest.mark.parametrize("mixing", MIXING)
@pytest.mark.parametrize("samples", [1, 4])
def test_a_network_that_mixes_samples_is_not_explained(
    backend: Backend, rng: np.random.Generator, mixing: str, samples: int
) -> None:
    with pytest.raises(tl.errors.MethodError, match="The network mixes the samples of a batch"):
        tl.explain(formula(backend, MIXING[mixing]), rng.random((samples, 3)), "saliency", target=0)


@pytest.mark.parametrize(
    "forward",
    [
        pytest.param(lambda backend, x: x / backend.amax(x, 1, keepdims=True), id="the largest of each sample"),
        pytest.param(lambda backend, x: x + backend.asarray(NOISE.random(3), "float32"), id="random"),
        pytest.param(lambda backend, x: backend.reshape(x, (4, 3)), id="batches of one size only"),
    ],
)
def test_a_network_that_keeps_samples_apart_is_explained(
    backend: Backend, rng: np.random.Generator, forward: Callable[[Backend, Any], Any]
) -> None:
    values = tl.explain(formula(backend, forward), rng.random((4, 3)), "saliency", target=0).values
    assert np.isfinite(values).all()


def test_a_network_that_takes_no_numbers_but_the_users_is_explained(backend: Backend, rng: np.random.Generator) -> None:
    def between_0_and_1(backend: Backend, x: Any) -> Any:
        assert 0 <= backend.numpy(x).min() <= backend.numpy(x).max() <= 1
        return x

    values = tl.explain(formula(backend, between_0_and_1), rng.random((2, 3)), "saliency", target=0).values
    assert np.isfinite(values).all()


def test_whether_samples_are_mixed_is_tried_once_and_seen_by_no_hook_of_ours(backend: Backend) -> None:
    model, runs = small_net(backend), []
    with model.hook("0", post=lambda _layer, _inputs, _output: runs.append(1)):
        for expected in (1, 2):
            tl.explain(model, pictures(2), "saliency", 0)
            assert len(runs) == expected


def test_a_layer_without_weights_that_mixes_samples_later_is_found(backend: Backend) -> None:
    nn = backend.nn
    model = tl.wrap(nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 2)))
    model.load_state({name: np.ones_like(array) for name, array in model.state().items()})
    x = np.random.default_rng(0).random((2, 3))
    for _ in range(2):
        tl.explain(model, x, "saliency", 0)
    setattr(model.net, "1", build(backend, lambda net, x: x + backend.amax(x)))
    with pytest.raises(tl.errors.MethodError, match="The network mixes the samples of a batch"):
        tl.explain(model, x, "saliency", 0)


def test_layers_that_keep_running_statistics_are_no_reason_to_refuse(backend: Backend) -> None:
    independent_samples(small_net(backend), pictures(1))


def test_a_batch_norm_that_loses_its_statistics_later_is_found(backend: Backend) -> None:
    model = small_net(backend)
    tl.explain(model, pictures(2), "saliency", 0)
    norm = backend.modules(model.net)["1"]
    if backend.name == "torch":
        norm.running_mean = norm.running_var = None
    else:
        norm._use_global_stats = False
    with pytest.raises(tl.errors.MethodError, match="'1' takes its statistics from the batch"):
        tl.explain(model, pictures(2), "saliency", 0)


def test_older_batch_norms_of_paddle_are_told_apart() -> None:
    backend = need("paddle")
    assert backend.uses_batch_statistics(paddle.nn.BatchNorm(2, trainable_statistics=True))
    assert not backend.uses_batch_statistics(paddle.nn.BatchNorm(2))
    assert not backend.uses_batch_statistics(paddle.nn.BatchNorm(2, trainable_statistics=True, use_global_stats=True))


def channels_last() -> Model:
    """A Paddle network that turns its pictures to (N, H, W, C) first."""

    class Net(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = paddle.nn.Conv2D(3, 6, 3, data_format="NHWC")
            self.norm = paddle.nn.BatchNorm2D(6, data_format="NHWC")
            self.head = paddle.nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            maps = self.norm(self.convolution(x.transpose([0, 2, 3, 1])))
            return self.head(paddle.nn.functional.relu(maps).mean([1, 2]))

    return tl.wrap(Net())


@pytest.mark.parametrize(
    "method", ["gradcam", "eigencam", "scorecam", "ablationcam", "cam", "guided_gradcam", "lrp", "filter_visualisation"]
)
def test_maps_with_their_channels_last_are_not_taken_for_others(method: str, rng: np.random.Generator) -> None:
    need("paddle")
    params = {"layer": "convolution", "filter": 0} if method == "filter_visualisation" else {}
    with pytest.raises(tl.errors.LayerError, match=r"'convolution' has its channels on the last axis \(NHWC\)"):
        tl.explain(channels_last(), rng.random((2, 3, 8, 8)), method, **params)


def test_gradients_do_not_mind_channels_that_come_last(rng: np.random.Generator) -> None:
    need("paddle")
    values = tl.explain(channels_last(), rng.random((2, 3, 8, 8)), "saliency", 1).values
    assert np.isfinite(values).all()
    assert np.abs(values).max() > 0


def test_every_spelling_of_channels_that_come_last_is_known() -> None:
    backend, nn = need("paddle"), paddle.nn
    last = [
        nn.Conv1D(2, 2, 1, data_format="NLC"), nn.Conv2D(2, 2, 1, data_format="NHWC"),
        nn.BatchNorm2D(2, data_format="NHWC"), nn.BatchNorm(2, data_layout="NHWC"),
        nn.MaxPool2D(2, data_format="NHWC"), nn.AdaptiveAvgPool2D(1, data_format="NHWC"),
        nn.Pad2D(1, data_format="NHWC"), nn.PReLU(2, data_format="NHWC"), nn.GroupNorm(2, 2, data_format="NHWC"),
    ]  # fmt: skip
    second = [
        nn.Conv1D(2, 2, 1), nn.Conv2D(2, 2, 1), nn.BatchNorm1D(2), nn.BatchNorm2D(2), nn.BatchNorm(2), nn.MaxPool2D(2),
        nn.Pad2D(1), nn.PReLU(2), nn.GroupNorm(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.LayerNorm(2),
    ]  # fmt: skip
    assert [backend.has_channels_last(layer) for layer in last] == [True] * len(last)
    assert [backend.has_channels_last(layer) for layer in second] == [False] * len(second)


@pytest.mark.parametrize(
    ("shape", "picture", "last"),
    [
        ((2, 7, 7, 768), (224, 224), True),
        ((2, 56, 56, 96), (224, 224), True),
        ((2, 7, 10, 64), (224, 320), True),
        ((2, 768, 7, 7), (224, 224), False),
        ((2, 64, 64, 64), (128, 128), False),
        ((2, 512, 1, 26), (32, 100), False),  # strides that differ along the axes
        ((2, 3, 2, 3), (70, 99), False),
        ((2, 1, 1, 1), (8, 8), False),
        ((2, 49, 768), (224, 224), False),
        ((2, 768), (224, 224), False),
    ],
)
def test_channels_that_come_last_are_told_by_the_form_of_the_maps(
    shape: tuple[int, ...], picture: tuple[int, ...], last: bool
) -> None:
    with pytest.raises(tl.errors.LayerError, match="come last") if last else nullcontext():
        second_in_shape(shape, "features", picture)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 10**400, "much", None, [1, 2], True, np.True_])
def test_what_is_no_finite_number_is_refused_with_one_that_would_do(value: Any) -> None:
    with pytest.raises(tl.errors.MethodError, match="is not a finite number") as caught:
        finite("max_seconds", value)
    # Above 0 and below 1: no further check of any method refuses it.
    assert caught.value.cure == "Pass max_seconds=0.5, for example."
