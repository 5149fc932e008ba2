"""Regions and their weights are the same for every method that has them, and chosen as the lime package chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lime.lime_image import ImageExplanation

import twinlens as tl
from twinlens.backends import Backend
from twinlens.tasks.explained_regions import Regions, regions_of, strongest

PATCH = (slice(4, 8), slice(8, 12))
CELL = 6
CELLS: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 4}}


def patch_network(backend: Backend) -> tl.backends.Model:
    """A linear network whose class 1 is 3 times the mean of one patch of 16 × 16 pictures."""
    model = tl.wrap(backend.nn.Sequential(backend.nn.Flatten(), backend.nn.Linear(768, 2)))
    weight = np.zeros((2, 3, 16, 16), np.float32)
    weight[1][:, *PATCH] = 3 / 48
    model.load_state({"1.weight": weight.reshape(2, -1), "1.bias": np.zeros(2, np.float32)})
    return model


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(3).uniform(0.4, 1, (1, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("lime", CELLS | {"samples": 100, "hide_colour": 0.0}),
        ("normlime", CELLS | {"samples": 100, "hide_colour": 0.0}),
        ("kernelshap", CELLS | {"samples": 100}),
        ("shapley_sampling", CELLS | {"samples": 5}),
        ("feature_ablation", CELLS),
        ("xrai", {"steps": 4, "baseline": 0.0, "segments": np.arange(16).reshape(4, 4).repeat(4, 0).repeat(4, 1)}),
        ("partition_shap", {"max_evaluations": 400}),
    ],
)
def test_the_region_that_the_network_looks_at_is_the_strongest(
    method: str, params: dict[str, Any], backend: Backend, picture: np.ndarray
) -> None:
    explanation = tl.explain(patch_network(backend), picture, method, 1, **params)
    found = regions_of(explanation, 0)
    assert found is not None
    assert not found.silent
    inside = np.zeros((16, 16), bool)
    inside[PATCH] = True
    (first,) = strongest(found.told(), "positive", 1)
    assert inside[found.segments == first].all()
    sizes = np.array([abs(weight) for weight in found.weights.values()])
    within = np.array([inside[found.segments == number].all() for number in found.weights])
    assert sizes[~within].sum() < 0.1 * sizes[within].sum()
    assert (np.diff(sizes) <= 0).all()


def test_weights_are_those_of_the_method_with_its_errors(backend: Backend, picture: np.ndarray) -> None:
    model = patch_network(backend)
    made = tl.explain(model, picture, "lime", 1, samples=60, hide_colour=0.0, of="logit", **CELLS)
    found = regions_of(made, 0)
    assert found is not None
    assert set(found.segments[PATCH].ravel()) == {CELL}
    assert found.weights[CELL] == made.values[0, 0, 4, 8]
    assert found.errors[CELL] == made.extras["standard_error"][0, 0, 4, 8]
    entries = found.numbers({CELL})
    assert [entry["region"] for entry in entries] == list(found.weights)
    assert entries[0]["box"] == [8, 4, 4, 4]
    assert entries[0]["pixels"] == 16
    assert [entry["drawn"] for entry in entries] == [True] + [False] * 15


def test_errors_that_are_not_known_are_left_out(backend: Backend, picture: np.ndarray) -> None:
    made = tl.explain(patch_network(backend), picture, "kernelshap", 1, samples=32, **CELLS)
    assert np.isnan(made.extras["standard_error"]).all()
    found = regions_of(made, 0)
    assert found is not None
    assert found.errors == {}
    assert next(iter(found.told())) == CELL


def test_partition_shap_s_regions_add_up_to_all_that_it_shares_out(backend: Backend, picture: np.ndarray) -> None:
    made = tl.explain(patch_network(backend), picture, "partition_shap", 1, max_evaluations=60)
    found = regions_of(made, 0)
    assert found is not None
    assert sum(found.weights.values()) == pytest.approx(float(made.values.sum()), rel=1e-5)
    for number in found.weights:
        level = made.values[0].sum(axis=0)[found.segments == number]
        assert level.min() == level.max()


def test_maps_without_regions_have_none(backend: Backend, picture: np.ndarray) -> None:
    assert regions_of(tl.explain(patch_network(backend), picture, "saliency", 1), 0) is None


def test_weights_as_small_as_rounding_say_nothing(backend: Backend, picture: np.ndarray) -> None:
    # Hidden by their own mean colour, the cells leave the mean of the patch what it is.
    made = tl.explain(patch_network(backend), picture, "lime", 1, samples=60, **CELLS)
    found = regions_of(made, 0)
    assert found is not None
    assert found.silent


@pytest.mark.parametrize("show", ["positive", "both"])
@pytest.mark.parametrize("count", [1, 3, 8, 50])
@pytest.mark.parametrize("least", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_the_regions_chosen_are_those_of_the_lime_package(show: str, count: int, least: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    segments = np.arange(16).reshape(4, 4)
    pairs = sorted(enumerate(rng.normal(0, 0.5, 16).tolist()), key=lambda pair: -abs(pair[1]))
    theirs = ImageExplanation(np.zeros((4, 4, 3)), segments)
    theirs.local_exp = {1: pairs}
    _, mask = theirs.get_image_and_mask(
        1, positive_only=show == "positive", num_features=count, min_weight=least, hide_rest=False
    )
    ours = strongest(dict(pairs), show, count, least)
    for number in range(16):
        expected = int(mask[segments == number][0])
        assert (int(np.sign(ours[number])) if number in ours else 0) == expected


def test_weights_within_their_errors_say_nothing() -> None:
    weights = {0: 0.5, 1: -0.4, 2: 0.3, 3: 1e-9}
    found = Regions(np.arange(4).reshape(2, 2), weights, {0: 0.1, 1: 0.3, 2: 0.15, 3: 0.0}, 1e-6)
    assert found.told() == {0: 0.5, 2: 0.3}
    assert not found.silent


def test_nothing_is_chosen_where_nothing_is_to_be_shown() -> None:
    assert strongest({0: 1.0, 1: -2.0}, "none", 5) == {}
    assert strongest({1: -2.0, 0: 0.0}, "both", 5) == {1: -2.0}


def test_regions_are_numbered_and_boxed_in_pixels() -> None:
    segments = np.array([[0, 0, 1], [2, 2, 1]])
    found = Regions(segments, {1: 0.5, 2: -0.25, 0: 0.0}, {}, 1e-6)
    assert [entry["box"] for entry in found.numbers(set())] == [[2, 0, 1, 2], [0, 1, 2, 1], [0, 0, 2, 1]]
    assert all(entry["standard_error"] is None for entry in found.numbers(set()))
