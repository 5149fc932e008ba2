"""SP-LIME: few samples whose explanations together show the features that matter most."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.perturbation.submodular_pick import Pick

from ...nets import linear_net, pictures, small_net
from .shapley_oracle import mixing_net, table

GRID: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 3}}


def of_table(weights: Any, x: Any = None, **changed: Any) -> tl.Explanation:
    """An explanation of rows whose weights are given."""
    values = np.asarray(weights, dtype=np.float64)
    facts: dict[str, Any] = {
        "values": values,
        "inputs": np.zeros_like(values) if x is None else x,
        "target": np.zeros(len(values), int),
        "scores": np.zeros((len(values), 2)),
        "method": "lime",
        "params": {},
        "backend": "torch",
        "model": "net",
        "seed": 0,
        "seconds": 0.0,
    }
    return tl.Explanation(**(facts | changed))


def largest(weights: np.ndarray, features: int) -> np.ndarray:
    """W: each row's largest weights by size, the others 0."""
    matrix = np.zeros_like(weights)
    for i, row in enumerate(weights.tolist()):
        for j in sorted(range(len(row)), key=lambda place: (-abs(row[place]), place))[:features]:
            matrix[i, j] = row[j]
    return matrix


def coverage(matrix: np.ndarray, chosen: tuple[int, ...]) -> float:
    total = 0.0
    for column in matrix.T.tolist():
        if any(column[i] != 0 for i in chosen):
            total += math.sqrt(sum(abs(weight) for weight in column))
    return total


def by_loop(matrix: np.ndarray, count: int) -> tuple[int, ...]:
    """The paper's Algorithm 2, the first of the best."""
    chosen: tuple[int, ...] = ()
    for _ in range(count):
        left = [i for i in range(len(matrix)) if i not in chosen]
        best = max(coverage(matrix, (*chosen, i)) for i in left)
        chosen += (next(i for i in left if coverage(matrix, (*chosen, i)) >= best - 1e-12),)
    return chosen


def test_two_samples_that_show_everything_are_picked() -> None:
    # The second sample shows most; the third and fourth then add nothing, and the first less than the fifth.
    weights = [[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]]
    pick = tl.submodular_pick(of_table(weights), 2, features=5)
    assert isinstance(pick, Pick)
    assert pick.indices.tolist() == [1, 4]
    root = math.sqrt(2)
    np.testing.assert_allclose(pick.importance, [root, 2, root, root, 1], rtol=1e-15)
    np.testing.assert_allclose(pick.coverage, [2 + 2 * root, 3 + 3 * root], rtol=1e-15)


