"""NormLIME: LIME's weights, each divided by the L1 norm of its sample's and times itself, averaged within a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import formula_net, linear_net, pictures, small_net
from .shapley_oracle import mixing_net, table

ROWS = table(40, seed=2) * [1.0, 2.0, 0.5, 1.0, 3.0] + 1
QUARTERS: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 2}}
# All of the 2**4 masks there are: nothing is drawn.
COMPLETE: dict[str, Any] = {"samples": 16, **QUARTERS}
TARGETS = [2, 0, 2, 2, 0, 1]


def quarters(size: int = 8) -> np.ndarray:
    half = np.arange(size) * 2 // size
    return half[:, None] * 2 + half


def by_loop(weights: list[list[float]], targets: list[int]) -> dict[int, list[list[float]]]:
    """What each sample says of each feature, by class."""
    parts: dict[int, list[list[float]]] = {}
    for row, target in zip(weights, targets, strict=True):
        norm = sum(abs(weight) for weight in row)
        parts.setdefault(target, []).append([weight**2 / norm if norm else 0.0 for weight in row])
    return parts


def at_each(found: tl.Explanation, spread: np.ndarray) -> np.ndarray:
    """The number of each column, or of each segment (N, K)."""
    assert spread.shape == found.values.shape
    if "segments" not in found.extras:
        return spread
    cut = found.extras["segments"][0]
    return np.stack([spread[:, 0][:, cut == part][:, 0] for part in range(cut.max() + 1)], axis=1)


def assert_is_the_mean_within_classes(found: tl.Explanation, weights: list[list[float]], targets: list[int]) -> None:
    parts = by_loop(weights, targets)
    assert found.extras["classes"].tolist() == sorted(parts)
    for place, label in enumerate(sorted(parts)):
        said = np.array(parts[label])
        assert found.extras["counts"][place] == len(said)
        np.testing.assert_allclose(found.extras["importance"][place], said.mean(axis=0), rtol=1e-12)
        error = np.sqrt(said.var(axis=0, ddof=1) / len(said)) if len(said) > 1 else np.full(said.shape[1], np.nan)
        for i in np.flatnonzero(np.array(targets) == label):
            np.testing.assert_allclose(at_each(found, found.extras["standard_error"])[i], error, rtol=1e-9)


def test_of_a_table_it_is_a_loop_over_lime(backend: Backend) -> None:
    model, x = mixing_net(backend), table(6)
    params = {"background": ROWS, "samples": 60, "seed": 4}
    found = tl.explain(model, x, "normlime", TARGETS, **params)
    local = tl.explain(model, x, "lime", TARGETS, **params)
    assert_is_the_mean_within_classes(found, local.values.tolist(), TARGETS)
    assert found.values.shape == x.shape
    for i, target in enumerate(TARGETS):
        np.testing.assert_array_equal(found.values[i], found.extras["importance"][target])
        alike = [local.error.values[k] for k in range(6) if TARGETS[k] == target]
        np.testing.assert_allclose(found.error.values[i], np.mean(alike), rtol=1e-12)
    assert (found.error.name, found.evaluations) == (local.error.name, local.evaluations)


def test_of_pictures_it_is_a_loop_over_lime_picture_by_picture(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(6)
    found = tl.explain(model, x, "normlime", TARGETS, **COMPLETE)
    weights = []
    for picture, target in zip(x, TARGETS, strict=True):
        local = tl.explain(model, picture[None], "lime", target, **COMPLETE).values[0, 0]
        weights.append([float(local[quarters() == part][0]) for part in range(4)])
    # The same runs of the network in other batches: rounding of 1e-16 of the scores, and weights of 1e-3 of them.
    parts = by_loop(weights, TARGETS)
    for place, label in enumerate([0, 1, 2]):
        np.testing.assert_allclose(found.extras["importance"][place], np.mean(parts[label], axis=0), rtol=1e-10)
    assert found.values.shape == (6, 1, 8, 8)
    for i, target in enumerate(TARGETS):
        np.testing.assert_array_equal(found.values[i, 0], found.extras["importance"][target][quarters()])
    np.testing.assert_array_equal(found.extras["segments"], np.stack([quarters()] * 6))


def test_drawn_masks_are_those_of_lime(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(6)
    params = {"samples": 30, "segments": "grid", "segment_options": {"cells": 4}, "seed": 3, "hide_colour": 0.5}
    found = tl.explain(model, x, "normlime", TARGETS, **params)
    local = tl.explain(model, x, "lime", TARGETS, **params)
    cut = local.extras["segments"][0]
    weights = [[float(row[0][cut == part][0]) for part in range(16)] for row in local.values]
    assert_is_the_mean_within_classes(found, weights, TARGETS)


def test_of_a_linear_network_it_is_the_squared_slope_over_their_sum(backend: Backend, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(3, 5))
    model = linear_net(backend, weights)
    found = tl.explain(model, table(4), "normlime", [1, 2, 2, 1], background=ROWS, of="logit", samples=4000)
    slopes = weights * ROWS.std(axis=0)
    expected = slopes**2 / np.abs(slopes).sum(axis=1, keepdims=True)
    # The ridge's penalty of 1 beside 4000 neighbours, twice, as weights are squared.
    np.testing.assert_allclose(found.extras["importance"], expected[[1, 2]], rtol=0.01)
    np.testing.assert_allclose(found.values, expected[[1, 2, 2, 1]], rtol=0.01)


def test_it_scales_with_the_scores_and_does_not_know_their_sign(backend: Backend, rng: np.random.Generator) -> None:
    weights = rng.normal(size=(2, 5))
    params = {"background": ROWS, "of": "logit", "samples": 50}
    plain, large, turned = (
        tl.explain(linear_net(backend, factor * weights), table(4), "normlime", 1, **params).values
        for factor in (1, 8, -1)
    )
    np.testing.assert_allclose(large, 8 * plain, rtol=1e-9)
    np.testing.assert_allclose(turned, plain, rtol=1e-9)
    assert (plain > 0).all()


def test_the_order_of_the_samples_does_not_matter_where_nothing_is_drawn(backend: Backend) -> None:
    model, x, order = small_net(backend, dtype="float64"), pictures(6), [4, 2, 5, 0, 3, 1]
    plain = tl.explain(model, x, "normlime", TARGETS, **COMPLETE)
    turned = tl.explain(model, x[order], "normlime", [TARGETS[i] for i in order], **COMPLETE)
    np.testing.assert_allclose(turned.values, plain.values[order], rtol=1e-10)
    np.testing.assert_allclose(turned.extras["importance"], plain.extras["importance"], rtol=1e-10)
    np.testing.assert_array_equal(turned.extras["counts"], plain.extras["counts"])


def test_samples_of_another_class_do_not_matter(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    together = tl.explain(model, x, "normlime", [1, 1, 3, 0], **COMPLETE)
    alone = tl.explain(model, x[:2], "normlime", 1, **COMPLETE)
    np.testing.assert_allclose(together.values[:2], alone.values, rtol=1e-10)


def test_without_a_target_each_sample_counts_for_its_predicted_class(backend: Backend) -> None:
    model, x = small_net(backend), pictures(5)
    found = tl.explain(model, x, "normlime", **COMPLETE)
    predicted = model.predict(x).tolist()
    assert found.target.tolist() == predicted
    np.testing.assert_array_equal(found.values, tl.explain(model, x, "normlime", predicted, **COMPLETE).values)


def test_one_sample_of_a_class_leaves_the_spread_unknown(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(3), "normlime", [1, 2, 1], **COMPLETE)
    assert found.extras["counts"].tolist() == [2, 1]
    assert np.isfinite(found.extras["standard_error"][[0, 2]]).all()
    assert np.isnan(found.extras["standard_error"][1]).all()
    assert np.isfinite(found.error.values).all()


def test_its_standard_errors_are_the_spread_over_batches(backend: Backend) -> None:
    model = mixing_net(backend)
    runs = [
        tl.explain(model, table(40, seed=seed), "normlime", 1, background=ROWS, samples=60, of="logit").extras
        for seed in range(30)
    ]
    spread = np.std([run["importance"][0] for run in runs], axis=0, ddof=1)
    errors = np.sqrt(np.mean([run["standard_error"][0] ** 2 for run in runs], axis=0))
    # The spread of 30 numbers is known to some 13 %, and the cubes in the scores have heavy tails.
    assert 0.6 < np.linalg.norm(errors) / np.linalg.norm(spread) < 1.6


def test_a_network_that_does_not_look_has_no_important_features(backend: Backend) -> None:
    model = linear_net(backend, np.zeros((3, 5)))
    found = tl.explain(model, table(3), "normlime", 0, background=ROWS, samples=30)
    assert not found.values.any()
    assert not found.extras["standard_error"].any()


def test_a_column_that_never_varies_is_not_important(backend: Backend) -> None:
    rows = ROWS.copy()
    rows[:, 2] = 0.1
    found = tl.explain(mixing_net(backend), table(3), "normlime", 0, background=rows, samples=30)
    assert not found.values[:, 2].any()
    assert found.values[:, [0, 1, 3, 4]].all()


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_weights_of_any_size_have_a_norm(backend: Backend, size: float) -> None:
    weights = np.array([[1.0, -2, 3, 4, 5]])
    params = {"background": np.stack([np.zeros(5), np.ones(5)]), "of": "logit", "samples": 40}
    plain = tl.explain(linear_net(backend, weights), table(2) / 9, "normlime", 0, **params).values
    scaled = tl.explain(
        formula_net(backend, lambda u, w: (u @ w) * size, weights.T), table(2) / 9, "normlime", 0, **params
    )
    np.testing.assert_allclose(scaled.values / size, plain, rtol=1e-9)


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_importances_of_any_size_have_a_standard_error(backend: Backend, size: float) -> None:
    """Their squares leave the range of a float."""
    params = {"background": ROWS / 9, "of": "logit", "samples": 40}
    weights = np.random.default_rng(0).normal(size=(5, 2))
    plain, scaled = (
        tl.explain(
            formula_net(backend, lambda u, w, factor=factor: (u**3 @ w) * factor, weights),
            table(4) / 9,
            "normlime",
            0,
            **params,
        ).extras["standard_error"]
        for factor in (1.0, size)
    )
    assert plain.all()
    np.testing.assert_allclose(scaled / size, plain, rtol=1e-9)


def test_a_partition_of_ones_own_is_for_all_pictures(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    by_name = tl.explain(model, x, "normlime", 1, **COMPLETE)
    for own in (quarters(), quarters() + 7, np.stack([quarters()] * 4)):
        found = tl.explain(model, x, "normlime", 1, segments=own, samples=16)
        np.testing.assert_array_equal(found.values, by_name.values)
    channels = np.array([0, 3, 1])[:, None, None] + np.zeros((3, 8, 8), int)
    found = tl.explain(model, x, "normlime", 1, segments=channels, samples=8)
    assert found.values.shape == (4, 3, 8, 8)
    np.testing.assert_array_equal(found.values[0, :, 0, 0], found.extras["importance"][0, [0, 2, 1]])


def test_pictures_are_cut_by_a_grid_when_nothing_is_said(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    options = {"samples": 20, "segment_options": {"cells": 4}}
    np.testing.assert_array_equal(
        tl.explain(model, x, "normlime", 1, **options).values,
        tl.explain(model, x, "normlime", 1, segments="grid", **options).values,
    )


def test_a_tolerance_and_a_limit_are_those_of_lime(backend: Backend) -> None:
    model, x = mixing_net(backend), table(3)
    found = tl.explain(model, x, "normlime", 1, background=ROWS, samples=31, tolerance=0.2)
    local = tl.explain(model, x, "lime", 1, background=ROWS, samples=31, tolerance=0.2)
    assert (found.stopped, found.evaluations) == (local.stopped, local.evaluations) == ("tolerance", local.evaluations)
    short = tl.explain(model, x, "normlime", 1, background=ROWS, samples=31, max_evaluations=60)
    assert short.stopped == "max_evaluations"
    assert short.evaluations <= 60
    hurried = tl.explain(model, x, "normlime", 1, background=ROWS, samples=10**6, max_seconds=1e-3)
    assert hurried.stopped == "max_seconds"


def test_both_frameworks_agree_and_the_seed_decides(both: tuple[Backend, Backend]) -> None:
    def values(backend: Backend, seed: int) -> np.ndarray:
        return tl.explain(mixing_net(backend), table(4), "normlime", 1, background=ROWS, samples=20, seed=seed).values

    np.testing.assert_allclose(values(both[0], 3), values(both[1], 3), rtol=1e-9, atol=1e-12)
    assert not np.allclose(values(both[0], 3), values(both[0], 4))


def test_it_is_drawn(backend: Backend) -> None:
    pytest.importorskip("matplotlib")
    assert tl.explain(small_net(backend), pictures(2), "normlime", **COMPLETE).plot().axes
    assert tl.explain(mixing_net(backend), table(3), "normlime", background=ROWS, samples=30).plot().axes


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"segments": "slic"}, r"'slic' does not cut all pictures alike.*segments=\"grid\""),
        ({"segments": "nothing"}, r"segments=\"grid\""),
        ({"segments": np.stack([quarters(), quarters().T])}, r"differ from sample to sample.*one partition"),
        ({"segments": np.zeros((8, 8), int)}, "single superpixel"),
        ({"segments": quarters()[:4]}, "segments have shape"),
        ({"segments": quarters(), "segment_options": {"cells": 2}}, "segment_options"),
        ({"background": pictures(2)}, "background is for tables"),
        ({"samples": 1}, "samples=1"),
        ({"target": lambda scores: scores[:, 0]}, "explains classes"),
    ],
)
def test_what_does_not_fit_pictures_is_named(backend: Backend, params: dict[str, Any], named: str) -> None:
    with pytest.raises(tl.errors.TwinlensError, match=named):
        tl.explain(small_net(backend), pictures(2), "normlime", **({"target": 0, "samples": 16} | params))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"background": None}, "needs a background"),
        ({"segments": "grid"}, "segments"),
        ({"segments": np.arange(5)}, "segments is for pictures"),
        ({"segment_options": {"cells": 2}}, "segment_options"),
        ({"hide_colour": 0.0}, "hide_colour is for pictures"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_a_table_is_named(backend: Backend, params: dict[str, Any], named: str) -> None:
    with pytest.raises(tl.errors.TwinlensError, match=named):
        tl.explain(mixing_net(backend), table(2), "normlime", 0, **({"background": ROWS, "samples": 10} | params))
