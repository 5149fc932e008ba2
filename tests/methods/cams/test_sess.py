"""SESS is a plain loop over the windows of the enlarged picture, whatever the method inside."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.cams import sess

from ...frameworks import need
from ...nets import linear_net, pictures, small_net
from ..calls import relative
from .nets import bilinear, pooled_net

X = pictures(2, seed=4, shape=(3, 9, 12)).astype(np.float64)
TARGETS = [3, 2]
SCALES: dict[str, Any] = {"scales": 3, "growth": 0.4}


def enlarged(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.stack([bilinear(channel, height, width) for channel in picture])


def windows(size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]) -> list[tuple[int, int]]:
    """First rows and columns, by walking until the end is reached."""
    corners: list[list[int]] = []
    for length, short, step in zip(size, window, stride, strict=True):
        starts = [0]
        while starts[-1] + short < length:
            starts.append(min(starts[-1] + step, length - short))
        corners.append(starts)
    return [(top, left) for top in corners[0] for left in corners[1]]


def smoothed(fused: np.ndarray, blur: float) -> np.ndarray:
    """A Gaussian cut off at its standard deviation, over a picture mirrored at its outer pixels."""
    if blur == 0:
        return fused
    radius = max(1, round(blur))
    mirrored = np.pad(fused, radius, mode="reflect")
    found = np.zeros_like(fused)
    weights = np.array([np.exp(-(d**2) / (2 * blur**2)) for d in range(-radius, radius + 1)])
    weights /= weights.sum()
    for i, j in np.ndindex(fused.shape):
        found[i, j] = weights @ mirrored[i : i + 2 * radius + 1, j : j + 2 * radius + 1] @ weights
    return found


def naive(
    model: Model,
    picture: np.ndarray,
    target: int,
    sample: int,
    inner: str,
    params: dict[str, Any],
    *,
    scales: int,
    growth: float,
    stride: tuple[int, int] | None = None,
    prefilter: float = 0.0,
    of: str = "probability",
    pool: str = "mean",
    threshold: float = 0.0,
    blur: float = 5.0,
) -> np.ndarray:
    """The map of one picture: every patch cut and explained by hand."""
    height, width = picture.shape[1:]
    found = []
    for scale in range(scales):
        size = (round(height * (1 + scale * growth)), round(width * (1 + scale * growth)))
        large = enlarged(picture, *size)
        for top, left in windows(size, (height, width), stride or (height, width)):
            patch = large[:, top : top + height, left : left + width][None]
            logits = model.forward(patch)[0]
            shares = np.exp(logits) / np.exp(logits).sum()
            score = shares[target] if of == "probability" else max(0.0, logits[target])
            own = dict(params)
            if "seed" in params:
                own["seed"] = int(np.random.SeedSequence([params["seed"], sample, len(found)]).generate_state(1)[0])
            values = tl.explain(model, patch, inner, target, **own).values[0]
            total = bilinear(np.maximum(values.sum(axis=0), 0), height, width)
            scaled = (total - total.min()) / (np.ptp(total) or 1)
            canvas = np.zeros(size)
            canvas[top : top + height, left : left + width] = scaled
            found.append((score, bilinear(canvas, height, width)))
    found.sort(key=lambda pair: pair[0])
    kept = found[int(len(found) * prefilter) :]
    fused = np.zeros((height, width))
    for i, j in np.ndindex(fused.shape):
        weighted = [score / (kept[-1][0] or 1) * canvas[i, j] for score, canvas in kept]
        counted = [value for value in weighted if value > threshold]
        if counted:
            fused[i, j] = sum(counted) / len(counted) if pool == "mean" else max(weighted)
    return smoothed(fused, blur)


INNER: dict[str, dict[str, Any]] = {
    "gradcam": {"layer": "relu2"},
    "layercam": {"layer": "relu1", "upsample": False},
    "eigencam": {"layer": "relu2"},
    "input_x_gradient": {},
    "integrated_gradients": {"steps": 3, "baseline": 0.5},
    "smoothgrad": {"samples": 2, "seed": 3},
    "guided_gradcam": {},
    "occlusion": {"window": 4, "stride": 4},
}


@pytest.mark.parametrize("inner", list(INNER))
def test_it_is_a_plain_loop_over_windows(backend: Backend, inner: str) -> None:
    model, params = pooled_net(backend), INNER[inner]
    found = tl.explain(model, X, "sess", TARGETS, inner=inner, inner_params=params, **SCALES)
    assert found.values.shape == (2, 1, 9, 12)
    for i, target in enumerate(TARGETS):
        expected = naive(model, X[i], target, i, inner, params, **SCALES)
        # What is rounded is the picture enlarged, one map, and a mean of at most nine.
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=0, atol=1e-12)
        assert expected.max() > 0.1
    np.testing.assert_array_equal(found.target, TARGETS)
    assert found.error is None


@pytest.mark.parametrize(
    "params",
    [
        {"stride": (4, 5)},
        {"stride": (9, 2), "blur": 0.0},
        {"blur": 0.4},
        {"prefilter": 0.5},
        {"pool": "max", "blur": 2.0},
        {"pool": "max", "prefilter": 0.3, "blur": 0.0},
        {"threshold": 0.2, "blur": 0.0},
        {"of": "logit"},
        {"scales": 1},
        {"growth": 1.0},
    ],
)
def test_every_parameter_does_what_a_loop_does(backend: Backend, params: dict[str, Any]) -> None:
    model, inner = pooled_net(backend), {"layer": "relu2"}
    given = SCALES | params
    found = tl.explain(model, X, "sess", TARGETS, inner_params=inner, **given)
    for i, target in enumerate(TARGETS):
        expected = naive(model, X[i], target, i, "gradcam", inner, **given)
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=0, atol=1e-12)


def test_of_a_single_scale_it_is_the_inner_map_from_0_to_1(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    x = pictures(2).astype(np.float64)
    plain = tl.explain(model, x, "gradcam", 1, layer="2").values
    low, high = (bound(plain, axis=(1, 2, 3), keepdims=True) for bound in (np.min, np.max))
    found = tl.explain(model, x, "sess", 1, inner_params={"layer": "2"}, scales=1, blur=0)
    np.testing.assert_allclose(found.values, (plain - low) / (high - low), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.extras["weights"], [[1], [1]])
    np.testing.assert_array_equal(found.extras["boxes"], [[0, 0, 8, 8]])


def test_the_class_is_that_of_the_whole_picture_in_all_patches(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    x = pictures(4).astype(np.float64)
    found = tl.explain(model, x, "sess", **SCALES)
    predicted = model.forward(x).argmax(axis=1)
    np.testing.assert_array_equal(found.target, predicted)
    named = tl.explain(model, x, "sess", predicted.tolist(), **SCALES)
    np.testing.assert_array_equal(found.values, named.values)
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-12)


def test_a_sample_does_not_feel_its_batch(backend: Backend) -> None:
    model, params = pooled_net(backend), SCALES | {"prefilter": 0.5, "inner": "saliency"}
    together = tl.explain(model, np.concatenate([X, 3 * X[:1]]), "sess", [*TARGETS, 1], **params)
    for i, target in enumerate(TARGETS):
        alone = tl.explain(model, X[i : i + 1], "sess", target, **params)
        np.testing.assert_allclose(together.values[i], alone.values[0], rtol=0, atol=1e-12)


def test_patches_are_scored_and_those_left_out_not_explained(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    x = pictures(2).astype(np.float64)
    found = tl.explain(model, x, "sess", 1, **SCALES, prefilter=0.99, blur=0)
    # 1 + 4 + 4 windows, of each picture one explained.
    assert found.evaluations == 2 * 9 + 2
    weights, kept = found.extras["weights"], found.extras["kept"]
    np.testing.assert_array_equal(kept.sum(axis=1), [1, 1])
    np.testing.assert_array_equal(weights[kept], [1, 1])
    assert (weights[~kept] < 1).all()
    for values, box in zip(found.values[:, 0], found.extras["boxes"][kept.argmax(axis=1)], strict=True):
        rows, columns = np.nonzero(values)
        # Bilinear interpolation reaches a pixel further.
        assert box[0] - 1 <= rows.min() <= rows.max() <= box[0] + box[2]
        assert box[1] - 1 <= columns.min() <= columns.max() <= box[1] + box[3]


def test_probabilities_too_small_for_a_float_still_weigh(backend: Backend) -> None:
    model = small_net(backend)
    state = model.state()
    model.load_state(state | {"9.weight": 1000 * state["9.weight"]})
    x = pictures(2)
    worst = model.forward(x).argmin(axis=1)
    assert (model.probabilities(x)[range(2), worst] == 0).all()
    found = tl.explain(model, x, "sess", worst.tolist(), inner="saliency", **SCALES)
    np.testing.assert_array_equal(found.extras["weights"].max(axis=1), [1, 1])
    assert (found.values.max(axis=(1, 2, 3)) > 0).all()


def test_where_no_patch_speaks_for_the_class_the_map_is_zero(backend: Backend) -> None:
    weights = np.stack([np.full(48, -1.0), np.full(48, 1.0)])
    x = pictures(2, shape=(3, 4, 4)).astype(np.float64)
    model = linear_net(backend, weights)
    params = SCALES | {"inner": "saliency", "of": "logit"}
    assert not tl.explain(model, x, "sess", 0, **params).values.any()
    # Its gradient is the same everywhere: that says nothing of places.
    assert not tl.explain(model, x, "sess", 1, **params).values.any()


def test_a_target_function_weighs_with_its_own_number(backend: Backend) -> None:
    model = pooled_net(backend)
    by_function = tl.explain(model, X, "sess", lambda scores: scores[:, 2], **SCALES)
    by_class = tl.explain(model, X, "sess", 2, of="logit", **SCALES)
    np.testing.assert_allclose(by_function.values, by_class.values, rtol=0, atol=1e-12)
    assert by_function.target is None


def test_traces_of_rounding_do_not_count_in_a_mean() -> None:
    """A map that is even but for rounding would be enlarged to the whole range, or count where it says nothing."""
    rounded = 1 + np.array([[[0, 4], [8, 2]]]) * np.finfo(np.float64).eps
    assert not sess.calibrated(rounded, (2, 2)).any()
    uneven = np.array([[[0.25, 0.25 + 1e-16], [1.0, 0.5]]])
    np.testing.assert_allclose(sess.calibrated(uneven, (2, 2)), [[0, 0], [1, 1 / 3]], rtol=1e-12, atol=0)


def test_windows_reach_the_end_and_never_beyond() -> None:
    for length in range(5, 30):
        for stride in range(1, 6):
            found = sess.places((5, length), 4, 0.4, (5, stride))
            for size in {place.size for place in found}:
                lefts = [place.left for place in found if place.size == size and place.top == 0]
                assert (lefts[0], lefts[-1] + length) == (0, size[1])
                assert all(0 < second - first <= stride for first, second in pairwise(lefts))


def test_patches_are_cut_from_a_picture_too_large_to_hold() -> None:
    """At 1000 times its size it would take 51 MB a channel; a window of it is as even as a place between two pixels."""
    picture = np.arange(64.0).reshape(1, 8, 8)
    tracemalloc.start()
    [patch] = sess.cut(picture, [sess.Place((8000, 8000), 3500, 4500)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    rows, columns = ((np.arange(8) + first + 0.5) / 1000 - 0.5 for first in (3500, 4500))
    np.testing.assert_allclose(patch[0], 8 * rows[:, None] + columns, rtol=1e-12)


def test_the_papers_scales_are_64_pixels_apart() -> None:
    sizes = [place.size[0] for place in sess.places((224, 224), 12, 2 / 7, (224, 224))]
    assert sorted(set(sizes)) == [224 + 64 * i for i in range(12)]


@pytest.mark.parametrize("inner", ["gradcam", "input_x_gradient", "smoothgrad", "scorecam"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_size_of_the_chunks_does_not_matter(backend: Backend, inner: str, size: int) -> None:
    model, params = pooled_net(backend), SCALES | {"inner": inner, "stride": 3}
    whole = tl.explain(model, X, "sess", TARGETS, **params)
    found = tl.explain(model, X, "sess", TARGETS, **params, batch_size=size)
    assert relative(found.values, whole.values) < 1e-11


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "cause"),
    [
        ({"inner": "gradcams"}, "no method 'gradcams'.*Did you mean 'gradcam'"),
        ({"inner": "sess"}, "sess cannot be its own inner method"),
        ({"inner": "class_visualisation"}, "explains the network"),
        ({"inner": "feature_factorisation"}, "explains the network"),
        ({"inner": "layer_activation", "inner_params": {"layer": "4"}}, "layer_activation explains no class"),
        (
            {"inner": "layer_gradient_x_activation", "inner_params": {"layer": "4"}},
            r"not maps of the pictures.*gradcam",
        ),
        ({"inner_params": {"steps": 3}}, "'gradcam' has no parameter 'steps'"),
        ({"inner_params": [3]}, "inner_params="),
        ({"inner": "deeplift", "inner_params": {"baseline": pictures(1)[0]}}, "baseline belongs to the places"),
        ({"inner": "integrated_gradients", "inner_params": {"baseline": [0.0, pictures(2)]}}, "belongs to the places"),
        ({"inner": "lime", "inner_params": {"segments": np.eye(8, dtype=int)}}, "segments belongs to the places"),
        (
            {"inner": "lime", "inner_params": {"segments": np.eye(8, dtype=int).tolist()}},
            "segments belongs to the places",
        ),
        (
            {
                "inner": "noise_tunnel",
                "inner_params": {"inner": "deeplift", "inner_params": {"baseline": pictures(1)[0]}},
            },
            "baseline belongs to the places",
        ),
        ({"inner": "deeplift", "inner_params": {"baseline": [[0.0], [1.0, 2.0]]}}, "neither a number nor an array"),
        ({"pool": ["mean"]}, "pool=.'mean'. is not known"),
        ({"scales": 0}, "scales=0 is not a positive whole number"),
        ({"growth": 0}, r"growth=0 enlarges pictures of \(8, 8\) by less than a pixel.*growth=0.125"),
        ({"growth": 1e308}, r"growth=1e\+308 and a stride of \(8, 8\) cut.*more than 100000 windows.*smaller growth"),
        ({"scales": 10**9}, "cut a picture into more than 100000 windows"),
        ({"stride": 1, "growth": 20}, r"a stride of \(1, 1\) cut"),
        ({"growth": "big"}, "growth='big' is not a finite number"),
        ({"stride": 0}, "stride=0"),
        ({"stride": (2, 3, 4)}, "3 numbers for pictures"),
        ({"stride": 9}, "stride=9 leaves gaps between windows"),
        ({"prefilter": 1}, "prefilter=1 is not from 0 to below 1"),
        ({"prefilter": -0.1}, "prefilter=-0.1"),
        ({"pool": "sum"}, "pool='sum' is not known"),
        ({"threshold": -1}, "threshold=-1 is below 0"),
        ({"blur": np.nan}, "blur=nan is not a finite number"),
    ],
)
def test_what_does_not_fit_is_named(backend: Backend, params: dict[str, Any], cause: str) -> None:
    with pytest.raises((tl.errors.MethodError, tl.errors.InputError), match=cause):
        tl.explain(small_net(backend), pictures(2), "sess", **params)


def test_other_inputs_and_weights_are_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="of='loss' is no weight"):
        tl.explain(small_net(backend), pictures(1), "sess", of="loss")
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.ones((2, 5))), np.ones((2, 5)), "sess")
    with pytest.raises(tl.errors.TargetError, match="Target 9 does not exist"):
        tl.explain(small_net(backend), pictures(1), "sess", 9)


def test_a_baseline_that_is_the_same_everywhere_belongs_to_its_sample(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    rows = np.broadcast_to(np.reshape([0.2, 0.9], (2, 1, 1, 1)), x.shape)
    params = SCALES | {"inner": "deeplift", "blur": 0}
    both = tl.explain(model, x, "sess", 1, **params, inner_params={"baseline": rows})
    for i, value in enumerate((0.2, 0.9)):
        alone = tl.explain(model, x[i : i + 1], "sess", 1, **params, inner_params={"baseline": value})
        np.testing.assert_allclose(both.values[i], alone.values[0], rtol=0, atol=1e-11)


# -- a second opinion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params", [{}, {"pool": "max"}, {"prefilter": 0.4}, {"stride": 10}, {"threshold": 0.1}, {"blur": 0}]
)
def test_it_is_the_map_of_pytorch_grad_cam(params: dict[str, Any]) -> None:
    need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    peers = pytest.importorskip("pytorch_grad_cam.sess")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, x = pooled_net(need("torch"), dtype="float32"), pictures(2, shape=(3, 28, 28))
    peer = peers.SESS(
        model.net.eval(),
        [model.layer("relu2")],
        num_scales=4,
        step_size=params.get("stride"),
        pre_filter_ratio=params.get("prefilter", 0.0),
        theta=params.get("threshold", 0.0),
        pool=params.get("pool", "mean"),
        smooth=params.get("blur", 5) > 0,
    )
    found = tl.explain(model, x, "sess", TARGETS, inner_params={"layer": "relu2"}, scales=4, **params)
    for i, target in enumerate(TARGETS):
        expected = peer.forward_single_image(model.tensor(x[i : i + 1]), ClassifierOutputTarget(target))
        # It adds 1e-7 to the largest value of a map, and interpolates in single precision.
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=0, atol=5e-6)
