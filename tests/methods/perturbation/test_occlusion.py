"""Occlusion: a sliding window, every value covered, nothing run twice; equal to a naive loop and to captum."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...frameworks import need
from ...nets import formula_net, linear_net, pictures, small_net


def windows_of(length: int, window: int, stride: int) -> list[slice]:
    starts = range(0, length - window + stride, stride)
    return [slice(start, start + window) for start in starts]


def naive(
    value: Callable[[np.ndarray], np.ndarray], x: np.ndarray, window: Any, stride: Any, start: np.ndarray
) -> np.ndarray:
    """One window of one sample at a time, as the definition says."""
    found = np.zeros(x.shape)
    for i, sample in enumerate(x):
        total, times = np.zeros(sample.shape), np.zeros(sample.shape)
        for place in itertools.product(*map(windows_of, sample.shape, window, stride)):
            hidden = sample.copy()
            hidden[place] = start[i][place]
            total[place] += value(sample[None])[0] - value(hidden[None])[0]
            times[place] += 1
        found[i] = total / times
    return found


def logit(model: Model, target: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda batch: model.forward(batch).astype(np.float64)[:, target]


@pytest.mark.parametrize(
    ("window", "stride", "full_window", "full_stride"),
    [
        (3, 2, (3, 3, 3), (1, 2, 2)),
        (3, 3, (3, 3, 3), (1, 3, 3)),  # the last window sticks out
        ((2, 5), (1, 4), (3, 2, 5), (1, 1, 4)),
        ((2, 3, 3), (1, 3, 2), (2, 3, 3), (1, 3, 2)),
        (8, 5, (3, 8, 8), (1, 5, 5)),
        (8, 20, (3, 8, 8), (1, 20, 20)),  # nothing to move to
        (4, None, (3, 4, 4), (1, 2, 2)),
        (1, None, (3, 1, 1), (1, 1, 1)),
    ],
)
def test_it_is_the_mean_over_the_windows_that_cover_a_value(
    backend: Backend, window: Any, stride: Any, full_window: Any, full_stride: Any
) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    start = pictures(2, seed=1).astype(np.float64)
    expected = naive(logit(model, 2), x, full_window, full_stride, start)
    found = tl.explain(model, x, "occlusion", 2, window=window, stride=stride, baseline=start)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)
    assert found.error is None
    assert found.values.shape == x.shape


def test_on_a_linear_network_it_is_the_mean_of_window_sums(backend: Backend) -> None:
    weights = np.random.default_rng(3).normal(size=(2, 3 * 6 * 7))
    x = pictures(2, shape=(3, 6, 7)).astype(np.float64)
    found = tl.explain(linear_net(backend, weights), x, "occlusion", [0, 1], window=3, stride=1, baseline=0.25)
    parts = weights.reshape(2, 3, 6, 7) * (x - 0.25)
    sums = np.lib.stride_tricks.sliding_window_view(parts.sum(axis=1), (3, 3), axis=(1, 2)).sum(axis=(-1, -2))
    for i, row, column in itertools.product(range(2), range(6), range(7)):
        covering = sums[i, max(0, row - 2) : row + 1, max(0, column - 2) : column + 1]
        np.testing.assert_allclose(found.values[i, :, row, column], covering.mean(), rtol=1e-10, atol=1e-13)


def test_a_table_loses_one_column_at_a_time(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    weights, x, baseline = rng.normal(size=(3, 5)), rng.normal(size=(4, 5)), rng.normal(size=5)
    found = tl.explain(linear_net(backend, weights), x, "occlusion", [0, 1, 2, 1], baseline=baseline)
    np.testing.assert_allclose(found.values, weights[[0, 1, 2, 1]] * (x - baseline), rtol=1e-10, atol=1e-13)
    pairs = tl.explain(linear_net(backend, weights), x, "occlusion", 1, window=2, stride=2)
    expected = weights[1] * x
    expected = np.concatenate([np.repeat(expected[:, a : a + 2].sum(1)[:, None], 2, 1) for a in (0, 2)], axis=1)
    np.testing.assert_allclose(pairs.values[:, :4], expected, rtol=1e-10)
    np.testing.assert_allclose(pairs.values[:, 4], weights[1, 4] * x[:, 4], rtol=1e-10)


def test_a_signal_loses_a_stretch_of_all_channels(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(2, 3, 32)), rng.normal(size=(2, 96))
    model = linear_net(backend, weights)
    expected = naive(logit(model, 1), x, (3, 4), (1, 2), np.zeros_like(x))
    np.testing.assert_allclose(tl.explain(model, x, "occlusion", 1).values, expected, rtol=1e-10, atol=1e-12)


def test_the_default_window_of_a_picture_is_an_eighth_of_the_shorter_side(backend: Backend) -> None:
    model = linear_net(backend, np.ones((2, 3 * 32 * 48)))
    x = pictures(1, shape=(3, 32, 48))
    found = tl.explain(model, x, "occlusion", 0)
    assert found.evaluations == 15 * 23
    np.testing.assert_array_equal(found.values, tl.explain(model, x, "occlusion", 0, window=4, stride=2).values)


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_it_explains_what_it_is_asked_for(backend: Backend, of: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1).astype(np.float64)
    value = {
        "logit": lambda batch: model.forward(batch)[:, 1],
        "probability": lambda batch: model.probabilities(batch)[:, 1],
        "log_probability": lambda batch: np.log(model.probabilities(batch)[:, 1]),
        "loss": lambda batch: -np.log(model.probabilities(batch)[:, 1]),
    }[of]
    found = tl.explain(model, x, "occlusion", 1, window=4, stride=4, of=of)
    np.testing.assert_allclose(
        found.values, naive(value, x, (3, 4, 4), (1, 4, 4), np.zeros_like(x)), rtol=1e-9, atol=1e-12
    )


def test_a_function_of_the_scores_can_be_explained(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "occlusion", lambda scores: scores[:, 3] - scores[:, 1], window=4)
    each = [tl.explain(model, x, "occlusion", target, window=4).values for target in (3, 1)]
    np.testing.assert_allclose(found.values, each[0] - each[1], rtol=1e-9, atol=1e-12)
    assert found.target is None


def test_several_baselines_are_averaged(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    several = tl.explain(model, x, "occlusion", 0, window=4, baseline=[0.0, "mean", "blur", "noise"], seed=5)
    each = [
        tl.explain(model, x, "occlusion", 0, window=4, baseline=baseline, seed=5).values
        for baseline in (0.0, "mean", "blur", "noise")
    ]
    np.testing.assert_allclose(several.values, np.mean(each, axis=0), rtol=1e-9, atol=1e-12)


def counted(model: Model) -> list[int]:
    """Sizes of the batches that run from now on."""
    sizes: list[int] = []
    model.hook("", pre=lambda _net, inputs: sizes.append(len(inputs[0])))
    return sizes


def test_windows_that_change_nothing_are_not_run(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    x[0] = 0
    x[1, :, :, 2:] = 0
    expected = naive(logit(model, 1), x.astype(np.float64), (3, 2, 2), (1, 2, 2), np.zeros(x.shape))
    sizes = counted(model)
    found = tl.explain(model, x, "occlusion", 1, window=2, stride=2)
    assert found.evaluations == 0 + 4 + 16
    assert sum(sizes) == 20 + 3
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)
    assert not found.values[0].any()


def test_windows_that_change_the_same_values_are_run_once(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), np.zeros((1, 3, 8, 8))
    x[0, 1, 3, 4], x[0, 2, 6, 6] = 1.0, -1.0
    found = tl.explain(model, x, "occlusion", 1, window=4, stride=1)
    assert found.evaluations == 3  # the one, the other, both
    expected = naive(logit(model, 1), x, (3, 4, 4), (1, 1, 1), np.zeros(x.shape))
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)


def test_a_sample_at_its_baseline_is_explained_by_zeros(backend: Backend) -> None:
    found = tl.explain(small_net(backend), np.zeros((2, 3, 8, 8)), "occlusion", 0)
    assert found.evaluations == 0
    assert not found.values.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_batch_size_does_not_matter(backend: Backend, dtype: str) -> None:
    model, x = small_net(backend, dtype=dtype), pictures(3)
    found = [
        tl.explain(model, x, "occlusion", [0, 1, 2], window=3, batch_size=size).values for size in (1, 7, 1000, "auto")
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-6)
    assert found[0].dtype == dtype


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    for dtype, rtol, atol in (("float64", 1e-10, 1e-12), ("float32", 1e-4, 1e-5)):
        torch, paddle = (
            tl.explain(small_net(b, dtype=dtype), pictures(2), "occlusion", of="probability").values for b in both
        )
        np.testing.assert_allclose(torch, paddle, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("window", "stride"), [((3, 3, 3), (1, 2, 2)), ((2, 3, 5), (1, 3, 2)), ((3, 8, 8), (1, 1, 1))])
def test_it_is_captums(window: Any, stride: Any) -> None:
    attr = pytest.importorskip("captum.attr")
    model, x, start = small_net(need("torch"), dtype="float64"), pictures(3), pictures(3, seed=1)
    native, native_start = (model.tensor(each.astype(np.float64)) for each in (x, start))
    expected = attr.Occlusion(model.net.eval()).attribute(
        native, sliding_window_shapes=window, strides=stride, baselines=native_start, target=[3, 0, 1]
    )
    found = tl.explain(model, x, "occlusion", [3, 0, 1], window=window, stride=stride, baseline=start)
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "bad",
    [
        {"window": 0}, {"window": -3}, {"window": 9}, {"window": 2.0}, {"window": True}, {"window": "3"},
        {"window": (2, 9)}, {"window": (4, 2, 2)}, {"window": (1, 2, 2, 2)}, {"window": (3,)}, {"window": ()},
        {"window": (2, 0)}, {"window": (2, None)}, {"window": np.array([[2, 2]])}, {"window": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_a_window_that_does_not_fit_is_named(backend: Backend, bad: dict[str, Any]) -> None:
    with pytest.raises(tl.errors.MethodError, match="window="):
        tl.explain(small_net(backend), pictures(1), "occlusion", 0, **bad)


def test_a_number_may_be_an_array_or_a_tensor(backend: Backend) -> None:
    model, x = small_net(backend), pictures(1)
    expected = tl.explain(model, x, "occlusion", 0, window=4, stride=2).values
    for number in (np.array, lambda value: backend.asarray(np.array(value), "int64"), np.int16):
        found = tl.explain(model, x, "occlusion", 0, window=number(4), stride=number(2)).values
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "stride", [0, np.array(2.0), np.array(True), -1, 4, 1.5, (1, 4), (1, 1, 1, 1), (2,), "2"], ids=str
)
def test_a_stride_that_does_not_fit_is_named(backend: Backend, stride: Any) -> None:
    with pytest.raises(tl.errors.MethodError, match="stride="):
        tl.explain(small_net(backend), pictures(1), "occlusion", 0, window=3, stride=stride)


def test_other_bad_input_is_an_error(backend: Backend) -> None:
    model, x = small_net(backend), pictures(1)
    for bad in ({"baseline": np.nan}, {"baseline": np.zeros((2, 2))}, {"baseline": "grey"}, {"of": "score"}):
        with pytest.raises(tl.errors.InputError):
            tl.explain(model, x, "occlusion", 0, **bad)
    with pytest.raises(tl.errors.InputError, match="batch_size"):
        tl.explain(model, x, "occlusion", 0, batch_size=0)
    with pytest.raises(tl.errors.MethodError, match="seed"):
        tl.explain(model, x, "occlusion", 0, seed=-1)
    with pytest.raises(tl.errors.TargetError):
        tl.explain(model, x, "occlusion", 5)
    with pytest.raises(tl.errors.TwinlensError, match="one output"):
        tl.explain(linear_net(backend, np.ones((1, 4))), np.ones((2, 4)), "occlusion", of="probability")


def test_one_output_is_explained(backend: Backend) -> None:
    found = tl.explain(linear_net(backend, np.full((1, 4), 2.0)), np.ones((2, 4)), "occlusion")
    np.testing.assert_allclose(found.values, 2)


def test_scores_that_break_under_the_window_are_an_error(backend: Backend) -> None:
    inverse = formula_net(backend, lambda u, w: (1 / u) @ w, np.ones((4, 2)))
    with pytest.raises(tl.errors.NonFiniteError):
        tl.explain(inverse, np.ones((1, 4)), "occlusion", 0)
