"""RISE: masks that are the same everywhere, the paper's mean over them, and an honest error."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.rise import _enlarger, _masks

from ...frameworks import need
from ...nets import formula_net, linear_net, pictures, small_net

SIZE = (4, 5)
PIXELS = 20


def masks_of(seed: int, i: int, count: int, size: tuple[int, int], cells: int, p_keep: float = 0.5) -> np.ndarray:
    return _masks(size, cells, p_keep)(np.random.default_rng([seed, i]), count)


def every_mask(size: tuple[int, int], cells: int, p_keep: float) -> tuple[np.ndarray, np.ndarray]:
    """All masks there are, and how probable each is."""
    lengths = [-(-n // cells) for n in size]
    rows, columns = (_enlarger(cells, length).astype(np.float64) for length in lengths)
    masks, chances = [], []
    for grid in itertools.product((0, 1), repeat=cells * cells):
        whole = rows @ np.array(grid).reshape(cells, cells) @ columns.T
        for top, left in itertools.product(*map(range, lengths)):
            masks.append(whole[top : top + size[0], left : left + size[1]])
            chances.append(p_keep ** sum(grid) * (1 - p_keep) ** (cells**2 - sum(grid)) / np.prod(lengths))
    return np.array(masks), np.array(chances)


def test_it_is_the_mean_of_masks_weighted_by_the_score(backend: Backend) -> None:
    model, x, start = small_net(backend, dtype="float64"), pictures(2), pictures(2, seed=1)
    found = tl.explain(model, x, "rise", [1, 4], samples=30, cells=3, p_keep=0.4, baseline=start, seed=9, batch_size=7)
    for i, target in enumerate([1, 4]):
        expected = np.zeros((8, 8))
        for mask in masks_of(9, i, 30, (8, 8), 3, 0.4).astype(np.float64):
            score = model.probabilities((mask * x[i] + (1 - mask) * start[i])[None])[0, target]
            expected += score * mask / (30 * 0.4)
        np.testing.assert_allclose(found.values[i, 0], expected, rtol=1e-9)
    assert found.values.shape == (2, 1, 8, 8)
    assert found.evaluations == 60
    assert found.stopped is None


@pytest.mark.parametrize("control_variate", [False, True])
def test_it_comes_near_the_expectation_over_all_masks(backend: Backend, control_variate: bool) -> None:
    net = formula_net(backend, lambda u, w: (u @ w) ** 2 + 3, np.random.default_rng(1).normal(size=(3 * PIXELS, 2)))
    x = pictures(1, shape=(3, *SIZE))
    masks, chances = every_mask(SIZE, 2, 0.3)
    scores = net.forward(masks[:, None] * x.astype(np.float64))[:, 1]
    expected = np.einsum("m,m,mhw->hw", chances, scores, masks) / 0.3
    found = tl.explain(
        net, x, "rise", 1, samples=4000, cells=2, p_keep=0.3, of="logit", control_variate=control_variate
    )
    distance = np.linalg.norm(found.values[0, 0] - expected)
    assert distance < 3 * found.error.values[0]
    assert distance < 0.1 * np.linalg.norm(expected)


@pytest.mark.parametrize("control_variate", [False, True])
def test_the_standard_error_is_what_repetitions_show(backend: Backend, control_variate: bool) -> None:
    model, x = linear_net(backend, np.random.default_rng(1).normal(size=(2, 3 * PIXELS))), pictures(1, shape=(3, *SIZE))
    masks, chances = every_mask(SIZE, 2, 0.5)
    scores = model.probabilities(masks[:, None] * x.astype(np.float64))[:, 1]
    expected = np.einsum("m,m,mhw->hw", chances, scores, masks) / 0.5
    found = [
        tl.explain(model, x, "rise", 1, samples=60, cells=2, control_variate=control_variate, seed=seed)
        for seed in range(150)
    ]
    maps = np.array([one.values[0, 0] for one in found])
    deviation = np.sqrt(((maps - expected) ** 2).sum(axis=(1, 2)).mean())
    stated = np.sqrt(np.mean([one.error.values[0] ** 2 for one in found]))
    np.testing.assert_allclose(stated, deviation, rtol=0.2)
    # Not biased: the mean of 150 maps is nearer than one map by about the root of 150.
    assert np.linalg.norm(maps.mean(axis=0) - expected) < 2.5 * deviation / np.sqrt(150)


def test_a_control_variate_lowers_the_error_and_makes_offsets_harmless(backend: Backend) -> None:
    weights = np.random.default_rng(1).normal(size=(2, 192))
    x, call = pictures(1), {"samples": 200, "cells": 3, "of": "logit"}
    plain, moved = (linear_net(backend, weights, np.full(2, bias)) for bias in (0.0, 100.0))
    paper = tl.explain(moved, x, "rise", 0, **call)
    ours = tl.explain(moved, x, "rise", 0, control_variate=True, **call)
    assert ours.error.values[0] < 0.2 * paper.error.values[0]
    unmoved = tl.explain(plain, x, "rise", 0, control_variate=True, **call)
    np.testing.assert_allclose(ours.values - 100, unmoved.values, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.error.values, unmoved.error.values, rtol=1e-6)


def test_what_matters_stands_out(backend: Backend) -> None:
    weights = np.zeros((2, 3, 16, 16))
    weights[1, :, 2:6, 9:13] = 0.2
    model, x = linear_net(backend, weights.reshape(2, -1)), np.ones((1, 3, 16, 16))
    found = tl.explain(model, x, "rise", 1, samples=1500, cells=5, control_variate=True).values[0, 0]
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 2 <= row < 6
    assert 9 <= column < 13


@pytest.mark.parametrize(("size", "cells"), [((8, 8), 3), ((7, 12), 7), ((9, 5), 1), ((6, 6), 6), ((32, 30), 4)])
def test_masks_are_enlarged_grids_cut_at_random(size: tuple[int, int], cells: int) -> None:
    need("torch")
    from torch.nn.functional import interpolate

    backend, length = need("torch"), [-(-n // cells) for n in size]
    masks = masks_of(3, 1, 12, size, cells)
    uniform = np.random.default_rng([3, 1]).random((12, cells * cells + 2), dtype=np.float32)
    for mask, row in zip(masks, uniform, strict=True):
        grid = (row[2:] < 0.5).astype(np.float32).reshape(1, 1, cells, cells)
        whole = interpolate(
            backend.asarray(grid), size=[(cells + 1) * n for n in length], mode="bilinear", align_corners=False
        )
        top, left = (int(float(row[axis]) * length[axis]) for axis in range(2))
        cut = whole.numpy()[0, 0, top : top + size[0], left : left + size[1]]
        assert cut.shape == size
        np.testing.assert_allclose(mask, cut, atol=1e-5)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-6


@pytest.mark.parametrize("p_keep", [0.1, 0.5, 0.8])
def test_the_mean_mask_is_the_probability(p_keep: float) -> None:
    masks = masks_of(0, 0, 4000, (9, 10), 3, p_keep)
    np.testing.assert_allclose(masks.mean(axis=0), p_keep, atol=0.05)
    np.testing.assert_allclose(masks.mean(), p_keep, atol=0.02)


def test_masks_do_not_depend_on_how_many_are_drawn_at_once() -> None:
    draw, rng = _masks((7, 9), 3, 0.5), np.random.default_rng([0, 2])
    pieces = np.concatenate([draw(rng, count) for count in (1, 4, 2, 3)])
    np.testing.assert_array_equal(pieces, masks_of(0, 2, 10, (7, 9), 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_batch_size_does_not_matter(backend: Backend, dtype: str) -> None:
    model, x = small_net(backend, dtype=dtype), pictures(3)
    found = [
        tl.explain(model, x, "rise", [0, 1, 2], samples=20, cells=3, batch_size=size) for size in (1, 7, 1000, "auto")
    ]
    rtol = 1e-4 if dtype == "float32" else 1e-10
    for other in found[1:]:
        np.testing.assert_allclose(other.values, found[0].values, rtol=rtol)
        np.testing.assert_allclose(other.error.values, found[0].error.values, rtol=rtol)
    assert found[0].values.dtype == dtype


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    for dtype, rtol in (("float64", 1e-10), ("float32", 1e-4)):
        torch, paddle = (tl.explain(small_net(b, dtype=dtype), pictures(2), "rise", samples=30, cells=3) for b in both)
        np.testing.assert_allclose(torch.values, paddle.values, rtol=rtol)


def test_a_sample_has_its_own_masks_whatever_else_is_in_the_batch(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    call: dict[str, Any] = {"samples": 10, "cells": 3}
    together = tl.explain(model, x, "rise", 1, **call).values
    np.testing.assert_allclose(tl.explain(model, x[:1], "rise", 1, **call).values, together[:1], rtol=1e-9)
    same = tl.explain(model, np.repeat(x[:1], 2, axis=0), "rise", 1, **call).values
    assert (same[0] != same[1]).any()


def test_it_goes_on_until_the_error_is_small_enough(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    call: dict[str, Any] = {"samples": 50, "cells": 2, "control_variate": True}
    found = tl.explain(model, x, "rise", 0, tolerance=0.3, **call)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.3).all()
    assert (tl.explain(model, x, "rise", 0, **call).error.relative > 0.3).any()
    limited = tl.explain(model, x, "rise", 0, tolerance=1e-6, max_evaluations=250, **call)
    assert limited.stopped == "max_evaluations"
    assert limited.evaluations <= 250
    few = tl.explain(model, x, "rise", 0, max_evaluations=60, **call)
    fixed = tl.explain(model, x, "rise", 0, **call | {"samples": 30})
    np.testing.assert_allclose(few.values, fixed.values, rtol=1e-5)


def test_rounds_continue_the_same_masks(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)
    found = tl.explain(model, x, "rise", 0, samples=10, cells=2, tolerance=1e-9, max_evaluations=40)
    assert found.evaluations == 40
    fixed = tl.explain(model, x, "rise", 0, samples=40, cells=2)
    np.testing.assert_allclose(found.values, fixed.values, rtol=1e-12)
    np.testing.assert_allclose(found.error.values, fixed.error.values, rtol=1e-9)


def test_one_mask_has_no_known_error(backend: Backend) -> None:
    assert np.isnan(tl.explain(small_net(backend), pictures(2), "rise", 0, samples=1, cells=2).error.values).all()
    with pytest.raises(tl.errors.MethodError, match="samples=1"):
        tl.explain(small_net(backend), pictures(2), "rise", 0, samples=1, cells=2, control_variate=True)


def test_the_scale_of_the_error_leaves_out_what_says_nothing_about_places(backend: Backend) -> None:
    constant = linear_net(backend, np.zeros((2, 192)), np.array([1.0, 2.0]))
    found = tl.explain(constant, pictures(1), "rise", 0, samples=50, cells=2, of="logit", control_variate=True)
    np.testing.assert_allclose(found.values, 1, rtol=1e-12)
    np.testing.assert_allclose([found.error.values, found.error.scale], 0, atol=1e-12)


def peak(samples: int, backend: Backend) -> int:
    model, x = linear_net(backend, np.ones((2, 3 * 256))), pictures(1, shape=(3, 16, 16))
    tl.explain(model, x, "rise", 0, samples=4, cells=4)
    tracemalloc.start()
    try:
        tl.explain(model, x, "rise", 0, samples=samples, cells=4, batch_size=50)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_samples(backend: Backend) -> None:
    few, many = peak(100, backend), peak(10_000, backend)
    assert many < 1.2 * few + 100_000


def test_a_function_of_the_scores_can_be_explained(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    call: dict[str, Any] = {"samples": 10, "cells": 3}
    found = tl.explain(model, x, "rise", lambda scores: scores[:, 3] - scores[:, 1], **call).values
    each = [tl.explain(model, x, "rise", target, of="logit", **call).values for target in (3, 1)]
    np.testing.assert_allclose(found, each[0] - each[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("samples", [0, -1, 2.5, None, True]),
        ("cells", [0, -2, 9, 2.0, (2, 2), None]),
        ("p_keep", [0, 1, -0.5, 1.5, np.nan, "half", None]),
        ("control_variate", [2, "yes", None]),
        ("seed", [-1, 0.5, None]),
        ("tolerance", [0, -0.1, np.nan, "low"]),
        ("max_evaluations", [0, 0.5]),
        ("max_seconds", [0, -1, np.inf]),
    ],
)
def test_a_bad_parameter_is_named(backend: Backend, name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(tl.errors.MethodError, match=name):
            tl.explain(small_net(backend), pictures(1), "rise", 0, **{"samples": 2, "cells": 2, name: value})


def test_other_bad_input_is_an_error(backend: Backend) -> None:
    model, x = small_net(backend), pictures(1)
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.eye(4)), np.ones((2, 4)), "rise", 0)
    with pytest.raises(tl.errors.MethodError, match="one baseline"):
        tl.explain(model, x, "rise", 0, cells=2, baseline=[0.0, 1.0])
    with pytest.raises(tl.errors.MethodError, match="cells=7 does not fit"):
        tl.explain(small_net(backend), x[:, :, :6, :6], "rise", 0)
    for bad in ({"baseline": "black"}, {"baseline": np.nan}, {"of": "score"}, {"batch_size": 0}):
        with pytest.raises(tl.errors.InputError):
            tl.explain(model, x, "rise", 0, cells=2, **bad)
