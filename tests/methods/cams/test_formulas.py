"""Every map is what its paper's formula gives, written out in loops on activations and finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import pictures, small_net
from .nets import activation_of, bilinear, gradient_of, kill, pooled_net, scores_behind

TARGETS = [3, 0, 1]


def gradcam(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[1:])
    for k in range(len(a)):
        total += g[k].mean() * a[k]
    return np.maximum(total, 0)


def gradcam_plus_plus(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[1:])
    for k in range(len(a)):
        weight = 0.0
        for i, j in np.ndindex(*a.shape[1:]):
            if g[k, i, j] > 0:
                alpha = g[k, i, j] ** 2 / (2 * g[k, i, j] ** 2 + a[k].sum() * g[k, i, j] ** 3)
                weight += alpha * g[k, i, j]
        total += weight * a[k]
    return np.maximum(total, 0)


def xgradcam(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[1:])
    for k in range(len(a)):
        if a[k].sum() != 0:
            total += (a[k] / a[k].sum() * g[k]).sum() * a[k]
    return total


def hirescam(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    return np.sum([a[k] * g[k] for k in range(len(a))], axis=0)


def layercam(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    return np.maximum(np.sum([a[k] * np.maximum(g[k], 0) for k in range(len(a))], axis=0), 0)


def gradcam_elementwise(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    total = np.zeros(a.shape[1:])
    for place in np.ndindex(*a.shape):
        total[place[1:]] += max(0, g[place] * a[place])
    return np.maximum(total, 0)


def eigengradcam(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    return first_component(a * g)


def first_component(maps: np.ndarray) -> np.ndarray:
    """By the eigenvectors of the channels' products, an independent way to the singular vectors."""
    flat = maps.reshape(len(maps), -1)
    _, vectors = np.linalg.eigh(flat @ flat.T)
    projection = vectors[:, -1] @ flat
    sign = np.sign(projection @ flat.mean(axis=0))
    return (sign * projection).reshape(maps.shape[1:])


BY_GRADIENT: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
    "xgradcam": xgradcam,
    "hirescam": hirescam,
    "layercam": layercam,
    "gradcam_elementwise": gradcam_elementwise,
    "eigengradcam": eigengradcam,
}


@pytest.mark.parametrize("method", BY_GRADIENT)
def test_gradient_maps_follow_their_formula(backend: Backend, method: str) -> None:
    # Behind this layer the network is linear for small steps; behind max pooling zeros that tie would be in the way.
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    a, g = activation_of(model, x, "relu1"), gradient_of(model, x, "relu1", TARGETS)
    expected = np.stack([BY_GRADIENT[method](a[i], g[i]) for i in range(3)])[:, None]
    found = tl.explain(model, x, method, TARGETS, layer="relu1", upsample=False)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)
    assert np.abs(expected).max() > 0.001


@pytest.mark.parametrize("method", BY_GRADIENT)
def test_they_are_enlarged_bilinearly(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    small = tl.explain(model, x, method, 1, layer="6", upsample=False)
    large = tl.explain(model, x, method, 1, layer="6")
    assert large.values.shape == (2, 1, 8, 8)
    np.testing.assert_array_equal(large.extras["map"], small.values)
    np.testing.assert_allclose(large.values[1, 0], bilinear(small.values[1, 0], 8, 8), rtol=1e-12, atol=1e-14)


def test_eigencam_is_the_first_principal_direction(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3).astype(np.float64)
    for layer in ("4", "6"):
        a = activation_of(model, x, layer)
        found = tl.explain(model, x, "eigencam", layer=layer, upsample=False)
        np.testing.assert_allclose(found.values[:, 0], [first_component(one) for one in a], rtol=1e-9, atol=1e-11)
        norm = np.square(a).sum(axis=(1, 2, 3))
        shown = np.square(found.values).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found.error.values, 1 - shown / norm, rtol=1e-9)
        assert found.target is None


def naive_scorecam(model: Model, x: np.ndarray, layer: str, target: int) -> np.ndarray:
    """Of one picture (1, C, H, W), channel by channel."""
    a = activation_of(model, x, layer)[0]
    scores = np.zeros(len(a))
    for k in range(len(a)):
        mask = bilinear(a[k], *x.shape[2:])
        span = mask.max() - mask.min()
        mask = (mask - mask.min()) / span if span > 0 else np.zeros_like(mask)
        scores[k] = model.forward(x * mask)[0, target]
    weights = np.exp(scores) / np.exp(scores).sum()
    return np.maximum(sum(w * one for w, one in zip(weights, a, strict=True)), 0)


