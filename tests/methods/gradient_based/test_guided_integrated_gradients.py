"""Guided integrated gradients: the path goes where slopes are small, and its attributions add up."""

from __future__ import annotations

import math
import types
from collections.abc import Callable

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.gradient_based.guided_path import advanced

from ...frameworks import need
from ...nets import formula_net, linear_net, pictures, power_net, small_net

METHOD = "guided_integrated_gradients"


# -- one step of the path ------------------------------------------------------------------------------------


def test_the_smallest_slopes_move_first_and_the_last_of_them_part_of_the_way() -> None:
    gradient = np.array([4.0, -1.0, 3.0, 2.0])
    zeros, ones = np.zeros(4), np.ones(4)
    np.testing.assert_array_equal(advanced(zeros, ones, gradient, 3.0, 0.1), [0, 1, 0, 0])
    np.testing.assert_array_equal(advanced(zeros, ones, gradient, 2.5, 0.1), [0, 1, 0, 0.5])
    np.testing.assert_array_equal(advanced(zeros, ones, gradient, 0.0, 0.1), ones)
    # Half of the four are 1 + int(0.5 * 3) = 2 to a group: they share what is to go.
    np.testing.assert_array_equal(advanced(zeros, ones, gradient, 3.0, 0.5), [0, 0.5, 0, 0.5])
    np.testing.assert_array_equal(advanced(zeros, ones, gradient, 3.0, 1.0), np.full(4, 0.25))


def test_values_that_have_arrived_are_left_alone() -> None:
    position, end = np.array([1.0, 0.0, 0.0]), np.ones(3)
    np.testing.assert_array_equal(advanced(position, end, np.array([0.0, 2.0, 1.0]), 1.0, 0.1), [1, 0, 1])
    np.testing.assert_array_equal(advanced(end, end, np.ones(3), 0.0, 0.5), end)


def test_equal_slopes_move_together(rng: np.random.Generator) -> None:
    end = rng.random(5)
    np.testing.assert_allclose(advanced(np.zeros(5), end, np.zeros(5), 0.25 * end.sum(), 0.1), 0.75 * end)


@pytest.mark.parametrize("fraction", [1e-6, 0.1, 0.33, 1.0])
def test_each_step_ends_at_the_distance_asked_for(rng: np.random.Generator, fraction: float) -> None:
    position, end, gradient = rng.normal(size=(3, 2, 50))
    length = np.abs(end - position).sum()
    for share in (0.9, 0.5, 0.1, 0.0):
        moved = advanced(position, end, gradient, share * length, fraction)
        np.testing.assert_allclose(np.abs(end - moved).sum(), share * length, atol=1e-12 * length)
        between = (moved - np.minimum(position, end) >= 0) & (moved - np.maximum(position, end) <= 0)
        assert between.all()


# -- the whole path ------------------------------------------------------------------------------------------


def naive(
    gradient: Callable[[np.ndarray], np.ndarray], start: np.ndarray, end: np.ndarray, steps: int, fraction: float
) -> np.ndarray:
    """The paper's algorithm, one value after the other in the order of the slopes, left sums."""
    here, found, total = start.copy().ravel(), np.zeros(start.size), np.abs(end - start).sum()
    goal = end.ravel()
    for step in range(1, steps + 1):
        slopes = gradient(here.reshape(start.shape)).ravel()
        order = [i for i in np.argsort(np.abs(slopes), kind="stable") if here[i] != goal[i]]
        surplus = np.abs(goal - here).sum() - total * (1 - step / steps)
        size = 1 + int(fraction * (start.size - 1))
        while surplus > 1e-12 and order:
            group, order = order[:size], order[size:]
            reach = sum(abs(goal[i] - here[i]) for i in group)
            for i in group:
                way = (goal[i] - here[i]) * min(1.0, surplus / reach)
                found[i] += way * slopes[i]
                here[i] = goal[i] if surplus >= reach else here[i] + way
            surplus -= reach
    return found.reshape(start.shape)


@pytest.mark.parametrize("anchors", [0, 2])
def test_it_is_the_papers_algorithm_between_anchors(backend: Backend, anchors: int) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    targets, pieces, steps = [2, 4], anchors + 1, 4
    start = np.full(x.shape, 0.1)
    expected = np.zeros(x.shape)
    for i, target in enumerate(targets):
        for piece in range(pieces):
            first, last = (start[i] + k / pieces * (x[i] - start[i]) for k in (piece, piece + 1))
            expected[i] += naive(lambda at, t=target: model.gradient(at[None], t)[0], first, last, steps, 0.3)
    found = tl.explain(
        model, x, METHOD, targets, baseline=0.1, anchors=anchors, steps=steps * pieces, fraction=0.3, rule="left"
    )
    np.testing.assert_allclose(found.values, expected, atol=1e-10 * np.abs(expected).max())


def test_of_a_linear_network_every_path_gives_the_same(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(3, 7)), rng.random((2, 7))
    for params in ({"anchors": 0, "steps": 2}, {"anchors": 3, "steps": 9}, {"rule": "left", "steps": 1}):
        found = tl.explain(linear_net(backend, weights), x, METHOD, 2, baseline=0.5, **params)
        np.testing.assert_allclose(found.values, weights[2] * (x - 0.5), rtol=1e-11)
        assert (found.error.relative < 1e-11).all()


