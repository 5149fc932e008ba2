"""LIME on tables: slopes per standard deviation of a line through noisy copies of a row."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import linear_net, pictures, small_net
from .lime_oracle import left_out_r_squared
from .shapley_oracle import mixing_net, table

ROWS = table(40, seed=2) * [1.0, 2.0, 0.5, 1.0, 3.0] + 1


def test_it_is_scikit_learns_weighted_ridge_on_the_documented_rows(backend: Backend) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model, x = mixing_net(backend), table(2)
    found = tl.explain(model, x, "lime", 1, background=ROWS, samples=61, seed=4)
    assert found.evaluations == 2 * 60
    mean, scale = ROWS.mean(axis=0), ROWS.std(axis=0)
    for i in range(2):
        half = np.random.default_rng([4, i]).standard_normal((30, 5))
        noise = np.concatenate([np.zeros((1, 5)), np.stack([half, -half], axis=1).reshape(-1, 5)])
        y = model.probabilities(x[i] + noise * scale)[:, 1]
        weight = np.sqrt(np.exp(-(noise**2).sum(axis=1) / (0.75**2 * 5)))
        rows = (x[i] - mean) / scale + noise
        ridge = linear_model.Ridge(alpha=1).fit(rows, y, sample_weight=weight)
        np.testing.assert_allclose(found.values[i], ridge.coef_, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(found.extras["intercept"][i], ridge.intercept_, rtol=1e-8)
        np.testing.assert_allclose(found.extras["local_prediction"][i], ridge.predict(rows[:1])[0], rtol=1e-8)
        np.testing.assert_allclose(found.error.values[i], left_out_r_squared(ridge, rows, y, weight), rtol=1e-8)


def test_of_a_linear_network_the_slopes_are_its_weights_per_standard_deviation(
    backend: Backend, rng: np.random.Generator
) -> None:
    weights = rng.normal(size=(3, 5))
    found = tl.explain(linear_net(backend, weights), table(2), "lime", 2, background=ROWS, of="logit", samples=4000)
    np.testing.assert_allclose(found.values, np.tile(weights[2] * ROWS.std(axis=0), (2, 1)), rtol=0.01)
    assert (found.error.values > 0.9999).all()


def test_it_agrees_with_the_package(backend: Backend) -> None:
    lime_tabular = pytest.importorskip("lime.lime_tabular")
    model, x = mixing_net(backend), table(1) * 0.3
    peer = lime_tabular.LimeTabularExplainer(
        ROWS, discretize_continuous=False, sample_around_instance=True, random_state=0
    ).explain_instance(x[0], model.probabilities, labels=(1,), num_samples=6000)
    expected = np.array([dict(peer.local_exp[1])[column] for column in range(5)])
    found = tl.explain(model, x, "lime", 1, background=ROWS, samples=6000)
    np.testing.assert_allclose(found.values[0], expected, atol=0.1 * np.abs(expected).max())
    np.testing.assert_allclose(found.extras["local_prediction"], peer.local_pred, atol=0.03)


def test_a_column_that_never_varies_is_left_alone(backend: Backend) -> None:
    rows = ROWS.copy()
    rows[:, 2] = 0.1
    found = tl.explain(mixing_net(backend), table(2), "lime", 0, background=rows, samples=30)
    assert found.values.shape == (2, 5)
    assert not found.values[:, 2].any()
    assert found.values[:, [0, 1, 3, 4]].all()


def test_its_standard_errors_are_the_spread_over_seeds(backend: Backend) -> None:
    model, x = mixing_net(backend), table(1)
    runs = [tl.explain(model, x, "lime", 1, background=ROWS, samples=200, seed=seed) for seed in range(50)]
    spread = np.std([run.values for run in runs], axis=0, ddof=1)
    errors = np.sqrt(np.mean([run.extras["standard_error"] ** 2 for run in runs], axis=0))
    assert 0.75 < np.sqrt((errors**2).mean() / (spread**2).mean()) < 1.3


@pytest.mark.parametrize("params", [{"samples": 10}, {"samples": 30, "kernel_width": 0.4}])
def test_fewer_neighbours_that_count_than_slopes_leave_the_error_unknown(
    backend: Backend, params: dict[str, float]
) -> None:
    found = tl.explain(mixing_net(backend), table(2), "lime", 1, background=ROWS, **params)
    assert np.isnan(found.extras["standard_error"]).all()
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("samples", [2, 3, 6, 12])
def test_slopes_that_only_fit_their_own_neighbours_have_no_r_squared(backend: Backend, samples: int) -> None:
    # Even of a network that is a line, whose own neighbours a line with so many slopes always fits.
    model = linear_net(backend, np.arange(-15.0, 15.0).reshape(2, 15))
    rows = table(40, 15, seed=2)
    found = tl.explain(model, table(30, 15), "lime", 0, background=rows, of="logit", samples=samples)
    assert found.error.values.mean() < 0.5


@pytest.mark.parametrize("width", [1e-3, 5e-2])
def test_a_kernel_in_which_no_neighbour_counts_is_an_error(backend: Backend, width: float) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"kernel_width.*too small.*larger kernel_width"):
        tl.explain(mixing_net(backend), table(2), "lime", 1, background=ROWS, samples=100, kernel_width=width)


def test_a_tolerance_is_reached_in_rounds_that_add_to_the_first(backend: Backend) -> None:
    model, x = mixing_net(backend), table(3)
    plain = tl.explain(model, x, "lime", 1, background=ROWS, samples=31)
    lenient = tl.explain(model, x, "lime", 1, background=ROWS, samples=31, tolerance=50.0)
    np.testing.assert_array_equal(lenient.values, plain.values)
    goal = float(
        np.median(np.linalg.norm(plain.extras["standard_error"], axis=1) / np.linalg.norm(plain.values, axis=1))
    )
    found = tl.explain(model, x, "lime", 1, background=ROWS, samples=31, tolerance=goal / 3)
    assert found.stopped == "tolerance"
    errors = np.linalg.norm(found.extras["standard_error"], axis=1)
    assert (errors <= goal / 3 * np.linalg.norm(found.values, axis=1)).all()
    whole = tl.explain(model, x[:1], "lime", 1, background=ROWS, samples=31 * 8 + 1)
    rounds = tl.explain(model, x[:1], "lime", 1, background=ROWS, samples=31, tolerance=1e-9, max_evaluations=31 * 8)
    np.testing.assert_allclose(rounds.values, whole.values, rtol=1e-9)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int) -> None:
    model, x = mixing_net(backend), table(2)
    whole = tl.explain(model, x, "lime", 1, background=ROWS, samples=20)
    found = tl.explain(model, x, "lime", 1, background=ROWS, samples=20, batch_size=size)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-9, atol=1e-13)


def test_both_frameworks_agree_and_the_seed_decides(both: tuple[Backend, Backend]) -> None:
    def values(backend: Backend, seed: int) -> np.ndarray:
        return tl.explain(mixing_net(backend), table(2), "lime", 1, background=ROWS, samples=20, seed=seed).values

    np.testing.assert_allclose(values(both[0], 3), values(both[1], 3), rtol=1e-9, atol=1e-12)
    assert not np.allclose(values(both[0], 3), values(both[0], 4))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"background": None}, "needs a background"),
        ({"background": ROWS[:, :3]}, "background"),
        ({"background": np.full((3, 5), np.nan)}, "background"),
        ({"background": np.ones((3, 5))}, "No column of the background varies"),
        ({"segments": "slic"}, "segments is for pictures"),
        ({"hide_colour": 0.0}, "hide_colour is for pictures"),
        ({"baseline": 0.0}, "baseline is for pictures"),
        ({"samples": 1}, "samples=1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parameters_that_do_not_fit_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.TwinlensError, match=named):
        tl.explain(mixing_net(backend), table(1), "lime", 0, **({"background": ROWS, "samples": 10} | params))


def test_pictures_need_no_background(backend: Backend) -> None:
    options = {"segments": "grid", "segment_options": {"cells": 2}}
    assert tl.explain(small_net(backend), pictures(1), "lime", 0, samples=8, **options).values.shape == (1, 1, 8, 8)
