"""Layer DeepSHAP: closed forms, the mean of what is written by hand, and completeness as the judge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import pictures, small_net
from ..backpropagation.nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net
from .nets import READOUT, WEIGHTS, hidden_net, inputs
from .test_layer_deeplift import by_rescaling, clipped, sums

TARGETS = [0, 2, 3]
ROWS = [pictures(1, seed, SHAPE)[0].astype(np.float64) - 0.5 for seed in (1, 2, 3, 4)]


def deepshap(model: tl.Model, x: np.ndarray, layer: str, target: Any = 1, **params: Any) -> tl.Explanation:
    return tl.explain(model, x, "layer_deepshap", target, layer=layer, **params)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_below_a_linear_layer_it_is_the_exact_shapley_value_of_the_units(backend: Backend, rule: str) -> None:
    """Weight times distance of the activation from its mean over the rows."""
    x, rows, nn, f = inputs(), np.random.default_rng(1).normal(size=(7, 6)), backend.nn, functional(backend)
    model = formula(
        backend,
        lambda net, x: net.head(net.units(f.relu(net.hidden(x)))),
        hidden=nn.Linear(6, 4),
        units=nn.Identity(),
        head=nn.Linear(4, 3),
    )
    state = model.state()
    found = deepshap(model, x, "units", [2, 0], background=rows, rule=rule)
    y, lent = (np.maximum(at @ state["hidden.weight"].T + state["hidden.bias"], 0) for at in (x, rows))
    weights = state["head.weight"][[2, 0]]
    np.testing.assert_allclose(found.values, weights * (y - lent.mean(0)), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(
        found.extras["standard_error"], np.abs(weights) * lent.std(0, ddof=1) / 7**0.5, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(found.error.values, 0, atol=1e-13)
    np.testing.assert_allclose(found.extras["around"], 0, atol=1e-13)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_mean_of_what_is_written_by_hand(backend: Backend, spelling: str) -> None:
    x, model = pictures(3, shape=SHAPE).astype(np.float64) - 0.5, spelt_net(backend, spelling)
    twin = Twin(model)
    by_row = [[by_rescaling(twin, s, row, t) for row in ROWS] for s, t in zip(x, TARGETS, strict=True)]
    promised = [
        twin.run(s)[-1][t] - np.mean([twin.run(row)[-1][t] for row in ROWS]) for s, t in zip(x, TARGETS, strict=True)
    ]
    for layer in ("first", "second"):
        found = deepshap(model, x, layer, TARGETS, background=np.stack(ROWS))
        each = np.array([[row[layer] for row in rows] for rows in by_row])
        around = np.array([[row.get(f"around {layer}", 0.0) for row in rows] for rows in by_row])
        np.testing.assert_allclose(found.values, each.mean(1), rtol=1e-10, atol=1e-12)
        # The variance is a difference of squares: of it 1e-16 of these is not known, and of its root 1e-8.
        np.testing.assert_allclose(found.extras["standard_error"], each.std(1, ddof=1) / 2, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.extras["around"], around.mean(1), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.error.scale, promised, rtol=1e-11)
        np.testing.assert_allclose(found.error.values, -around.mean(1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("layer", ["0", "2", "4", "9", ""])
def test_it_is_the_mean_of_layer_deeplift_over_the_rows_and_complete(backend: Backend, layer: str, rule: str) -> None:
    model, x, rows = small_net(backend, dtype="float64"), pictures(3), pictures(4, seed=1)
    found = deepshap(model, x, layer, TARGETS, background=rows, rule=rule, of="probability")
    each = [
        tl.explain(model, x, "layer_deeplift", TARGETS, layer=layer, baseline=row, rule=rule, of="probability").values
        for row in rows
    ]
    np.testing.assert_allclose(found.values, np.mean(each, axis=0), rtol=1e-10, atol=1e-13)
    scores = model.probabilities(x)[range(3), TARGETS] - model.probabilities(rows)[:, TARGETS].mean(0)
    np.testing.assert_allclose(found.error.scale, scores, rtol=1e-11)
    np.testing.assert_allclose(sums(found.values), scores, atol=1e-12)
    for size in (1, 3, 8):
        parts = deepshap(model, x, layer, TARGETS, background=rows, rule=rule, of="probability", batch_size=size)
        np.testing.assert_allclose(parts.values, found.values, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(parts.extras["around"], found.extras["around"], atol=1e-12)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_a_layer_at_the_input_is_deepshap(backend: Backend, rule: str) -> None:
    nn, f = backend.nn, functional(backend)
    model = formula(
        backend,
        lambda net, x: net.head(f.relu(net.conv(net.entrance(x))).flatten(1)),
        entrance=nn.Identity(),
        conv=nn.Conv2d(2, 3, 3),
        head=nn.Linear(48, 4),
    )
    x, rows = pictures(3, shape=SHAPE), np.stack(ROWS)
    found = deepshap(model, x, "entrance", TARGETS, background=rows, rule=rule)
    plain = tl.explain(model, x, "deepshap", TARGETS, background=rows, rule=rule)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found.error.values, plain.error.values, atol=1e-13)
    np.testing.assert_allclose(found.extras["standard_error"], plain.extras["standard_error"], rtol=1e-9, atol=1e-12)
    assert set(plain.extras) == {"standard_error"}


def test_a_background_of_one_row_is_layer_deeplift_with_no_known_error(backend: Backend) -> None:
    x, row = inputs(), np.random.default_rng(2).normal(size=(1, 6))
    found = deepshap(hidden_net(backend, power=2), x, "hidden", 2, background=row)
    expected = ((x @ WEIGHTS.T) ** 2 - (row @ WEIGHTS.T) ** 2) * READOUT[:, 2]
    np.testing.assert_allclose(found.values, expected, rtol=1e-11)
    assert np.isnan(found.extras["standard_error"]).all()


def test_what_goes_around_the_layer_is_told_and_not_refused(backend: Backend) -> None:
    x, rows = inputs(), np.random.default_rng(2).normal(size=(5, 6))
    found = deepshap(hidden_net(backend, power=2, around=50.0), x, "hidden", 0, background=rows, tolerance=1e-6)
    around = 50 * (x[:, 0] - rows[:, 0].mean())
    np.testing.assert_allclose(found.extras["around"], around, rtol=1e-10)
    np.testing.assert_allclose(found.error.values, -around, rtol=1e-10)


def test_an_operation_without_a_rule_matters_above_the_layer_and_not_below(backend: Backend) -> None:
    x, rows = 3 * inputs(8), 3 * np.random.default_rng(2).normal(size=(3, 6))
    with pytest.raises(tl.errors.MethodError, match="operations without a rule"):
        deepshap(clipped(backend, above=True), x, "middle", background=rows, tolerance=1e-3)
    kept = deepshap(clipped(backend, above=True), x, "middle", background=rows, tolerance=None)
    assert np.abs(kept.error.values).sum() > 1e-3 * np.abs(kept.error.scale).sum()
    found = deepshap(clipped(backend, above=False), x, "middle", background=rows, tolerance=1e-6)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)


def test_bad_backgrounds_and_rules_are_named(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    for background in (np.zeros((2, 3, 4, 4)), np.zeros((0, 3, 8, 8)), np.full((2, 3, 8, 8), np.nan), "rows"):
        with pytest.raises(tl.errors.InputError, match="background"):
            deepshap(model, x, "4", background=background)
    with pytest.raises(tl.errors.MethodError, match="needs the parameter 'background'"):
        deepshap(model, x, "4")
    with pytest.raises(tl.errors.MethodError, match="rule='cancel' is not known"):
        deepshap(model, x, "4", background=x, rule="cancel")
