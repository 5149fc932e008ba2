"""Ablation runs the network from the layer on where that is exact, and whole where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, wrap
from twinlens.methods.cams.after_layer import AfterLayer

from ...nets import pictures
from .nets import activation_of, around_net, scores_behind

X = pictures(2, shape=(3, 5, 6)).astype(np.float64)


def samples_through(model: Any, layer: str, action: Any) -> int:
    backend, seen = model.backend, 0

    def count(_layer: Any, inputs: Any) -> None:
        nonlocal seen
        seen += backend.shape(inputs[0])[0]

    with model.hook(layer, pre=count):
        action()
    return seen


@pytest.mark.parametrize("way", ["straight", "shortcut", "concatenation", "counted"])
@pytest.mark.parametrize("size", ["auto", 1, 3])
def test_ablation_is_exact_whatever_goes_round_the_layer(backend: Backend, way: str, size: int | str) -> None:
    model = around_net(backend, way)
    a, scores = activation_of(model, X, "conv2"), model.forward(X)
    expected = []
    for i, target in enumerate([2, 0]):
        without = np.repeat(a[i : i + 1], 4, axis=0)
        without[range(4), range(4)] = 0
        falls = scores[i, target] - scores_behind(model, X[i : i + 1], "conv2", without)[:, target]
        expected.append(np.tensordot(falls, a[i], axes=1))
    found = tl.explain(model, X, "ablationcam", [2, 0], layer="conv2", relu=False, upsample=False, batch_size=size)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-9, atol=1e-12)


def test_the_network_before_the_layer_runs_once_a_picture_where_it_can(backend: Backend) -> None:
    for way, whole_runs in {"straight": False, "shortcut": False, "concatenation": True, "counted": True}.items():
        model = around_net(backend, way)
        seen = samples_through(model, "conv1", lambda m=model: tl.explain(m, X, "ablationcam", 0, layer="conv2"))
        assert seen == 2 + 2 if not whole_runs else seen >= 2 + 2 * 4, way


def test_networks_that_return_more_than_scores_or_one_number_each(backend: Backend) -> None:
    plain = around_net(backend, "shortcut")
    expected = tl.explain(plain, X, "ablationcam", 0, layer="conv2").values
    net = plain.net
    whole = net.forward

    for returned, pick in (
        (lambda x: {"scores": whole(x), "more": 1}, lambda out: out["scores"]),
        (lambda x: (x, whole(x)), lambda out: out[1]),
        (whole, lambda out: out[:, 0]),
    ):
        net.forward = returned
        found = tl.explain(wrap(net, output=pick), X, "ablationcam", 0, layer="conv2")
        np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-14)


def test_a_network_that_mixes_its_samples_up_is_run_whole(backend: Backend) -> None:
    """Batches that a network wrongly takes for one sample are noticed by the layer's own output among them."""
    model = around_net(backend, "straight")
    net, whole = model.net, model.net.forward

    def centred(x: Any) -> Any:
        scores = whole(x)
        # Right for one picture at a time and for a batch of equal samples, wrong for one picture's many outputs.
        return scores - (backend.mean(scores, 0, keepdims=True) if x.shape[0] == 1 else scores * 0.5 + scores * 0.5)

    net.forward = centred
    behind = AfterLayer(model, "conv2")
    a, scores = activation_of(model, X[:1], "conv2"), model.forward(X[:1])
    outputs = np.concatenate([a * 0, a * 2])
    with backend.frozen(net), backend.no_grad():
        found = backend.numpy(behind.scores(X[:1], a, scores, outputs))
    np.testing.assert_allclose(found, scores_behind(model, X[:1], "conv2", outputs), rtol=1e-10, atol=1e-12)


def test_a_network_that_takes_one_sample_for_all_is_run_whole(backend: Backend) -> None:
    """The layer's own output would agree beside outputs that are like it where the network takes them from."""
    model = around_net(backend, "straight")
    net = model.net

    def forward(x: Any) -> Any:
        y = net.conv2(net.relu1(net.conv1(x)))
        flat = backend.reshape(y, (-1, net.features))
        return net.fc(net.hidden(flat + flat[: x.shape[0]] ** 2))

    net.forward = forward
    a, scores = activation_of(model, X[:1], "conv2"), model.forward(X[:1])
    outputs = np.repeat(a, 4, axis=0)
    outputs[range(4), range(4), 0] = 0
    with backend.frozen(net), backend.no_grad():
        found = backend.numpy(AfterLayer(model, "conv2").scores(X[:1], a, scores, outputs[[0, 0, 1, 2, 3]]))
    expected = scores_behind(model, X[:1], "conv2", outputs[[0, 0, 1, 2, 3]])
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_a_neuron_is_no_score_of_the_network_though_it_be_equal(backend: Backend) -> None:
    """Both are 0 at the sample, and differ at other outputs of the layer."""
    nn = backend.nn
    layers = [nn.Linear(3, 3), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1), nn.ReLU()]
    model = wrap(nn.Sequential(*layers), dtype="float64")
    zeros = {name: 0 * array for name, array in model.state().items()}
    weights = {"0.weight": np.eye(3), "1.weight": np.ones((2, 3)), "3.weight": np.full((1, 2), 7.0)}
    model.load_state(zeros | weights)
    unit, x = tl.neuron(model, "2", 0), np.full((1, 3), -1.0)
    found = tl.explain(unit, x, "layer_feature_ablation", 0, layer="0", baseline=10.0)
    np.testing.assert_allclose(found.values, np.full((1, 3), -8.0), rtol=1e-12)
