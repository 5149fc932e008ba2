"""Exact Shapley values: the definition by permutations, closed forms, and the four axioms."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.exact_shapley import shapley_values
from twinlens.methods.segments import superpixels

from ...nets import formula_net, linear_net, pictures, power_net, small_net
from .shapley_oracle import by_permutations, marginal, mixing_net, table

GRID = {"segments": "grid", "segment_options": {"cells": 2}}


def test_they_are_the_mean_over_all_orders_of_the_players(backend: Backend) -> None:
    model, x, rows = mixing_net(backend), table(2), table(4, seed=2)
    found = tl.explain(model, x, "exact_shapley", [2, 0], background=rows)
    for sample, values, target in zip(x, found.values, [2, 0], strict=True):
        np.testing.assert_allclose(values, by_permutations(marginal(model, sample, rows, target), 5), rtol=1e-10)
    assert found.evaluations == 2 * (2**5 - 2) * 4
    np.testing.assert_allclose(found.extras["base_value"], model.forward(rows).mean(axis=0)[[2, 0]])


def test_of_a_linear_network_they_are_the_weights_times_the_distance_to_the_background(
    backend: Backend, rng: np.random.Generator
) -> None:
    weights, x, rows = rng.normal(size=(3, 6)), rng.normal(size=(4, 6)), rng.normal(size=(5, 6))
    model = linear_net(backend, weights, rng.normal(size=3))
    found = tl.explain(model, x, "exact_shapley", 1, background=rows)
    np.testing.assert_allclose(found.values, weights[1] * (x - rows.mean(axis=0)), rtol=1e-10)
    found = tl.explain(model, x, "exact_shapley", 1, baseline=rows[0])
    np.testing.assert_allclose(found.values, weights[1] * (x - rows[0]), rtol=1e-10)


def test_of_a_sum_each_column_gets_its_own_part(backend: Backend, rng: np.random.Generator) -> None:
    weights, x, rows = rng.normal(size=(2, 5)), rng.normal(size=(3, 5)), rng.normal(size=(4, 5))
    found = tl.explain(power_net(backend, weights, 3), x, "exact_shapley", 0, background=rows)
    np.testing.assert_allclose(found.values, weights[0] * (x**3 - (rows**3).mean(axis=0)), rtol=1e-10, atol=1e-12)


def test_of_a_product_all_columns_get_the_same(backend: Backend) -> None:
    net = formula_net(backend, lambda u, w: u[:, :1] * u[:, 1:2] * u[:, 2:3] * w[:1], np.array([[2.0, -1.0]]))
    found = tl.explain(net, np.array([[3.0, 5.0, 0.5]]), "exact_shapley", 0)
    np.testing.assert_allclose(found.values, [[5.0, 5.0, 5.0]], rtol=1e-12)


def test_efficiency_symmetry_dummy_and_additivity(backend: Backend) -> None:
    x, rows = table(3), table(4, seed=2)
    x[:, 1], rows[:, 1] = x[:, 0], rows[:, 0]
    weights = np.random.default_rng(0).normal(size=(5, 3))
    weights[1] = weights[0]
    weights[4] = 0

    def values(quadratic: float, cubic: float) -> np.ndarray:
        net = formula_net(backend, lambda u, w: quadratic * (u @ w) ** 2 + cubic * (u @ w) ** 3, weights)
        found = tl.explain(net, x, "exact_shapley", 2, background=rows)
        promised = net.forward(x)[:, 2] - net.forward(rows)[:, 2].mean()
        np.testing.assert_allclose(found.values.sum(axis=1), promised, rtol=1e-10)
        np.testing.assert_allclose(found.error.scale, promised, rtol=1e-10)
        assert (np.abs(found.error.values) < 1e-12 * np.abs(promised)).all()
        return found.values

    both = values(1.0, 0.5)
    np.testing.assert_allclose(both[:, 0], both[:, 1], rtol=1e-9)
    assert (np.abs(both[:, 4]) < 1e-12 * np.abs(both).max()).all()
    np.testing.assert_allclose(both, values(1.0, 0.0) + values(0.0, 0.5), rtol=1e-9, atol=1e-12)


def test_of_a_picture_the_players_are_superpixels(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    cut = superpixels(x[0], "grid", cells=2)
    found = tl.explain(model, x, "exact_shapley", 3, baseline=[0.0, "mean"], **GRID)
    assert found.values.shape == (2, 1, 8, 8)
    np.testing.assert_array_equal(found.extras["segments"], [cut, cut])
    picture = x[1].astype(np.float64)
    hidden = np.stack([np.zeros_like(picture), picture * 0 + picture.mean(axis=(1, 2), keepdims=True)])
    expected = by_permutations(
        lambda present: float(model.forward(np.where(present[cut], picture, hidden))[:, 3].mean()), 4
    )
    np.testing.assert_allclose(found.values[1, 0], expected[cut], rtol=1e-6)


def test_a_partition_of_columns_plays_as_one(backend: Backend) -> None:
    model, x, rows = mixing_net(backend), table(2), table(3, seed=2)
    parts = np.array([7, 7, 3, 3, 9])
    found = tl.explain(model, x, "exact_shapley", 0, background=rows, segments=parts)
    whose = np.array([1, 1, 0, 0, 2])
    expected = by_permutations(lambda present: marginal(model, x[0], rows, 0)(present[whose]), 3)
    np.testing.assert_allclose(found.values[0], expected[whose], rtol=1e-10)


def test_a_single_column_gets_everything(backend: Backend) -> None:
    found = tl.explain(linear_net(backend, np.array([[2.0]])), np.array([[3.0]]), "exact_shapley", 0, baseline=1.0)
    np.testing.assert_allclose(found.values, [[4.0]])


@pytest.mark.parametrize("of", ["probability", "log_probability", "loss"])
def test_other_numbers_than_the_logit_are_explained(backend: Backend, of: str) -> None:
    model, x, rows = mixing_net(backend), table(2), table(3, seed=2)

    def number(batch: np.ndarray) -> np.ndarray:
        probability = model.probabilities(batch)[:, 1]
        return {"probability": probability, "log_probability": np.log(probability), "loss": -np.log(probability)}[of]

    found = tl.explain(model, x, "exact_shapley", 1, background=rows, of=of)
    np.testing.assert_allclose(found.values.sum(axis=1), number(x) - number(rows).mean(), rtol=1e-9)


def test_a_target_function_is_explained_too(backend: Backend) -> None:
    model, x, rows = mixing_net(backend), table(2), table(3, seed=2)
    expected = tl.explain(model, x, "exact_shapley", 1, background=rows)
    found = tl.explain(model, x, "exact_shapley", lambda scores: scores[:, 1], background=rows)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-12)
    assert found.target is None


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int) -> None:
    model, x, rows = mixing_net(backend), table(3), table(4, seed=2)
    whole = tl.explain(model, x, "exact_shapley", 0, background=rows)
    found = tl.explain(model, x, "exact_shapley", 0, background=rows, batch_size=size)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-4)])
def test_both_frameworks_agree(both: tuple[Backend, Backend], dtype: str, tolerance: float) -> None:
    torch, paddle = (
        tl.explain(mixing_net(b, dtype=dtype), table(2), "exact_shapley", 0, background=table(3, seed=2)).values
        for b in both
    )
    assert torch.dtype == paddle.dtype == dtype
    np.testing.assert_allclose(torch, paddle, rtol=tolerance, atol=tolerance * np.abs(torch).max())


def test_the_formula_holds_for_any_game(rng: np.random.Generator) -> None:
    worth = rng.normal(size=2**4)
    expected = by_permutations(lambda present: worth[int(present @ (1 << np.arange(4)))], 4)
    np.testing.assert_allclose(shapley_values(worth), expected, rtol=1e-12)


def test_more_players_than_can_be_enumerated_are_pointed_to_sampling(backend: Backend) -> None:
    model = linear_net(backend, np.ones((2, 21)))
    with pytest.raises(tl.errors.MethodError, match=r"21 players.*2\*\*21.*kernelshap"):
        tl.explain(model, np.ones((1, 21)), "exact_shapley", 0)


ROWS = table(3, seed=2)


@pytest.mark.parametrize("method", ["exact_shapley", "shapley_sampling", "kernelshap"])
@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"background": ROWS[:, :2]}, "background"),
        ({"background": np.full((2, 5), np.nan)}, "background"),
        ({"background": "train"}, "background"),
        ({"background": ROWS, "baseline": 0.0}, "baseline and background"),
        ({"baseline": "white"}, "baseline 'white'"),
        ({"baseline": "blur"}, "pictures"),
        ({"segments": "slic"}, "segments='slic'"),
        ({"segments": np.zeros(4, int)}, "segments"),
        ({"segments": ["slic"]}, "segments"),
        ({"segment_options": 5}, "segment_options=5"),
        ({"of": "margin"}, "of='margin'"),
        ({"seed": -1}, "seed=-1"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_named(backend: Backend, method: str, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.TwinlensError, match=named):
        tl.explain(mixing_net(backend), table(2), method, 0, **params)


@pytest.mark.parametrize("method", ["exact_shapley", "shapley_sampling", "kernelshap"])
def test_a_target_that_does_not_exist_or_a_single_superpixel_is_refused(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.TargetError, match="Target 5"):
        tl.explain(small_net(backend), pictures(1), method, 5, **GRID)
    with pytest.raises(tl.errors.MethodError, match="single superpixel"):
        tl.explain(small_net(backend), pictures(1), method, 0, segments=np.zeros((8, 8), int))