@pytest.mark.parametrize("layer", ["4", "6"])
def test_scorecam_follows_its_formula(backend: Backend, layer: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3, shape=(3, 8, 8)).astype(np.float64)
    expected = [naive_scorecam(model, x[i : i + 1], layer, TARGETS[i]) for i in range(3)]
    found = tl.explain(model, x, "scorecam", TARGETS, layer=layer, upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-10, atol=1e-13)
    assert found.evaluations == 3 * 8


def test_scorecam_runs_constant_channels_once(backend: Backend) -> None:
    model, x = kill(pooled_net(backend), 1, 2, 5), pictures(2).astype(np.float64)
    expected = [naive_scorecam(model, x[i : i + 1], "relu2", 2) for i in range(2)]
    found = tl.explain(model, x, "scorecam", 2, layer="relu2", upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-10, atol=1e-13)
    alive = np.ptp(activation_of(model, x, "relu2"), axis=(2, 3)) > 0
    assert 0 < alive.sum() <= 2 * 3
    assert found.evaluations == alive.sum() + 2


@pytest.mark.parametrize("layer", ["conv2", "relu2"])
def test_ablationcam_follows_its_formula(backend: Backend, layer: str) -> None:
    model, x = kill(pooled_net(backend), 0, 4), pictures(3).astype(np.float64)
    a, scores = activation_of(model, x, layer), model.forward(x)
    expected = []
    for i, target in enumerate(TARGETS):
        total = np.zeros(a.shape[2:])
        for k in range(a.shape[1]):
            without = a[i : i + 1].copy()
            without[0, k] = 0
            total += (scores[i, target] - scores_behind(model, x[i : i + 1], layer, without)[0, target]) * a[i, k]
        expected.append(np.maximum(total, 0))
    found = tl.explain(model, x, "ablationcam", TARGETS, layer=layer, upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-9, atol=1e-12)
    alive = a.any(axis=(2, 3)).sum()
    assert alive == 18 if layer == "conv2" else 0 < alive <= 12
    assert found.evaluations == alive


def test_cam_is_the_linear_layers_weights_on_the_maps(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    a, state = activation_of(model, x, "relu2"), model.state()
    found = tl.explain(model, x, "cam", TARGETS, upsample=False)
    for i, target in enumerate(TARGETS):
        expected = sum(state["fc.weight"][target, k] * a[i, k] for k in range(6))
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=1e-12, atol=1e-14)
        mean = found.values[i].mean() + state["fc.bias"][target]
        np.testing.assert_allclose(mean, found.scores[i, target], rtol=1e-12)
    assert str(found.extras["layer"]) == "relu2"
    assert np.abs(found.error.values).max() < 1e-12


