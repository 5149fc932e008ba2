"""Penalties, blur and jitter of the visualisations against naive loops, and what they are good for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.checks import independent_samples

from ...nets import linear_net, pictures, small_net
from ..test_side_effects import lived_in, snapshot

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning")


def penalty(picture: np.ndarray, l2: float, total_variation: float, baseline: float) -> float:
    """Of one picture (C, H, W), pixel by pixel."""
    total = 0.0
    for plane in picture:
        for row in plane:
            total += sum(l2 * (value - baseline) ** 2 for value in row)
            total += sum(total_variation * (b - a) ** 2 for a, b in pairwise(row))
        for above, below in pairwise(plane):
            total += sum(total_variation * (b - a) ** 2 for a, b in zip(above, below, strict=True))
    return total


def penalty_gradient(picture: np.ndarray, l2: float, total_variation: float, baseline: float) -> np.ndarray:
    """Of one picture, from each pixel's neighbours."""
    gradient = np.zeros_like(picture)
    _, height, width = picture.shape
    for plane, row, column in np.ndindex(*picture.shape):
        value = picture[plane, row, column]
        gradient[plane, row, column] = 2 * l2 * (value - baseline)
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < height and 0 <= c < width:
                gradient[plane, row, column] += 2 * total_variation * (value - picture[plane, r, c])
    return gradient


