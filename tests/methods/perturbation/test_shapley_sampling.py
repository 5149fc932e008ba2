"""Sampled Shapley values: unbiased, complete at any number, with honest standard errors and a budget."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.shapley_orders import Mean, OrderMean

from ...nets import linear_net, pictures, small_net
from .shapley_oracle import PLAYERS, mixing_net, table

ROWS = table(3, seed=2)


def test_it_is_a_plain_loop_over_the_documented_orders(backend: Backend) -> None:
    model, x = mixing_net(backend), table(2)
    found = tl.explain(model, x, "shapley_sampling", 1, baseline=0.5, samples=6, seed=4)
    for i, sample in enumerate(x):
        ranks = np.random.default_rng([4, i]).permuted(np.tile(np.arange(PLAYERS), (3, 1)), axis=1)
        values = np.zeros(PLAYERS)
        for rank in [*ranks, *(PLAYERS - 1 - ranks)]:
            point = np.full(PLAYERS, 0.5)
            for player in np.argsort(rank):
                before = model.forward(point[None])[0, 1]
                point[player] = sample[player]
                values[player] += (model.forward(point[None])[0, 1] - before) / 6
        np.testing.assert_allclose(found.values[i], values, rtol=1e-9)


def test_the_values_add_up_at_any_number_of_samples(backend: Backend) -> None:
    model, x = mixing_net(backend), table(2)
    for samples in (1, 4, 7):
        found = tl.explain(model, x, "shapley_sampling", 0, background=ROWS, samples=samples)
        promised = model.forward(x)[:, 0] - model.forward(ROWS)[:, 0].mean()
        np.testing.assert_allclose(found.values.sum(axis=1), promised, rtol=1e-10)
        np.testing.assert_allclose(found.extras["base_value"], model.forward(ROWS)[:, 0].mean())


def test_of_a_network_with_pairwise_interactions_one_pair_is_exact(backend: Backend, rng: np.random.Generator) -> None:
    # What two players do together is shared by an order and its reverse.
    from ...nets import formula_net

    model = formula_net(backend, lambda u, w: (u @ w) ** 2, rng.normal(size=(6, 2)))
    x = rng.normal(size=(2, 6))
    exact = tl.explain(model, x, "exact_shapley", 0, baseline=0.3)
    found = tl.explain(model, x, "shapley_sampling", 0, baseline=0.3, samples=2)
    np.testing.assert_allclose(found.values, exact.values, rtol=1e-9, atol=1e-12)


def test_it_is_unbiased_and_its_standard_errors_are_calibrated(backend: Backend) -> None:
    model, x = mixing_net(backend, 7), table(1, 7)
    exact = tl.explain(model, x, "exact_shapley", 0).values[0]
    runs = [tl.explain(model, x, "shapley_sampling", 0, samples=24, seed=seed) for seed in range(50)]
    off = np.array([run.values[0] - exact for run in runs])
    errors = np.array([run.extras["standard_error"][0] for run in runs])
    # Each player's mean over the seeds is normal with this spread; 3.5 of it is passed by chance once in 300 times.
    assert (np.abs(off.mean(axis=0)) < 3.5 * off.std(axis=0) / 50**0.5).all()
    assert 0.85 < (np.abs(off) < 2 * errors).mean() < 1
    assert 0.8 < np.sqrt((errors**2).mean() / (off**2).mean()) < 1.25


def test_the_error_estimate_is_the_norm_of_the_players_standard_errors(backend: Backend) -> None:
    found = tl.explain(mixing_net(backend), table(2), "shapley_sampling", 0, background=ROWS, samples=10)
    np.testing.assert_allclose(found.error.values, np.linalg.norm(found.extras["standard_error"], axis=1))
    np.testing.assert_allclose(found.error.scale, np.linalg.norm(found.values, axis=1))


def test_of_a_linear_network_there_is_no_error_and_of_one_pair_it_is_unknown(backend: Backend) -> None:
    model, x = linear_net(backend, np.arange(8.0).reshape(2, 4)), table(2, 4)
    assert (tl.explain(model, x, "shapley_sampling", 0, samples=6).error.values < 1e-12).all()
    assert np.isnan(tl.explain(model, x, "shapley_sampling", 0, samples=2).error.values).all()


def test_the_same_pair_of_orders_drawn_again_tells_nothing_of_the_error(backend: Backend) -> None:
    # Of three players there are three pairs of orders: two draws are the same in a third of the samples.
    model, x = mixing_net(backend, 3), np.repeat(table(1, 3), 60, axis=0)
    exact = tl.explain(model, x[:1], "exact_shapley", 0).values
    found = tl.explain(model, x, "shapley_sampling", 0, samples=4)
    off = np.abs(found.values - exact).max(axis=1) > 1e-9
    assert 10 < off.sum() < 30
    np.testing.assert_array_equal(np.isnan(found.error.values), off)
    assert np.isnan(found.extras["standard_error"][off]).all()
    assert not found.extras["standard_error"][~off].any()
    reached = tl.explain(model, x, "shapley_sampling", 0, samples=4, tolerance=0.5)
    assert reached.stopped == "tolerance"
    np.testing.assert_allclose(reached.values, np.repeat(exact, 60, axis=0), rtol=1e-9)


@pytest.mark.parametrize("pairs", [1, 3])
def test_of_two_players_one_pair_of_orders_leaves_no_error(pairs: int) -> None:
    mean = OrderMean(2, np.random.default_rng(0))
    present = mean.coalitions(pairs)
    mean.take(present @ np.array([1.0, 2.0]) + present.all(axis=1))
    np.testing.assert_allclose(mean.values, [1.5, 2.5], rtol=1e-12)
    np.testing.assert_array_equal(mean.errors, [0, 0])


def test_no_coalition_is_run_twice(backend: Backend) -> None:
    found = tl.explain(mixing_net(backend, 3), table(2, 3), "shapley_sampling", 0, background=ROWS[:, :3], samples=60)
    assert found.evaluations == 2 * (2**3 - 2) * 3


def test_a_tolerance_is_reached_and_begins_with_what_was_asked_for(backend: Backend) -> None:
    model, x = mixing_net(backend, 8), table(2, 8)
    plain = tl.explain(model, x, "shapley_sampling", 0, samples=8)
    assert plain.stopped is None
    goal = float(plain.error.relative.min()) / 3
    found = tl.explain(model, x, "shapley_sampling", 0, samples=8, tolerance=goal, max_evaluations=10**5)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= goal).all()
    assert found.evaluations > plain.evaluations
    lenient = tl.explain(model, x, "shapley_sampling", 0, samples=8, tolerance=10.0)
    np.testing.assert_array_equal(lenient.values, plain.values)


@pytest.mark.parametrize(("players", "budget"), [(1, 5), (2, 2), (3, 50), (5, 1000)])
def test_once_all_coalitions_are_known_the_values_are_exact(backend: Backend, players: int, budget: int) -> None:
    model, x = mixing_net(backend, players), table(2, players)
    found = tl.explain(model, x, "shapley_sampling", 0, tolerance=1e-4, max_evaluations=2 * budget)
    assert (found.stopped, found.evaluations) == ("tolerance", 2 * (2**players - 2))
    exact = tl.explain(model, x, "exact_shapley", 0)
    np.testing.assert_allclose(found.values, exact.values, rtol=1e-9, atol=1e-12)
    assert not found.error.values.any()
    assert not found.extras["standard_error"].any()
    plain = tl.explain(model, x, "shapley_sampling", 0, samples=1000)
    np.testing.assert_array_equal(plain.values, found.values)
    assert plain.stopped is None


def test_evaluations_are_limited_exactly(backend: Backend) -> None:
    model, x = mixing_net(backend, 8), table(2, 8)
    found = tl.explain(model, x, "shapley_sampling", 0, samples=1000, max_evaluations=200)
    assert found.stopped == "max_evaluations"
    assert 0 < found.evaluations <= 200
    with pytest.raises(tl.errors.MethodError, match="max_evaluations=5 is too few"):
        tl.explain(model, x, "shapley_sampling", 0, max_evaluations=5)


@pytest.mark.parametrize("size", [1, 5, 64])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int) -> None:
    model, x = mixing_net(backend), table(2)
    whole = tl.explain(model, x, "shapley_sampling", 0, background=ROWS, samples=4)
    found = tl.explain(model, x, "shapley_sampling", 0, background=ROWS, samples=4, batch_size=size)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-9, atol=1e-12)


def test_both_frameworks_agree_and_the_seed_decides(both: tuple[Backend, Backend]) -> None:
    def values(backend: Backend, seed: int) -> np.ndarray:
        net = small_net(backend, dtype="float64")
        options = {"segments": "grid", "segment_options": {"cells": 3}, "samples": 4}
        return tl.explain(net, pictures(2), "shapley_sampling", 1, seed=seed, **options).values

    first, second = (values(backend, 3) for backend in both)
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)
    assert not np.allclose(first, values(both[0], 4))


def test_captum_samples_the_same_values() -> None:
    attr = pytest.importorskip("captum.attr")
    from ...frameworks import need, torch

    model, x = mixing_net(need("torch")), table(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        peer = attr.ShapleyValueSampling(model.net).attribute(model.tensor(x), target=1, n_samples=300)
    found = tl.explain(model, x, "shapley_sampling", 1, samples=300)
    np.testing.assert_allclose(found.values, peer.numpy(), atol=0.25 * np.abs(found.values).max())


@pytest.mark.parametrize("samples", [0, -2, 1.5, "many"])
def test_a_number_of_samples_that_is_none_is_named(backend: Backend, samples: object) -> None:
    with pytest.raises(tl.errors.MethodError, match="samples="):
        tl.explain(mixing_net(backend), table(1), "shapley_sampling", 0, samples=samples)


def test_a_mean_by_parts_is_the_mean_of_all(rng: np.random.Generator) -> None:
    draws, mean = rng.normal(5, 2, (11, 3)), Mean(3)
    for part in (draws[:1], draws[1:4], draws[4:]):
        mean.add(part)
    np.testing.assert_allclose(mean.value, draws.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mean.standard_error(), draws.std(axis=0, ddof=1) / 11**0.5, rtol=1e-12)
