"""Adaptive integrated gradients: more points where the gradients do not add up to the rise of the score."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.gradient_based import adaptive as module
from twinlens.methods.gradient_based.adaptive import Mesh

from ...nets import formula_net, linear_net, pictures, power_net, small_net


def step_net(backend: Backend, width: float) -> tl.Model:
    """The score rises from 0 to 1 within `width` of the path, at a tenth of it, as that of a trained network does."""
    return formula_net(backend, lambda u, w: 1 / (1 + (-(u @ w - 0.1) / width).exp()), np.ones((1, 1)))


def test_nine_points_are_the_trapezoid(backend: Backend, rng: np.random.Generator) -> None:
    model, x = power_net(backend, rng.random((2, 6)), 3), rng.random((3, 6))
    found, plain = (
        tl.explain(model, x, "integrated_gradients", 1, steps=9, rule=rule) for rule in ("adaptive", "trapezoid")
    )
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-12)
    assert found.evaluations == 27


def test_each_further_point_halves_the_interval_that_misses_most() -> None:
    # The sixteenth power bends at the end.
    mesh = Mesh(1, 3)

    def learn(knots: list[tuple[int, float]]) -> list[float]:
        for _, place in knots:
            mesh.score[0, place], mesh.slope[0, place] = place**16, 16 * place**15
        return [place for _, place in knots]

    assert learn(mesh.next(8)) == [0.0, 0.5, 1.0]
    assert learn(mesh.next(1)) == [0.75]
    assert learn(mesh.next(1)) == [0.875]
    expected = {0.0: 1 / 4, 0.5: 3 / 8, 0.75: 3 / 16, 0.875: 1 / 8, 1.0: 1 / 16}
    assert mesh.weights() == {(0, place): weight for place, weight in expected.items()}
    # By the trapezoid's own formula: what it makes of the derivative, less the rise.
    total = sum(weight * 16 * place**15 for place, weight in expected.items())
    np.testing.assert_allclose(mesh.misses().sum(), total - 1)


def test_a_steep_rise_takes_fewer_gradients_than_any_even_rule(backend: Backend) -> None:
    model, x = step_net(backend, 1e-3), np.ones((1, 1))
    spent = {
        rule: tl.explain(model, x, "integrated_gradients", 0, steps=9, rule=rule, tolerance=0.01).evaluations
        for rule in ("adaptive", "gauss_legendre", "trapezoid")
    }
    assert spent["adaptive"] * 4 < min(spent["gauss_legendre"], spent["trapezoid"])


def test_it_is_the_rule_where_a_tolerance_is_given(backend: Backend) -> None:
    model, x = step_net(backend, 1e-2), np.ones((1, 1))
    found = tl.explain(model, x, "integrated_gradients", 0, tolerance=0.01)
    assert found.stopped == "tolerance"
    assert found.error.relative[0] <= 0.01
    assert found.extras["path_error"][0] >= abs(found.error.values[0]) - 1e-6
    assert "path_error" not in tl.explain(model, x, "integrated_gradients", 0).extras


def test_it_is_exact_for_a_line_and_stops_at_once(backend: Backend) -> None:
    model, x = linear_net(backend, np.array([[1.0, -2.0]])), np.array([[3.0, 4.0]])
    found = tl.explain(model, x, "integrated_gradients", 0, tolerance=1e-6)
    np.testing.assert_allclose(found.values, [[3, -8]], rtol=1e-6)
    assert found.evaluations == 9


def test_of_several_baselines_those_get_points_that_need_them(backend: Backend) -> None:
    model, x = step_net(backend, 1e-2), np.ones((1, 1))
    # From 0.9 the path is flat: all further points go to the one from 0.
    found = tl.explain(model, x, "integrated_gradients", 0, baseline=[0.0, 0.9], tolerance=0.01)
    lone = tl.explain(model, x, "integrated_gradients", 0, tolerance=0.01)
    assert found.error.relative[0] <= 0.01
    assert found.evaluations <= lone.evaluations + 9


def test_gradients_that_do_not_fit_in_memory_are_taken_again(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    params = {"steps": 20, "rule": "adaptive"}
    kept = tl.explain(model, x, "integrated_gradients", 1, **params)
    monkeypatch.setattr(module, "_KEPT_BYTES", 5 * x[0].nbytes)
    again = tl.explain(model, x, "integrated_gradients", 1, **params)
    np.testing.assert_allclose(again.values, kept.values, rtol=1e-12)
    assert (kept.evaluations, again.evaluations) == (40, 40 + 35)


@pytest.mark.parametrize("tolerance", [1e-9, None])
@pytest.mark.parametrize(("limit", "baseline"), [(4, 0.0), (7, 0.0), (60, 0.0), (10, [0.0, 1.0]), (30, [0.0, 1.0])])
def test_limits_end_it(backend: Backend, limit: int, baseline: object, tolerance: float | None) -> None:
    params = {"rule": "adaptive", "baseline": baseline, "tolerance": tolerance, "max_evaluations": limit}
    found = tl.explain(small_net(backend), pictures(2), "integrated_gradients", 1, **params)
    assert found.stopped == "max_evaluations"
    # What is left would not do for one more point of each path.
    assert limit - 2 * np.size(baseline) < found.evaluations <= limit


def test_the_first_points_are_no_more_than_a_limit_affords(backend: Backend, rng: np.random.Generator) -> None:
    model, x = power_net(backend, rng.random((2, 6)), 3), rng.random((3, 6))
    found = tl.explain(model, x, "integrated_gradients", 1, rule="adaptive", max_evaluations=14)
    plain = tl.explain(model, x, "integrated_gradients", 1, rule="trapezoid", steps=4)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-12)
    assert found.evaluations == 12


def test_points_too_near_to_tell_apart_are_not_asked_for(backend: Backend) -> None:
    # A jump, which no interval ever adds up to.
    model = formula_net(backend, lambda u, w: 1e4 * (u @ w - 0.3).sign() + u @ w, np.ones((1, 1)))
    found = tl.explain(model, np.ones((1, 1)), "integrated_gradients", 0, tolerance=1e-3, max_evaluations=5000)
    assert found.error.relative[0] > 0.9
    assert found.evaluations < 5000


@pytest.mark.parametrize("batch_size", [1, 3, "auto"])
def test_the_chunks_do_not_matter(backend: Backend, batch_size: int | str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    found, whole = (
        tl.explain(model, x, "integrated_gradients", 1, steps=24, rule="adaptive", batch_size=size)
        for size in (batch_size, 16)
    )
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12)


def test_both_frameworks_choose_the_same_points(backend: Backend) -> None:
    x = pictures(2).astype(np.float64)
    found = [
        tl.explain(small_net(each, dtype="float64"), x, "integrated_gradients", 1, steps=40, rule="adaptive").values
        for each in (backend, *map(tl.get_backend, tl.available_backends()))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, rtol=1e-10, atol=1e-14)
