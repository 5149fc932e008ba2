"""Finer-CAM explains what sets a class apart from those that are most like it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.cams.finercam import most_alike

from ...nets import linear_net, pictures
from .nets import CLASSES, activation_of, gradient_of, pooled_net

TARGETS = [3, 0, 1]


def naive_alike(scores: np.ndarray, target: int, count: int) -> list[int]:
    left, found = [c for c in range(len(scores)) if c != target], []
    for _ in range(count):
        nearest = left[0]
        for c in left:
            if abs(scores[c] - scores[target]) < abs(scores[nearest] - scores[target]):
                nearest = c
        found.append(nearest)
        left.remove(nearest)
    return found


def difference(scores: np.ndarray, target: int, alike: list[int], alpha: float) -> float:
    powers = {d: np.exp(scores[d]) for d in alike}
    total = sum(powers.values())
    return float(sum(powers[d] / total * (scores[target] - alpha * scores[d]) for d in alike))


@pytest.mark.parametrize(("alpha", "similar"), [(1.0, 3), (0.6, 2), (-2.0, 1)])
def test_it_is_gradcam_of_the_difference(backend: Backend, alpha: float, similar: int) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    a = activation_of(model, x, "relu1")
    by_class = np.stack([gradient_of(model, x, "relu1", [c] * 3) for c in range(CLASSES)])
    found = tl.explain(
        model, x, "finercam", TARGETS, layer="relu1", alpha=alpha, similar=similar, relu=False, upsample=False
    )
    step = 1e-6
    for i, target in enumerate(TARGETS):
        scores = found.scores[i]
        alike = naive_alike(scores, target, similar)
        assert found.extras["similar"][i].tolist() == alike
        moved = [difference(scores + move, target, alike, alpha) for move in step * np.eye(CLASSES)]
        back = [difference(scores - move, target, alike, alpha) for move in step * np.eye(CLASSES)]
        slope = (np.array(moved) - back) / (2 * step)
        total = np.zeros(a.shape[2:])
        for k in range(a.shape[1]):
            total += sum(slope[c] * by_class[c, i, k].mean() for c in range(CLASSES)) * a[i, k]
        np.testing.assert_allclose(found.values[i, 0], total, rtol=1e-6, atol=1e-8)
    clipped = tl.explain(model, x, "finercam", TARGETS, layer="relu1", alpha=alpha, similar=similar, upsample=False)
    np.testing.assert_array_equal(clipped.values, np.maximum(found.values, 0))


def test_compared_with_nothing_it_is_gradcam(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    one = tl.explain(model, x, "finercam", TARGETS, alpha=0.0)
    other = tl.explain(model, x, "gradcam", TARGETS)
    np.testing.assert_allclose(one.values, other.values, rtol=1e-12)
    np.testing.assert_allclose(one.error.values, other.error.values, rtol=1e-12)


def test_compared_with_one_class_it_is_gradcam_of_two_logits(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "finercam", 2, similar=1, layer="relu1", relu=False)
    for i, rival in enumerate(found.extras["similar"][:, 0]):
        logits = tl.explain(
            model, x[i : i + 1], "gradcam", lambda s, d=int(rival): s[:, 2] - s[:, d], layer="relu1", relu=False
        )
        np.testing.assert_allclose(found.values[i], logits.values[0], rtol=1e-10, atol=1e-14)


def test_classes_above_and_below_are_alike_and_the_class_itself_never_is() -> None:
    scores = np.array([[0.0, 3.0, 1.0, 3.0, 2.5], [5.0, 5.0, 5.0, 5.0, 5.0]])
    np.testing.assert_array_equal(most_alike(scores, np.array([3, 2]), 3), [[1, 4, 2], [0, 1, 3]])


def test_predicted_classes_are_compared_where_none_is_named(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "finercam")
    order = np.argsort(-found.scores, axis=1)
    np.testing.assert_array_equal(found.target, order[:, 0])
    np.testing.assert_array_equal(found.extras["similar"], order[:, 1:4])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"similar": 4}, tl.errors.MethodError, r"similar=4 other classes are asked for.*has 3.*Pass similar=3"),
        ({"similar": 0}, tl.errors.MethodError, "similar=0 is not a positive whole number"),
        ({"similar": 1.5}, tl.errors.MethodError, r"similar=1\.5 is not a positive whole number"),
        ({"alpha": "much"}, tl.errors.MethodError, "alpha='much' is not a finite number"),
        ({"alpha": np.inf}, tl.errors.MethodError, "alpha=inf is not a finite number"),
        ({"target": lambda s: s[:, 0]}, tl.errors.TargetError, "compares the logits of classes, not a function"),
        ({"of": "probability"}, tl.errors.MethodError, "no parameter 'of'"),
    ],
)
def test_what_cannot_be_compared_is_named(
    backend: Backend, call: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tl.explain(pooled_net(backend), pictures(2), "finercam", **call)


def test_a_network_of_one_output_is_told_that_it_has_nothing_to_compare(backend: Backend) -> None:
    nn = backend.nn
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1))
    with pytest.raises(tl.errors.MethodError, match=r"the network has 0\. .*gradcam.*compared with nothing"):
        tl.explain(tl.wrap(net), pictures(1), "finercam", 0, similar=1)
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.ones((1, 4))), np.ones((1, 4)), "finercam", 0)