def test_behind_pooling_and_one_linear_layer_gradcam_is_cam_by_the_number_of_places(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    cam = tl.explain(model, x, "cam", TARGETS, upsample=False).values
    for method in ("gradcam", "hirescam", "xgradcam"):
        found = tl.explain(model, x, method, TARGETS, layer="relu2", relu=False, upsample=False)
        np.testing.assert_allclose(found.values, cam / 16, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
        if method == "gradcam":
            continue
        bias = model.state()["fc.bias"][TARGETS]
        np.testing.assert_allclose(found.error.scale, found.scores[range(3), TARGETS] - bias, rtol=1e-10)


def test_gradcam_says_how_much_averaging_the_gradient_moves(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    a, g = activation_of(model, x, "relu1"), gradient_of(model, x, "relu1", TARGETS)
    exact = (a * g).sum(axis=1)
    moved = (a * g.mean(axis=(2, 3), keepdims=True)).sum(axis=1) - exact
    found = tl.explain(model, x, "gradcam", TARGETS, layer="relu1").error
    np.testing.assert_allclose(found.values, np.linalg.norm(moved.reshape(3, -1), axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.scale, np.linalg.norm(exact.reshape(3, -1), axis=1), rtol=1e-6)


def test_what_hirescam_leaves_out_is_told_by_a_run_without_the_layer(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    a = activation_of(model, x, "relu1")
    for method in ("hirescam", "xgradcam"):
        found = tl.explain(model, x, method, TARGETS, layer="relu1", relu=True)
        without = [scores_behind(model, x[i : i + 1], "relu1", 0 * a[:1])[0, TARGETS[i]] for i in range(3)]
        shared = found.scores[range(3), TARGETS] - without
        signed = tl.explain(model, x, method, TARGETS, layer="relu1", relu=False).extras["map"].sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found.error.scale, shared, rtol=1e-10)
        np.testing.assert_allclose(found.error.values, signed - shared, rtol=1e-9, atol=1e-12)
        assert np.abs(found.error.values).max() > 0.01


def test_scorecam_in_single_precision_is_near_double(backend: Backend) -> None:
    x = pictures(3)
    single, double = (
        tl.explain(small_net(backend, dtype=dtype), x, "scorecam", TARGETS, layer="6").values
        for dtype in ("float32", "float64")
    )
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5 * np.abs(double).max())


def test_xgradcam_sums_to_what_hirescam_sums_to(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    one, other = (tl.explain(model, x, name, TARGETS, layer="6") for name in ("hirescam", "xgradcam"))
    np.testing.assert_allclose(
        one.extras["map"].sum(axis=(1, 2, 3)), other.extras["map"].sum(axis=(1, 2, 3)), rtol=1e-9
    )
    assert not np.allclose(one.values, other.values)


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_of_names_what_is_explained(backend: Backend, of: str) -> None:
    model, x = pooled_net(backend), pictures(2).astype(np.float64)
    scores = model.forward(x)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    a = activation_of(model, x, "relu1")
    by_class = np.stack([gradient_of(model, x, "relu1", [c, c]) for c in range(4)])
    log_gradient = by_class[2] - np.einsum("nc,cnkhw->nkhw", p, by_class)
    factor = {"probability": p[:, 2], "log_probability": 1.0, "loss": -1.0}
    g = by_class[2] if of == "logit" else np.multiply(log_gradient.T, factor[of]).T
    found = tl.explain(model, x, "hirescam", 2, of=of, layer="relu1", upsample=False)
    np.testing.assert_allclose(found.values[:, 0], [hirescam(*pair) for pair in zip(a, g, strict=True)], atol=1e-8)


def test_gradcam_plus_plus_says_how_much_of_it_negative_activations_spoil(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    assert not tl.explain(model, x, "gradcam++", 1, layer="6").error.values.any()
    assert (tl.explain(model, x, "gradcam++", 1, layer="4").error.values > 0.1).any()


def test_what_speaks_against_the_class_is_told_where_it_is_left_out(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "gradcam_elementwise", TARGETS, layer="relu1", upsample=False)
    product = activation_of(model, x, "relu1") * gradient_of(model, x, "relu1", TARGETS)
    against = [-one[one < 0].sum() / np.abs(one).sum() for one in product]
    np.testing.assert_allclose(found.error.values, against, rtol=1e-6)
    # What is left out is all that sets it apart from HiResCAM.
    both = tl.explain(model, x, "hirescam", TARGETS, layer="relu1", upsample=False)
    np.testing.assert_allclose(found.values - both.values, np.maximum(-product, 0).sum(axis=1)[:, None], atol=1e-8)
    assert min(against) > 0.1


def test_guided_gradcam_is_the_product_of_the_two(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    for relu in (True, False):
        coarse = tl.explain(model, x, "gradcam", TARGETS, layer="6", relu=relu)
        fine = tl.explain(model, x, "guided_backprop", TARGETS)
        found = tl.explain(model, x, "guided_gradcam", TARGETS, layer="6", relu=relu)
        np.testing.assert_allclose(found.values, coarse.values * fine.values, rtol=1e-12)
        np.testing.assert_array_equal(found.extras["map"], coarse.extras["map"])
        assert found.values.shape == x.shape


def test_a_function_of_the_scores_is_a_target(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    for method in (
        "gradcam", "gradcam++", "gradcam_elementwise", "hirescam", "layercam", "eigengradcam", "segeigencam",
        "guided_gradcam", "scorecam",
    ):  # fmt: skip
        one = tl.explain(model, x, method, lambda scores: scores[:, 3], layer="6")
        other = tl.explain(model, x, method, 3, layer="6")
        np.testing.assert_allclose(one.values, other.values, rtol=1e-12, atol=1e-15)
        assert one.target is None
        np.testing.assert_array_equal(other.target, [3, 3])
    difference = tl.explain(model, x, "ablationcam", lambda s: s[:, 3] - s[:, 0], layer="6", relu=False).values
    three, none = (tl.explain(model, x, "ablationcam", c, layer="6", relu=False).values for c in (3, 0))
    np.testing.assert_allclose(difference, three - none, rtol=1e-9, atol=1e-12)
