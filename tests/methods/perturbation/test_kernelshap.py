"""KernelSHAP: exact where all coalitions fit, unbiased and with honest standard errors where they do not."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...nets import formula_net, linear_net, pictures, small_net
from .shapley_oracle import mixing_net, table

ROWS = table(3, seed=2)


@pytest.mark.parametrize("players", [1, 2, 3, 4, 5, 8])
def test_with_all_coalitions_the_values_are_exact(backend: Backend, players: int) -> None:
    model, x, rows = mixing_net(backend, players), table(3, players), table(4, players, seed=2)
    exact = tl.explain(model, x, "exact_shapley", 2, background=rows)
    found = tl.explain(model, x, "kernelshap", 2, background=rows)
    np.testing.assert_allclose(found.values, exact.values, rtol=1e-9, atol=1e-12)
    assert found.evaluations == exact.evaluations
    assert not found.error.values.any()
    np.testing.assert_allclose(found.extras["base_value"], exact.extras["base_value"])


def test_it_is_the_constrained_regression_with_the_shapley_kernel(backend: Backend) -> None:
    # Solved here by Lagrange's multiplier, over all coalitions at once.
    from math import comb

    model, x = mixing_net(backend), table(1)
    shown = (np.arange(1, 31)[:, None] >> np.arange(5)) & 1
    size = shown.sum(axis=1)
    kernel = np.array([4 / (comb(5, s) * s * (5 - s)) for s in size])
    nobody, everybody = (model.forward(point)[0, 0] for point in (np.zeros((1, 5)), x))
    worth = model.forward(shown * x)[:, 0] - nobody
    system = np.zeros((6, 6))
    system[:5, :5] = shown.T @ (kernel[:, None] * shown)
    system[:5, 5] = system[5, :5] = 1
    expected = np.linalg.solve(system, np.append(shown.T @ (kernel * worth), everybody - nobody))[:5]
    np.testing.assert_allclose(tl.explain(model, x, "kernelshap", 0).values[0], expected, rtol=1e-9)


@pytest.mark.parametrize("samples", [16, 31, 100])
def test_the_values_add_up_and_no_more_than_asked_for_is_run(backend: Backend, samples: int) -> None:
    model, x, rows = mixing_net(backend, 8), table(2, 8), table(3, 8, seed=2)
    found = tl.explain(model, x, "kernelshap", 0, background=rows, samples=samples)
    promised = model.forward(x)[:, 0] - model.forward(rows)[:, 0].mean()
    np.testing.assert_allclose(found.values.sum(axis=1), promised, rtol=1e-10)
    assert found.evaluations <= 2 * 3 * samples
    assert found.evaluations >= 2 * 3 * (samples - 2)


def test_of_a_network_with_pairwise_interactions_any_number_is_exact(
    backend: Backend, rng: np.random.Generator
) -> None:
    # A coalition beside its complement cancels what two players do together.
    model = formula_net(backend, lambda u, w: (u @ w) ** 2, rng.normal(size=(9, 2)))
    x = rng.normal(size=(2, 9))
    exact = tl.explain(model, x, "exact_shapley", 0, baseline=0.3)
    found = tl.explain(model, x, "kernelshap", 0, baseline=0.3, samples=30)
    np.testing.assert_allclose(found.values, exact.values, rtol=1e-8, atol=1e-11)
    assert (found.error.relative < 1e-8).all()


@pytest.mark.parametrize("samples", [100, 200, 450])
def test_it_is_unbiased_and_its_standard_errors_are_calibrated(backend: Backend, samples: int) -> None:
    model, x = mixing_net(backend, 9), table(1, 9)
    exact = tl.explain(model, x, "exact_shapley", 0).values[0]
    runs = [tl.explain(model, x, "kernelshap", 0, samples=samples, seed=seed) for seed in range(50)]
    off = np.array([run.values[0] - exact for run in runs])
    errors = np.array([run.extras["standard_error"][0] for run in runs])
    # A regression on drawn coalitions has a bias that falls faster than its error: allow a quarter of that.
    bias = np.abs(off.mean(axis=0))
    assert (bias < 3.5 * off.std(axis=0) / 50**0.5 + 0.25 * off.std(axis=0)).all()
    assert 0.85 < (np.abs(off) < 2 * errors).mean() <= 1
    assert 0.75 < np.sqrt((errors**2).mean() / (off**2).mean()) < 1.35


def test_it_errs_less_than_shap_with_as_many_coalitions(backend: Backend) -> None:
    shap = pytest.importorskip("shap")
    model, x = mixing_net(backend, 9), table(1, 9)
    exact = tl.explain(model, x, "exact_shapley", 0).values[0]
    off = [tl.explain(model, x, "kernelshap", 0, samples=460, seed=s).values[0] - exact for s in range(10)]
    peer = shap.KernelExplainer(lambda batch: model.forward(batch)[:, 0], np.zeros((1, 9)))
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(0)  # noqa: NPY002
        peers = [peer.shap_values(x[0], nsamples=460, l1_reg=False, silent=True) - exact for _ in range(10)]
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert np.square(off).mean() < 0.7 * np.square(peers).mean()


def test_on_few_columns_it_is_shaps(backend: Backend) -> None:
    shap = pytest.importorskip("shap")
    model, x = mixing_net(backend), table(3)
    peer = shap.KernelExplainer(lambda batch: model.forward(batch)[:, 1], ROWS)
    state = np.random.get_state()  # noqa: NPY002
    try:
        expected = peer.shap_values(x, silent=True, l1_reg=False)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    np.testing.assert_allclose(
        tl.explain(model, x, "kernelshap", 1, background=ROWS).values, expected, rtol=1e-6, atol=1e-8
    )


def test_captums_kernel_shap_is_the_one_with_a_baseline() -> None:
    attr = pytest.importorskip("captum.attr")
    pytest.importorskip("sklearn")
    from ...frameworks import need, torch

    model, x = mixing_net(need("torch"), dtype="float32"), table(1).astype(np.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        peer = attr.KernelShap(model.net).attribute(model.tensor(x), baselines=0.5, target=1, n_samples=500)
    found = tl.explain(model, x, "kernelshap", 1, baseline=0.5).values
    np.testing.assert_allclose(found, peer.numpy(), atol=0.1 * np.abs(found).max())


def test_a_tolerance_is_reached_and_begins_with_what_was_asked_for(backend: Backend) -> None:
    model, x = mixing_net(backend, 10), table(3, 10)
    plain = tl.explain(model, x, "kernelshap", 0, samples=40)
    assert plain.stopped is None
    goal = float(np.median(plain.error.relative)) / 2
    found = tl.explain(model, x, "kernelshap", 0, samples=40, tolerance=goal)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= goal).all()
    assert plain.evaluations < found.evaluations < 3 * 2**10
    lenient = tl.explain(model, x, "kernelshap", 0, samples=40, tolerance=100.0)
    np.testing.assert_array_equal(lenient.values, plain.values)


def test_a_tolerance_that_only_all_coalitions_meet_ends_there(backend: Backend) -> None:
    model, x = mixing_net(backend, 6), table(2, 6)
    found = tl.explain(model, x, "kernelshap", 0, samples=20, tolerance=1e-12)
    assert (found.stopped, found.evaluations) == ("tolerance", 2 * (2**6 - 2))
    exact = tl.explain(model, x, "exact_shapley", 0)
    np.testing.assert_allclose(found.values, exact.values, rtol=1e-9, atol=1e-12)


def product_of_four(backend: Backend) -> Model:
    return formula_net(backend, lambda x, w: x[:, :4].prod(1)[:, None] * w, np.array([1.0, -1.0]))


@pytest.mark.parametrize("samples", [24, 25, 34])
def test_the_error_is_unknown_while_too_little_was_drawn_to_tell(backend: Backend, samples: int) -> None:
    # 24 are the single players and all but one: what several do together is left out.
    model, x = product_of_four(backend), np.ones((2, 12))
    found = tl.explain(model, x, "kernelshap", 0, samples=samples)
    assert np.isnan(found.error.values).all()
    assert np.isnan(found.extras["standard_error"]).all()
    assert np.isfinite(found.values).all()
    more = tl.explain(model, x, "kernelshap", 0, samples=samples + 16)
    assert (more.error.values > 0).all()


def test_a_tolerance_is_not_reached_with_single_players_alone(backend: Backend) -> None:
    model, x = product_of_four(backend), np.ones((1, 12))
    found = tl.explain(model, x, "kernelshap", 0, samples=24, tolerance=0.1)
    assert found.stopped == "tolerance"
    assert found.evaluations > 24
    np.testing.assert_allclose(found.values[0], [0.25] * 4 + [0] * 8, atol=0.05)


@pytest.mark.parametrize(("players", "limit"), [(1, 7), (3, 10), (3, 1000), (10, 1200)])
@pytest.mark.parametrize("tolerance", [None, 1e-9])
def test_no_coalition_is_run_again_once_all_were(
    backend: Backend, players: int, limit: int, tolerance: float | None
) -> None:
    model, x = mixing_net(backend, players), table(1, players)
    found = tl.explain(model, x, "kernelshap", 0, max_evaluations=limit, tolerance=tolerance)
    assert found.evaluations == 2**players - 2
    assert found.stopped == (None if tolerance is None else "tolerance")


@pytest.mark.parametrize("limit", [60, 121, 250, 640])
def test_games_of_different_size_share_the_evaluations(backend: Backend, limit: int) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    cuts = np.stack([np.arange(64).reshape(8, 8) // width for width in (16, 8, 7)])
    for tolerance in (None, 1e-9):
        found = tl.explain(
            model, x, "kernelshap", 2, segments=cuts, samples=400, tolerance=tolerance, max_evaluations=limit
        )
        assert limit - 6 < found.evaluations <= limit
        assert found.stopped == "max_evaluations"


def test_there_may_be_more_coalitions_than_a_float_can_count(backend: Backend) -> None:
    weights = np.arange(1030.0)
    found = tl.explain(linear_net(backend, weights[None]), np.ones((1, 1030)), "kernelshap", 0, samples=2060)
    np.testing.assert_allclose(found.values[0], weights, atol=1e-6)
    assert np.isnan(found.error.values).all()


def test_evaluations_are_limited_exactly(backend: Backend) -> None:
    model, x = mixing_net(backend, 9), table(2, 9)
    found = tl.explain(model, x, "kernelshap", 0, max_evaluations=123)
    assert found.stopped == "max_evaluations"
    assert 100 < found.evaluations <= 123
    fewer = tl.explain(model, x, "kernelshap", 0, samples=61)
    np.testing.assert_array_equal(found.values, fewer.values)
    with pytest.raises(tl.errors.MethodError, match=r"max_evaluations=20 is too few.*36"):
        tl.explain(model, x, "kernelshap", 0, max_evaluations=20)


def test_a_time_limit_ends_with_a_sound_result(backend: Backend) -> None:
    model, x = mixing_net(backend, 9), table(2, 9)
    found = tl.explain(model, x, "kernelshap", 0, samples=10**6, tolerance=1e-12, max_seconds=0.001)
    promised = model.forward(x)[:, 0] - model.forward(0 * x)[:, 0]
    np.testing.assert_allclose(found.values.sum(axis=1), promised, rtol=1e-9)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int) -> None:
    model, x, rows = mixing_net(backend, 7), table(2, 7), table(3, 7, seed=2)
    whole = tl.explain(model, x, "kernelshap", 0, background=rows, samples=30)
    found = tl.explain(model, x, "kernelshap", 0, background=rows, samples=30, batch_size=size)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-9, atol=1e-12)


def test_both_frameworks_agree_and_the_seed_decides(both: tuple[Backend, Backend]) -> None:
    def values(backend: Backend, seed: int) -> np.ndarray:
        net = small_net(backend, dtype="float64")
        options = {"segments": "grid", "segment_options": {"cells": 4}, "samples": 60}
        return tl.explain(net, pictures(2), "kernelshap", 1, seed=seed, **options).values

    first, second = (values(backend, 3) for backend in both)
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)
    assert not np.allclose(first, values(both[0], 4))


def test_pictures_with_different_numbers_of_superpixels_are_explained_together(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    cuts = np.stack([np.arange(64).reshape(8, 8) // 16, np.arange(64).reshape(8, 8) // 7])
    together = tl.explain(model, x, "kernelshap", 2, segments=cuts, samples=40)
    assert together.values.shape == (2, 1, 8, 8)
    np.testing.assert_array_equal(together.extras["segments"], cuts)
    alone = tl.explain(model, x[:1], "kernelshap", 2, segments=cuts[0])
    np.testing.assert_allclose(together.values[0], alone.values[0], rtol=1e-9, atol=1e-13)
    assert together.error.values[0] == 0 < together.error.values[1]


def test_a_constant_network_gives_zeros_without_error(backend: Backend) -> None:
    found = tl.explain(linear_net(backend, np.zeros((2, 12))), table(2, 12), "kernelshap", 0, samples=50)
    assert not found.values.any()
    assert not found.error.relative.any()


def test_fewer_samples_than_the_regression_needs_are_named(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"samples=10 is too few for 9 players.*samples=18"):
        tl.explain(mixing_net(backend, 9), table(1, 9), "kernelshap", 0, samples=10)