def test_the_naive_penalty_and_its_gradient_belong_together() -> None:
    rng = np.random.default_rng(0)
    picture, direction = rng.normal(0, 1, (2, 3, 4, 5))
    up, down = (penalty(picture + h * direction, 0.3, 0.7, 0.5) for h in (0.5, -0.5))
    slope = (penalty_gradient(picture, 0.3, 0.7, 0.5) * direction).sum()
    assert up - down == pytest.approx(slope, rel=1e-12)


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Of one picture, with a Gaussian cut off at four standard deviations and the edge repeated."""
    radius = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (1, 2):
        size = picture.shape[axis]
        lines = [np.clip(np.arange(-radius, radius + 1) + i, 0, size - 1) for i in range(size)]
        moved = np.moveaxis(picture, axis, 0)
        picture = np.moveaxis(np.stack([np.tensordot(kernel, moved[line], axes=1) for line in lines]), 0, axis)
    return picture


def score_gradient(model: Model, x: np.ndarray, target: int) -> np.ndarray:
    return model.gradient(x, target)


def climbed(model: Model, x: np.ndarray, target: int, steps: int, rate: float = 0.1, **how: Any) -> np.ndarray:
    """The ascent as its documentation says, one picture at a time, in plain loops."""
    l2, variation, baseline = (how.get(name, 0.0) for name in ("l2", "total_variation", "baseline"))
    shifts = np.random.default_rng(how.get("seed", 0)).integers(
        -how.get("jitter", 0), how.get("jitter", 0) + 1, (steps, 2)
    )
    reached = []
    for picture in x.astype(np.float64):
        mean, square = np.zeros_like(picture), np.zeros_like(picture)
        for t in range(1, steps + 1):
            shift = tuple(int(s) for s in shifts[t - 1]) if t > 1 else (0, 0)
            seen = np.roll(picture, shift, (1, 2))
            gradient = np.roll(score_gradient(model, seen[None], target)[0], (-shift[0], -shift[1]), (1, 2))
            gradient = gradient - penalty_gradient(picture, l2, variation, baseline)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
            picture = picture + rate * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
            if how.get("blur") and t % how.get("blur_every", 4) == 0 and t < steps:
                picture = blurred(picture, how["blur"])
        reached.append(picture)
    return np.stack(reached)


HOWS: dict[str, dict[str, Any]] = {
    "plain": {"l2": 0.0},
    "l2": {"l2": 0.3, "baseline": 0.4},
    "total variation": {"l2": 0.0, "total_variation": 0.2},
    "blur": {"l2": 0.0, "blur": 0.8, "blur_every": 2},
    "jitter": {"l2": 0.0, "jitter": 2, "seed": 5},
    "all": {"l2": 0.1, "total_variation": 0.1, "blur": 0.6, "blur_every": 3, "jitter": 1, "seed": 1},
}


@pytest.mark.parametrize("how", list(HOWS))
def test_every_step_is_that_of_the_naive_loops(backend: Backend, how: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "class_visualisation", 2, steps=5, **HOWS[how])
    np.testing.assert_allclose(found.values, climbed(model, x, 2, 5, **({"baseline": 0.5} | HOWS[how])), rtol=1e-9)


@pytest.mark.parametrize("how", list(HOWS))
def test_filters_climb_by_the_same_steps_as_classes(backend: Backend, how: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    by_class = tl.explain(model, x, "class_visualisation", 2, steps=5, **HOWS[how])
    by_filter = tl.explain(model, x, "filter_visualisation", layer="9", filter=2, steps=5, **HOWS[how])
    np.testing.assert_allclose(by_filter.values, by_class.values, rtol=1e-12)
    np.testing.assert_allclose(by_filter.extras["activation"], by_class.extras["score"], rtol=1e-12)


def test_the_course_begins_and_ends_with_the_pictures_themselves(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "class_visualisation", [4, 0], steps=6, jitter=3, l2=0.1)
    rows = np.arange(2)
    np.testing.assert_allclose(found.extras["score"][:, 0], model.forward(x)[rows, [4, 0]], rtol=1e-12)
    np.testing.assert_allclose(found.extras["score"][:, -1], model.forward(found.values)[rows, [4, 0]], rtol=1e-12)
    np.testing.assert_array_equal(found.target, [4, 0])
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-12)


def test_of_a_linear_score_the_best_picture_is_known(backend: Backend) -> None:
    weights = np.random.default_rng(0).normal(0, 1, (2, 12))
    model, x = linear_net(backend, weights), np.zeros((1, 3, 2, 2))
    found = tl.explain(model, x, "class_visualisation", 1, steps=600, learning_rate=0.02, l2=0.5, baseline=0.25)
    np.testing.assert_allclose(found.values.ravel(), 0.25 + weights[1], atol=1e-3)
    assert abs(found.error.relative[0]) < 1e-3
    early = tl.explain(model, x, "class_visualisation", 1, steps=20, learning_rate=0.02, l2=0.5, baseline=0.25)
    assert early.error.relative[0] > 0.05


def test_the_estimate_is_the_last_tenth_beside_the_whole(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(2), "class_visualisation", 1, steps=30)
    course = found.extras["score"]
    np.testing.assert_allclose(found.error.values, course[:, 30] - course[:, 27])
    np.testing.assert_allclose(found.error.scale, course[:, 30] - course[:, 0])
    assert (course[:, -1] > course[:, 0]).all()


def test_penalties_do_what_they_are_for(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)

    def reached(**how: Any) -> np.ndarray:
        return tl.explain(model, x, "filter_visualisation", layer="4", filter=1, steps=40, **how).values

    def roughness(picture: np.ndarray) -> float:
        return penalty(picture[0], 0, 1, 0)

    plain = reached()
    assert ((reached(l2=1.0) - 0.5) ** 2).sum() < ((plain - 0.5) ** 2).sum() / 2
    assert roughness(reached(total_variation=1.0)) < roughness(plain) / 2
    assert roughness(reached(blur=1.0)) < roughness(plain) / 2


def test_without_a_target_the_start_is_driven_further_into_its_class(backend: Backend) -> None:
    model, x = small_net(backend), pictures(3)
    found = tl.explain(model, x, "class_visualisation", steps=3)
    np.testing.assert_array_equal(found.target, model.predict(x))


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_any_quantity_is_raised(backend: Backend, of: str) -> None:
    found = tl.explain(small_net(backend), pictures(1), "class_visualisation", 3, of=of, steps=10, l2=0.0)
    assert found.extras["score"][0, -1] > found.extras["score"][0, 0]


@pytest.mark.parametrize("method", ["class_visualisation", "filter_visualisation"])
def test_a_picture_does_not_feel_its_batch(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    target, params = ([0, 1, 2], {}) if method == "class_visualisation" else (None, {"layer": "4"})

    def found(batch_size: int | str) -> tl.Explanation:
        return tl.explain(model, x, method, target, steps=5, batch_size=batch_size, **HOWS["all"], **params)

    for batch_size in (1, 2):
        np.testing.assert_allclose(found(batch_size).values, found("auto").values, rtol=1e-10)
    alone = tl.explain(model, x[1:2], method, target and target[1], steps=5, **HOWS["all"], **params)
    np.testing.assert_allclose(alone.values, found("auto").values[1:2], rtol=1e-10)


def test_both_frameworks_climb_the_same_way(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (
        tl.explain(small_net(b, dtype="float64"), pictures(2), "class_visualisation", 1, steps=10, **HOWS["all"])
        for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(torch.extras["score"], paddle.extras["score"], rtol=1e-8)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"steps": 0}, "steps=0"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1"),
        ({"l2": -1}, "l2=-1"),
        ({"l2": np.nan}, "l2=nan"),
        ({"total_variation": "much"}, "total_variation='much'"),
        ({"blur": -1}, "blur=-1"),
        ({"blur_every": 0}, "blur_every=0"),
        ({"jitter": -1}, "jitter=-1"),
        ({"jitter": 1.5}, "jitter=1.5"),
        ({"jitter": True}, "jitter=True"),
        ({"seed": -1}, "seed=-1"),
    ],
)
@pytest.mark.parametrize("method", ["class_visualisation", "filter_visualisation"])
def test_parameters_that_do_not_fit_are_named(
    backend: Backend, method: str, params: dict[str, Any], named: str
) -> None:
    layer = {"layer": "4"} if method == "filter_visualisation" else {}
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), method, **layer, **params)


def test_classes_need_pictures_and_a_target_in_range(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.eye(4)), np.zeros((2, 4)), "class_visualisation", 0)
    with pytest.raises(tl.errors.TargetError, match="Target 9"):
        tl.explain(small_net(backend), pictures(1), "class_visualisation", 9)
    with pytest.raises(tl.errors.InputError, match="baseline"):
        tl.explain(small_net(backend), pictures(1), "class_visualisation", 0, baseline=np.zeros((5, 5)))


@pytest.mark.parametrize("failing_run", [1, 2, 4, None])
def test_the_network_comes_back_as_it_was(backend: Backend, failing_run: int | None) -> None:
    model, runs = lived_in(backend, "class_visualisation"), 0
    independent_samples(model, pictures(2))

    def fail(_net: Any, _inputs: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == failing_run:
            raise KeyError("the user's own error")

    handle = backend.on_enter(model.net, fail)
    before = snapshot(model)
    try:
        if failing_run is None:
            tl.explain(model, pictures(2), "class_visualisation", 0, steps=3)
        else:
            with pytest.raises(KeyError, match="the user's own error"):
                tl.explain(model, pictures(2), "class_visualisation", 0, steps=3)
    finally:
        assert snapshot(model) == before
        handle.remove()