def test_where_values_do_not_interact_the_path_does_not_matter(backend: Backend, rng: np.random.Generator) -> None:
    weights, x, start = rng.normal(size=(1, 6)), rng.random((2, 6)), rng.random((2, 6))
    found = tl.explain(power_net(backend, weights, 3), x, METHOD, 0, baseline=start, steps=300, anchors=0)
    np.testing.assert_allclose(found.values, weights * (x**3 - start**3), atol=2e-3)


def test_the_flat_direction_is_taken_first(backend: Backend) -> None:
    # f = u² + 10 u v from 0 to 1: along u first, u gets 1 and v gets 10; the straight path would give 6 and 5.
    model = formula_net(
        backend, lambda a, w: (a[:, :1] ** 2 + 0.1 * a[:, 1:]) * w + a[:, :1] * a[:, 1:], np.ones((1, 1))
    )
    x = np.ones((1, 2))
    found = tl.explain(model, x, METHOD, 0, steps=300, anchors=0)
    straight = tl.explain(model, x, METHOD, 0, steps=200, anchors=99)
    by_ig = tl.explain(model, x, "integrated_gradients", 0).values
    np.testing.assert_allclose(found.values.sum(), 2.1, atol=1e-3)
    np.testing.assert_allclose(straight.values, by_ig, atol=2e-2)
    assert np.abs(found.values - by_ig).max() > 0.1


def test_the_mean_of_both_ends_adds_up_better_than_the_beginning(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    both, left = (
        np.abs(tl.explain(model, x, METHOD, 1, steps=84, rule=rule).error.values).sum()
        for rule in ("trapezoid", "left")
    )
    assert both < left / 2


def test_more_anchors_make_the_residual_smaller(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    few, many = (
        np.abs(tl.explain(model, x, METHOD, 1, steps=2 * anchors + 2, anchors=anchors).error.values).sum()
        for anchors in (2, 150)
    )
    assert many < few / 5


def test_several_baselines_are_averaged(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    black, white, both = (
        tl.explain(model, x, METHOD, 3, steps=8, anchors=1, baseline=baseline) for baseline in (0.0, 1.0, [0.0, 1.0])
    )
    np.testing.assert_allclose(both.values, (black.values + white.values) / 2, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(both.error.scale, (black.error.scale + white.error.scale) / 2, rtol=1e-9)


def test_a_sample_that_is_its_baseline_gets_nothing(backend: Backend) -> None:
    x = pictures(1)
    found = tl.explain(small_net(backend), x, METHOD, 0, baseline=x, steps=8, anchors=1)
    assert not found.values.any()
    assert found.error.relative[0] == 0


def peer(core: types.ModuleType, model: Model, sample: np.ndarray, target: int, steps: int) -> np.ndarray:
    def call(batch: np.ndarray, call_model_args: object, expected_keys: object) -> dict[str, np.ndarray]:
        return {core.INPUT_OUTPUT_GRADIENTS: model.gradient(batch, target)}

    return core.GuidedIG().GetMask(
        sample, call, x_baseline=np.zeros_like(sample), x_steps=steps, fraction=0.25, max_dist=1.0
    )


def test_it_is_the_saliency_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    core = pytest.importorskip("saliency.core")
    # NumPy 2.4 has dropped the old name of a parameter that the package still uses.
    renamed = types.SimpleNamespace(**vars(np))
    renamed.quantile = lambda values, share, interpolation: np.quantile(values, share, method=interpolation)
    monkeypatch.setattr(core.guided_ig, "np", renamed)
    model, x = small_net(need("torch"), dtype="float64"), pictures(1).astype(np.float64)
    expected = peer(core, model, x[0], 2, steps=15)
    found = tl.explain(model, x, METHOD, 2, steps=15, fraction=0.25, anchors=0, rule="left")
    np.testing.assert_allclose(found.values[0], expected, atol=1e-7 * np.abs(expected).max())


def test_a_number_in_quotes_is_that_number(backend: Backend) -> None:
    quoted, plain = (
        tl.explain(small_net(backend), pictures(1), METHOD, 0, fraction=fraction, steps=8, anchors=1)
        for fraction in ("0.25", 0.25)
    )
    np.testing.assert_array_equal(quoted.values, plain.values)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"steps": 0}, "steps=0"),
        ({"fraction": 0}, "fraction=0"),
        ({"fraction": 1.5}, "fraction=1.5"),
        ({"fraction": "few"}, "fraction='few'"),
        ({"fraction": math.nan}, "fraction=nan"),
        ({"fraction": True}, "fraction=True"),
        ({"anchors": False}, "anchors=False"),
        ({"anchors": -1}, "anchors=-1"),
        ({"anchors": 2.5}, "anchors=2.5"),
        ({"rule": "gauss_legendre"}, "gauss_legendre"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_parameters_out_of_range_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), METHOD, 0, **params)
