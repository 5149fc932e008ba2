"""The class activation map holds where pooling feeds one linear layer, and says so where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, wrap

from ...backends.nets import build
from ...nets import pictures, randomise, small_net
from .nets import pooled_net


def test_the_averaged_layer_is_found_in_a_residual_network(backend: Backend) -> None:
    nn = backend.nn

    def block(net: Any, x: Any) -> Any:
        return net.relu(net.norm2(net.conv2(net.relu(net.norm1(net.conv1(x))))) + x)

    layers = {
        "conv1": nn.Conv2d(4, 4, 3, padding=1),
        "norm1": nn.BatchNorm2d(4),
        "conv2": nn.Conv2d(4, 4, 3, padding=1),
        "norm2": nn.BatchNorm2d(4),
        "relu": nn.ReLU(),
    }
    net = build(
        backend,
        lambda net, x: net.fc(backend.reshape(net.pool(net.block(net.stem(x))), (-1, 4))),
        stem=nn.Conv2d(3, 4, 3, stride=2),
        block=build(backend, block, **layers),
        pool=nn.AdaptiveAvgPool2d(1),
        fc=nn.Linear(4, 3),
    )
    found = tl.explain(randomise(wrap(net, dtype="float64")), pictures(2), "cam", [0, 2])
    assert str(found.extras["layer"]) == "block"
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)


def test_it_holds_in_float32_and_without_a_bias(backend: Backend) -> None:
    nn = backend.nn
    net = build(
        backend,
        lambda net, x: net.fc(backend.mean(net.relu(net.conv(x)), (2, 3))),
        conv=nn.Conv2d(3, 4, 3),
        relu=nn.ReLU(),
        fc=nn.Linear(4, 3, bias=False),
    )
    found = tl.explain(randomise(wrap(net)), pictures(3), "cam", 1, upsample=False)
    np.testing.assert_allclose(found.values.mean(axis=(1, 2, 3)), found.scores[:, 1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spelling", ["functional", "in place", "reused"])
def test_a_relu_without_a_layer_of_its_own_stands_between(backend: Backend, spelling: str) -> None:
    model = pooled_net(backend, spelling)
    with pytest.raises(tl.errors.MethodError, match=r"'fc' is given the means of no layer.*gradcam"):
        tl.explain(model, pictures(1), "cam", 0)
    with pytest.raises(tl.errors.MethodError, match=r"not given the means of layer 'conv2'.*gradcam"):
        tl.explain(model, pictures(1), "cam", 0, layer="conv2")


def test_the_layer_before_the_relu_is_refused_and_the_right_one_named(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"means of layer 'conv2'\. Pass layer='relu2'"):
        tl.explain(pooled_net(backend), pictures(1), "cam", 0, layer="conv2")


def test_maps_that_are_not_averaged_are_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="gradcam"):
        tl.explain(small_net(backend), pictures(1), "cam", 0)


@pytest.mark.parametrize("end", ["twice linear", "softmax", "scaled", "largest"])
def test_anything_else_between_pooling_and_scores_is_refused(backend: Backend, end: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        maps = net.relu(net.conv(x))
        if end == "largest":
            return net.fc(backend.amax(maps, (2, 3)))
        pooled = backend.mean(maps, (2, 3))
        if end == "twice linear":
            return net.fc(net.hidden(pooled))
        scores = net.fc(pooled)
        return backend.softmax(scores, 1) if end == "softmax" else 2 * scores

    net = build(
        backend,
        forward,
        conv=nn.Conv2d(3, 4, 3),
        relu=nn.ReLU(),
        hidden=nn.Linear(4, 4),
        fc=nn.Linear(4, 3),
    )
    with pytest.raises(tl.errors.MethodError, match="gradcam"):
        tl.explain(randomise(wrap(net)), pictures(2), "cam", 0)
    with pytest.raises(tl.errors.MethodError, match="gradcam"):
        tl.explain(randomise(wrap(net)), pictures(2), "cam", 0, layer="relu")


def test_what_holds_for_the_first_sample_only_is_noticed(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        pooled = backend.mean(net.relu(net.conv(x)), (2, 3))
        bright = backend.mean(x, (1, 2, 3)) > 5
        return net.fc(pooled * backend.where(bright, 2 * backend.mean(x * 0 + 1), backend.mean(x * 0 + 1))[:, None])

    net = build(backend, forward, conv=nn.Conv2d(3, 4, 3), relu=nn.ReLU(), fc=nn.Linear(4, 3))
    x = pictures(2)
    x[1] += 10
    with pytest.raises(tl.errors.MethodError, match="cam does not hold"):
        tl.explain(randomise(wrap(net)), x, "cam", 0)


def test_it_explains_classes_only(backend: Backend) -> None:
    with pytest.raises(tl.errors.TargetError, match="gradcam"):
        tl.explain(pooled_net(backend), pictures(1), "cam", lambda scores: scores[:, 0])