@pytest.mark.parametrize("features", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_a_loop_over_samples(seed: int, features: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(9, 8)) ** 3
    pick = tl.submodular_pick(of_table(weights), 4, features)
    matrix = largest(weights, features)
    assert tuple(pick.indices.tolist()) == by_loop(matrix, 4)
    expected = [coverage(matrix, tuple(pick.indices[: k + 1].tolist())) for k in range(4)]
    np.testing.assert_allclose(pick.coverage, expected, rtol=1e-13)
    np.testing.assert_allclose(pick.importance, np.sqrt(np.abs(matrix).sum(axis=0)), rtol=1e-13)


@pytest.mark.parametrize("seed", range(20))
def test_it_covers_nearly_as_much_as_the_best_choice(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(10, 12)) ** 3
    matrix = largest(weights, 3)
    for count in (1, 2, 3, 4):
        best = max(coverage(matrix, chosen) for chosen in itertools.combinations(range(10), count))
        reached = tl.submodular_pick(of_table(weights), count, 3).coverage[-1]
        assert (1 - 1 / math.e) * best <= reached <= best * (1 + 1e-12)
        if count == 1:
            assert reached == pytest.approx(best, rel=1e-12)


def test_each_step_covers_less_than_the_one_before_and_more_picks_begin_alike() -> None:
    weights = np.random.default_rng(3).normal(size=(12, 20))
    pick = tl.submodular_pick(of_table(weights), 12, 4)
    added = np.diff(pick.coverage, prepend=0)
    assert (np.diff(added) <= 1e-12).all()
    assert sorted(pick.indices.tolist()) == list(range(12))
    assert pick.coverage[-1] == pytest.approx(pick.importance.sum())
    np.testing.assert_array_equal(tl.submodular_pick(of_table(weights), 5, 4).indices, pick.indices[:5])


def test_of_samples_that_add_as_much_the_first_is_picked() -> None:
    assert tl.submodular_pick(of_table(np.ones((4, 6))), 3, 6).indices.tolist() == [0, 1, 2]
    same = np.tile([1.0, 0, 0], (2, 1))
    assert tl.submodular_pick(of_table([*same, [0, 0, 1.0]]), 3, 1).indices.tolist() == [0, 2, 1]
    assert tl.submodular_pick(of_table(np.zeros((3, 4))), 2).indices.tolist() == [0, 1]


def test_neither_sign_nor_unit_of_the_weights_matters(rng: np.random.Generator) -> None:
    weights = rng.normal(size=(8, 9))
    plain = tl.submodular_pick(of_table(weights), 4, 3)
    turned = tl.submodular_pick(of_table(-16 * weights), 4, 3)
    np.testing.assert_array_equal(plain.indices, turned.indices)
    np.testing.assert_allclose(turned.coverage, 4 * plain.coverage, rtol=1e-13)


@pytest.mark.parametrize(("players", "kept"), [(1, 1), (4, 2), (5, 3), (19, 10), (60, 10)])
def test_ten_weights_of_a_sample_are_kept_or_half_of_them(players: int, kept: int, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(3, players))
    pick = tl.submodular_pick(of_table(weights), 1)
    matrix = largest(weights, kept)
    np.testing.assert_allclose(pick.importance, np.sqrt(np.abs(matrix).sum(axis=0)), rtol=1e-13)
    assert tuple(pick.indices.tolist()) == by_loop(matrix, 1)


def test_it_is_the_packages_pick() -> None:
    package = pytest.importorskip("lime.submodular_pick")
    lime_tabular = pytest.importorskip("lime.lime_tabular")
    rows = table(40, 12, seed=5)
    mixing = np.random.default_rng(0).normal(size=(12, 2))

    def classify(x: np.ndarray) -> np.ndarray:
        odds = np.exp(-np.tanh(x @ mixing)[:, 0] - (x * x @ mixing)[:, 1])
        return np.stack([odds / (1 + odds), 1 / (1 + odds)], axis=1)

    explainer = lime_tabular.LimeTabularExplainer(rows, discretize_continuous=False, random_state=0)
    peer = package.SubmodularPick(
        explainer, rows, classify, method="full", num_features=3, num_exps_desired=4, num_samples=60
    )
    weights = np.zeros((len(rows), 12))
    for i, each in enumerate(peer.explanations):
        for column, weight in each.local_exp[each.available_labels()[0]]:
            weights[i, column] = weight
    # Of equals the package takes the last one: the first from behind.
    pick = tl.submodular_pick(of_table(weights[::-1]), 4, features=3)
    assert (39 - pick.indices).tolist() == peer.V
    np.testing.assert_allclose(pick.coverage[-1], coverage(weights, tuple(peer.V)), rtol=1e-12)


def test_of_lime_on_a_table(backend: Backend) -> None:
    model, x, rows = mixing_net(backend), table(8), table(40, seed=2)
    found = tl.explain(model, x, "lime", 1, background=rows, samples=40)
    pick = tl.submodular_pick(found, 3, features=2)
    assert tuple(pick.indices.tolist()) == by_loop(largest(found.values, 2), 3)


def test_of_lime_on_pictures_with_one_partition(backend: Backend) -> None:
    x = pictures(5)
    found = tl.explain(small_net(backend), x, "lime", [0, 1, 2, 3, 0], samples=40, **GRID)
    cut = found.extras["segments"][0]
    weights = np.array([[values[0][cut == part][0] for part in range(9)] for values in found.values], np.float64)
    pick = tl.submodular_pick(found, 3, features=2)
    assert tuple(pick.indices.tolist()) == by_loop(largest(weights, 2), 3)
    assert pick.importance.shape == (9,)
    np.testing.assert_allclose(pick.importance, np.sqrt(np.abs(largest(weights, 2)).sum(axis=0)), rtol=1e-13)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("method", ["lime", "kernelshap", "feature_ablation"])
def test_of_any_method_that_gives_numbers_to_segments(backend: Backend, method: str, samples: int) -> None:
    params = {} if method == "feature_ablation" else {"samples": 40}
    found = tl.explain(small_net(backend), pictures(samples), method, 1, **params, **GRID)
    assert tl.submodular_pick(found, 1).importance.shape == (9,)


def test_of_segments_in_single_channels(backend: Backend) -> None:
    channels = np.arange(3)[:, None, None] + np.zeros((3, 8, 8), int)
    found = tl.explain(small_net(backend), pictures(4), "lime", 1, samples=8, segments=channels)
    pick = tl.submodular_pick(found, 2, features=1)
    assert tuple(pick.indices.tolist()) == by_loop(largest(found.values[:, :, 0, 0].astype(np.float64), 1), 2)


@pytest.mark.parametrize("method", ["kernelshap", "exact_shapley"])
def test_columns_taken_together_are_one_feature(backend: Backend, method: str) -> None:
    found = tl.explain(mixing_net(backend), table(6), method, 1, segments=[7, 7, 7, 2, 4])
    weights = found.values[:, [3, 4, 0]]
    pick = tl.submodular_pick(found, 3, features=1)
    assert tuple(pick.indices.tolist()) == by_loop(largest(weights, 1), 3)
    np.testing.assert_allclose(pick.importance, np.sqrt(np.abs(largest(weights, 1)).sum(axis=0)), rtol=1e-13)


def test_rows_whose_columns_are_taken_together_in_other_ways_are_named(backend: Backend) -> None:
    own = np.array([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]])
    found = tl.explain(mixing_net(backend), table(2), "exact_shapley", 1, segments=own)
    with pytest.raises(tl.errors.InputError, match="differ from row to row"):
        tl.submodular_pick(found, 1)


