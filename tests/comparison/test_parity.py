"""Parity holds two models against each other in their own precision and in float64."""

from __future__ import annotations

import json

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.comparison.parity import in_double

from ..nets import linear_net, pictures, small_net


def test_it_is_the_agreement_of_the_two_explanations(both: tuple[Backend, Backend]) -> None:
    first, second, x = small_net(both[0]), small_net(both[1]), pictures(2)
    found = tl.parity(first, second, x, "integrated_gradients", 1, steps=4)
    maps = {
        (b.name, dtype): tl.explain(small_net(b, dtype=dtype), x, "integrated_gradients", 1, steps=4).values
        for b in both
        for dtype in ("float32", "float64")
    }
    single = tl.agreement(maps["torch", "float32"], maps["paddle", "float32"])
    np.testing.assert_array_equal(found.single.relative_l2, single.relative_l2)
    # The float64 networks of parity hold the float32 networks' weights, not freshly drawn ones.
    assert found.double.worst()["relative_l2"] < 1e-12
    assert found.single.worst()["relative_l2"] < 1e-3
    assert all(0 < noise.worst()["relative_l2"] < 1e-3 for noise in found.noise)


def test_a_difference_between_the_networks_shows_in_float64(both: tuple[Backend, Backend]) -> None:
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = tl.parity(
        linear_net(both[0], weights), linear_net(both[1], 1.001 * weights), np.ones((1, 2)), "saliency", 1
    )
    assert found.double.relative_l2[0] == pytest.approx(0.001 / 1.001)


def test_both_explain_the_class_that_the_first_predicts(both: tuple[Backend, Backend]) -> None:
    first = linear_net(both[0], np.array([[1.0, 0.0], [0.0, 0.9]]))
    second = linear_net(both[1], np.array([[1.0, 0.0], [0.0, 1.1]]))
    found = tl.parity(first, second, np.ones((1, 2)), "saliency")
    assert found.double.relative_l2[0] == 0


def test_its_numbers_are_plain(both: tuple[Backend, Backend]) -> None:
    found = tl.parity(small_net(both[0]), small_net(both[1]), pictures(2), "saliency", 0)
    numbers = json.loads(json.dumps(found.numbers()))
    assert numbers["float64_relative_l2"] < 1e-12
    assert numbers["cosine"] > 0.9999
    assert len(numbers["float32_noise"]) == 2


def test_a_method_of_single_inputs_that_explains_no_class_needs_none(both: tuple[Backend, Backend]) -> None:
    found = tl.parity(small_net(both[0]), small_net(both[1]), pictures(2), "layer_activation", layer="4")
    assert found.double.worst()["relative_l2"] < 1e-10


def test_methods_without_a_target_are_compared_too(both: tuple[Backend, Backend]) -> None:
    found = tl.parity(small_net(both[0]), small_net(both[1]), pictures(1), "filter_visualisation", layer="4", steps=3)
    assert found.double.worst()["relative_l2"] < 1e-6


def test_importances_of_a_class_are_of_the_class_that_the_first_predicts(both: tuple[Backend, Backend]) -> None:
    first, second = small_net(both[0]), small_net(both[1])
    x = pictures(2)
    others = second.state()
    head = max(name for name, array in others.items() if array.ndim == 1)
    second.load_state(others | {head: others[head] + 100 * np.eye(len(others[head]))[(first.predict(x)[0] + 1) % 3]})
    assert (first.predict(x) != second.predict(x)).any()
    params = {"samples": 8, "segments": "grid", "segment_options": {"cells": 2}, "of": "logit"}
    found = tl.parity(first, second, x, "normlime", **params)
    named = tl.parity(first, second, x, "normlime", first.predict(x).tolist(), **params)
    np.testing.assert_array_equal(found.double.relative_l2, named.double.relative_l2)


def test_models_come_back_in_their_own_precision(both: tuple[Backend, Backend]) -> None:
    models = [small_net(b) for b in both]
    states = [model.state() for model in models]
    tl.parity(*models, pictures(1), "saliency", 0)
    for model, state in zip(models, states, strict=True):
        assert model.dtype == "float32"
        for name, array in model.state().items():
            np.testing.assert_array_equal(array, state[name])


def test_the_double_keeps_what_the_model_knows(backend: Backend) -> None:
    model = tl.wrap(
        small_net(backend).net,
        preprocess=tl.Normalise(0.5, 0.5),
        labels=list("abcde"),
        output=lambda scores: 2 * scores,
        input_shape=(3, 8, 8),
    )
    model.name = "named"
    double, x = in_double(model), pictures(2)
    assert (double.dtype, double.name, double.labels, double.input_shape) == (
        "float64", "named", list("abcde"), (3, 8, 8)
    )  # fmt: skip
    np.testing.assert_allclose(double.forward(x), model.forward(x), rtol=1e-4, atol=1e-5)
    assert in_double(double) is double
