"""DeepSHAP is DeepLIFT averaged over a background: Shapley values where DeepLIFT's rule is exact."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import need
from ...nets import linear_net, pictures, small_net
from .nets import formula, functional


def test_of_a_linear_network_it_is_the_exact_shapley_value(backend: Backend, rng: np.random.Generator) -> None:
    weights, x, rows = rng.normal(size=(3, 5)), rng.random((4, 5)), rng.random((7, 5))
    found = tl.explain(linear_net(backend, weights, rng.normal(size=3)), x, "deepshap", [0, 1, 2, 0], background=rows)
    np.testing.assert_allclose(found.values, weights[[0, 1, 2, 0]] * (x - rows.mean(0)), rtol=1e-12)
    spread = np.abs(weights[[0, 1, 2, 0]]) * rows.std(0, ddof=1) / 7**0.5
    np.testing.assert_allclose(found.extras["standard_error"], spread, rtol=1e-9)


def test_of_two_opposed_inputs_of_one_relu_it_is_the_shapley_value_over_the_background(backend: Backend) -> None:
    f = functional(backend)
    model = formula(backend, lambda net, x: f.relu(net.only(x)), only=backend.nn.Linear(2, 1))
    model.load_state({"only.weight": np.array([[2.0, -3.0]]), "only.bias": np.array([0.5])})
    x = np.array([1.0, 0.2])
    rows = x - np.random.default_rng(0).random((6, 2))  # the first raises the sum, the second lowers it

    def game(first: bool, second: bool) -> float:
        a, b = (np.full(6, x[i]) if on else rows[:, i] for i, on in enumerate((first, second)))
        return float(np.maximum(2 * a - 3 * b + 0.5, 0).mean())

    one = (game(True, False) - game(False, False) + game(True, True) - game(False, True)) / 2
    two = (game(False, True) - game(False, False) + game(True, True) - game(True, False)) / 2
    found = tl.explain(model, x[None], "deepshap", 0, background=rows, rule="reveal_cancel")
    np.testing.assert_allclose(found.values, [[one, two]], rtol=1e-12)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_it_is_the_mean_of_deeplift_over_the_rows_and_complete(backend: Backend, rule: str) -> None:
    model, x, rows = small_net(backend, dtype="float64"), pictures(3), pictures(4, seed=1)
    found = tl.explain(model, x, "deepshap", [1, 2, 3], background=rows, rule=rule)
    each = [tl.explain(model, x, "deeplift", [1, 2, 3], baseline=row, rule=rule).values for row in rows]
    np.testing.assert_allclose(found.values, np.mean(each, axis=0), rtol=1e-10, atol=1e-13)
    expected = np.std(each, axis=0, ddof=1) / 2
    np.testing.assert_allclose(found.extras["standard_error"], expected, rtol=1e-6, atol=1e-10)
    scores = model.forward(x)[range(3), [1, 2, 3]] - model.forward(rows)[:, [1, 2, 3]].mean(0)
    assert found.error is not None
    np.testing.assert_allclose(found.error.scale, scores, rtol=1e-12)
    assert np.abs(found.error.values).max() < 1e-12
    for size in (3, 8):
        parts = tl.explain(model, x, "deepshap", [1, 2, 3], background=rows, rule=rule, batch_size=size)
        np.testing.assert_allclose(parts.values, found.values, rtol=1e-10, atol=1e-13)


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (
        tl.explain(small_net(b, dtype="float64"), pictures(2), "deepshap", background=pictures(3, seed=1)) for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(torch.target, paddle.target)


def test_a_background_far_away_keeps_the_digits_of_its_standard_error(
    backend: Backend, rng: np.random.Generator
) -> None:
    weights, x = rng.normal(size=(2, 5)), rng.random((2, 5))
    model = linear_net(backend, weights)
    rows = 1e3 + 1e-6 * rng.random((6, 5))
    found = tl.explain(model, x, "deepshap", 1, background=rows)
    expected = np.abs(weights[1]) * rows.std(0, ddof=1) / 6**0.5
    # Differences of 1e3 are known to 1e-13, which is 1e-7 of the spread.
    np.testing.assert_allclose(found.extras["standard_error"], np.tile(expected, (2, 1)), rtol=1e-5)
    alike = tl.explain(model, x, "deepshap", 1, background=np.repeat(rows[:1], 6, axis=0), batch_size=3)
    assert not alike.extras["standard_error"].any()


def test_one_row_has_no_standard_error(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "deepshap", 0, background=np.zeros((1, 3, 8, 8)))
    assert np.isnan(found.extras["standard_error"]).all()
    np.testing.assert_array_equal(found.values, tl.explain(model, x, "deeplift", 0).values)


@pytest.mark.parametrize(
    "rows", [np.zeros((2, 3, 8, 7)), np.zeros((3, 8, 8)), np.full((1, 3, 8, 8), np.nan), "all", []]
)
def test_a_background_that_does_not_fit_is_refused(backend: Backend, rows: Any) -> None:
    with pytest.raises(tl.errors.InputError, match="background"):
        tl.explain(small_net(backend), pictures(2), "deepshap", 0, background=rows)


def test_a_background_is_needed(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="background"):
        tl.explain(small_net(backend), pictures(2), "deepshap", 0)


def test_shap_gives_the_same_on_a_network_that_it_handles() -> None:
    backend = need("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = pytest.importorskip("shap")
    import torch

    torch_net = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)
    ).double()
    state = {name: np.random.default_rng(1).normal(size=t.shape) for name, t in torch_net.state_dict().items()}
    model = tl.wrap(torch_net)
    model.load_state(state)
    assert model.backend is backend
    x, rows = np.random.default_rng(2).normal(size=(3, 4)), np.random.default_rng(3).normal(size=(5, 4))
    found = tl.explain(model, x, "deepshap", 1, background=rows)
    explainer = shap.DeepExplainer(torch_net, torch.from_numpy(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = explainer.shap_values(torch.from_numpy(x))[..., 1]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-9)
