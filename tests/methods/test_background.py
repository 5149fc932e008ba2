"""Backgrounds: what the model says of them on average."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.background import mean_worth, worth

from ..nets import linear_net


def double(backend: Backend) -> tl.Model:
    return linear_net(backend, np.array([[1.0, 2.0], [3.0, 4.0]]))


def test_each_sample_has_the_mean_of_its_own_target(backend: Backend) -> None:
    rows = np.array([[1.0, 0.0], [3.0, 2.0]])
    found = mean_worth(double(backend), rows, np.array([1, 0, 1]), 3, "logit", "auto")
    np.testing.assert_allclose(found, [10, 4, 10])
    of_both = mean_worth(double(backend), rows, lambda scores: scores[:, 0] + scores[:, 1], 3, "logit", "auto")
    np.testing.assert_allclose(of_both, [14, 14, 14])


@pytest.mark.parametrize("alike", [True, False])
def test_a_worth_that_is_not_finite_is_an_error(backend: Backend, alike: bool) -> None:
    model, baseline = double(backend), np.zeros((2, 2))
    baseline[1] = 0.0 if alike else 1.0

    def log(scores: Any) -> Any:
        return scores[:, 0].log()

    for call in (
        lambda: worth(model, baseline, log, "logit", "auto"),
        lambda: mean_worth(model, baseline, log, 2, "logit", "auto"),
    ):
        with pytest.raises(tl.errors.NonFiniteError):
            call()


@pytest.mark.parametrize("method", ["exact_shapley", "kernelshap", "integrated_gradients"])
def test_a_target_without_a_value_at_the_baseline_is_an_error(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.NonFiniteError):
        tl.explain(double(backend), np.ones((1, 2)), method, lambda scores: scores[:, 0].log())