def test_samples_that_show_other_columns_are_picked(backend: Backend) -> None:
    # The logit of class 0 looks at the first column, that of class 1 at the last most of all.
    model = linear_net(backend, np.array([[5.0, 0, 0, 0], [0, 1, 2, 6]]))
    rows, targets = table(30, 4, seed=3), [0, 0, 0, 1, 0, 1]
    found = tl.explain(model, table(6, 4), "lime", targets, background=rows, samples=60, of="logit")
    assert sorted(tl.submodular_pick(found, 2, features=1).indices.tolist()) == [0, 3]


def test_it_survives_a_file_and_changes_nothing(backend: Backend, tmp_path: Any) -> None:
    found = tl.explain(small_net(backend), pictures(3), "lime", 1, samples=40, **GRID)
    before = found.values.copy()
    pick = tl.submodular_pick(found, 2)
    again = tl.submodular_pick(tl.Explanation.load(found.save(tmp_path / "e.npz")), 2)
    np.testing.assert_array_equal(again.indices, pick.indices)
    np.testing.assert_array_equal(found.values, before)


@pytest.mark.parametrize(
    ("count", "features", "named"),
    [
        (0, None, "count=0"),
        (-1, None, "count=-1"),
        (1.5, None, r"count=1\.5"),
        (True, None, "count=True"),
        (None, None, "count=None"),
        (4, None, r"count=4 is more than the 3 samples.*count=3"),
        (1, 0, "features=0"),
        (1, -2, "features=-2"),
        (1, "two", "features='two'"),
    ],
)
def test_numbers_that_make_no_sense_are_named(count: Any, features: Any, named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.submodular_pick(of_table(np.ones((3, 4))), count, features)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_named(bad: float) -> None:
    weights = np.ones((3, 4))
    weights[1, 2] = bad
    with pytest.raises(tl.errors.InputError, match="NaN or infinite"):
        tl.submodular_pick(of_table(weights), 1)


def test_explanations_without_common_features_are_named(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    half = np.arange(8) // 4
    own = np.stack([half[:, None] + np.zeros((8, 8), int), half + np.zeros((8, 8), int)])
    cases = {
        r"features that all samples share.*segments=\"grid\"": tl.explain(model, x, "saliency", 1),
        "differ from picture to picture": tl.explain(model, x, "lime", 1, samples=4, segments=own),
        "values of shape": of_table(np.ones((3, 4)), x=np.ones((3, 5))),
        "no numbers of features": of_table(np.ones((3, 2)), extras={"concepts": np.array(["dots", "lines"])}),
    }
    for named, explanation in cases.items():
        with pytest.raises(tl.errors.InputError, match=named):
            tl.submodular_pick(explanation, 1)
    with pytest.raises(tl.errors.InputError, match="is a ndarray"):
        tl.submodular_pick(np.ones((3, 4)), 1)  # type: ignore[arg-type]


def test_values_that_vary_within_a_segment_are_named() -> None:
    x = pictures(2)
    cut = np.stack([np.arange(8)[:, None] // 4 + np.zeros((8, 8), int)] * 2)
    pixels = of_table(x[:, :1], x=x, extras={"segments": cut}, method="xrai")
    with pytest.raises(tl.errors.InputError, match="xrai are not one number per segment"):
        tl.submodular_pick(pixels, 1)
    wider = of_table(x, x=x, extras={"segments": cut})
    with pytest.raises(tl.errors.InputError):
        tl.submodular_pick(wider, 1)
