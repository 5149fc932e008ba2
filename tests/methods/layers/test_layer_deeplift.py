"""Layer DeepLIFT: closed forms, the network of the DeepLIFT tests written in NumPy, and completeness as the judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import paddle, torch
from ...nets import pictures, small_net
from ..backpropagation.nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net, windows
from .nets import READOUT, WEIGHTS, hidden_net, inputs

BASELINE = np.random.default_rng(11).normal(0, 1, (1, 6))[0]
TARGETS = [0, 2, 3]


def deeplift(model: tl.Model, x: np.ndarray, layer: str, target: Any = 1, **params: Any) -> tl.Explanation:
    return tl.explain(model, x, "layer_deeplift", target, layer=layer, **params)


def sums(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).sum(1)


# -- closed forms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_below_a_linear_layer_it_is_weight_times_difference_of_the_activation(backend: Backend, rule: str) -> None:
    x, nn, f = inputs(), backend.nn, functional(backend)
    model = formula(
        backend, lambda net, x: net.head(f.relu(net.hidden(x))), hidden=nn.Linear(6, 4), head=nn.Linear(4, 3)
    )
    state = model.state()
    found = deeplift(model, x, "hidden", [2, 0], baseline=BASELINE, rule=rule)
    z, z0 = (at @ state["hidden.weight"].T + state["hidden.bias"] for at in (x, BASELINE))
    change = np.maximum(z, 0) - np.maximum(z0, 0)
    np.testing.assert_allclose(found.values, state["head.weight"][[2, 0]] * change, rtol=1e-11, atol=1e-15)


def test_separate_units_get_their_own_difference(backend: Backend) -> None:
    """A power of 2 has the mean of both slopes, which is exact."""
    x = inputs()
    found = deeplift(hidden_net(backend, power=2), x, "hidden", 2, baseline=BASELINE)
    y, y0 = x @ WEIGHTS.T, BASELINE @ WEIGHTS.T
    np.testing.assert_allclose(found.values, (y**2 - y0**2) * READOUT[:, 2], rtol=1e-11)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
    np.testing.assert_allclose(found.extras["around"], 0, atol=1e-12)


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_the_input_is_a_layer(backend: Backend, rule: str) -> None:
    nn, f = backend.nn, functional(backend)
    model = formula(
        backend,
        lambda net, x: net.head(f.relu(net.conv(net.entrance(x))).flatten(1)),
        entrance=nn.Identity(),
        conv=nn.Conv2d(2, 3, 3),
        head=nn.Linear(48, 4),
    )
    x, b = (pictures(3, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    found = deeplift(model, x, "entrance", TARGETS, baseline=b, rule=rule)
    plain = tl.explain(model, x, "deeplift", TARGETS, baseline=b, rule=rule)
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found.error.values, plain.error.values, atol=1e-13)


# -- a naive twin --------------------------------------------------------------------------------------------------


def by_rescaling(twin: Twin, x: np.ndarray, reference: np.ndarray, target: int) -> dict[str, np.ndarray]:
    """Contributions of what the two convolutions return, and of what the shortcut adds."""
    _, h, p, k, _ = twin.run(x)
    _, h0, p0, k0, _ = twin.run(reference)
    at_k = twin.head[target] * (twin.f(k) - twin.f(k0)) / (k - k0)
    at_p = twin.second.T @ at_k + at_k
    at_h = np.zeros_like(h)
    for value, window in zip(at_p, windows(), strict=True):
        end, start = h[window].max(), h0[window].max()
        place = window[h[window].argmax() if end >= start else h0[window].argmax()]
        if end != start:
            at_h[place] += value * (end - start) / (h[place] - h0[place])
    return {
        "first": (at_h * (h - h0)).reshape(3, 6, 6),
        "second": (at_k * (k - p - k0 + p0)).reshape(3, 3, 3),
        "around second": at_k @ (p - p0),
    }


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_is_written_by_hand(backend: Backend, spelling: str) -> None:
    x, b = (pictures(3, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    for operation, function in (("relu", None), ("tanh", np.tanh)):
        model = spelt_net(backend, spelling, operation=operation)
        twin = Twin(model, operation=function)
        expected = [by_rescaling(twin, s, r, t) for s, r, t in zip(x, b, TARGETS, strict=True)]
        promised = [twin.run(s)[-1][t] - twin.run(r)[-1][t] for s, r, t in zip(x, b, TARGETS, strict=True)]
        for layer in ("first", "second"):
            found = deeplift(model, x, layer, TARGETS, baseline=b)
            np.testing.assert_allclose(found.values, [each[layer] for each in expected], rtol=1e-10, atol=1e-12)
            around = [each.get(f"around {layer}", 0.0) for each in expected]
            np.testing.assert_allclose(found.extras["around"], around, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(found.error.scale, promised, rtol=1e-12)
            np.testing.assert_allclose(found.error.values, -np.array(around), rtol=1e-9, atol=1e-12)


def by_revealing(twin: Twin, x: np.ndarray, reference: np.ndarray, target: int) -> dict[str, np.ndarray]:
    """Section 3.5 of the paper at the convolutions' outputs and at that of the activation between them."""
    z0, h0, _, k0, _ = twin.run(reference)
    h, f = twin.run(x)[1], twin.f

    def parts(matrix: np.ndarray, difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        terms = matrix * difference
        return np.maximum(terms, 0).sum(1), np.minimum(terms, 0).sum(1)

    def effects(start: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gain = (f(start + up) - f(start) + f(start + down + up) - f(start + down)) / 2
        loss = (f(start + down) - f(start) + f(start + up + down) - f(start + up)) / 2
        return gain, loss

    k_up, k_down = parts(twin.second, h - h0)
    gain, loss = effects(k0, k_up, k_down)
    plus, minus = (
        np.divide(twin.head[target] * d, p, out=np.zeros_like(p), where=p != 0)
        for d, p in ((gain, k_up), (loss, k_down))
    )
    share = (1 + np.sign(twin.second * (h - h0))) / 2
    at_h = (twin.second * (share * plus[:, None] + (1 - share) * minus[:, None])).sum(0)
    z_gain, z_loss = effects(z0, *parts(twin.first, (x - reference).ravel()))
    return {
        "second": (plus * k_up + minus * k_down).reshape(3, 6, 6),
        "one": (at_h * (h - h0)).reshape(3, 6, 6),
        # Up to the activation the two parts have one multiplier: that of the activation's own change.
        "first": (at_h * (z_gain + z_loss)).reshape(3, 6, 6),
    }


@pytest.mark.parametrize("operation", ["relu", "tanh"])
def test_the_parts_of_a_difference_are_followed_to_a_layer(backend: Backend, operation: str) -> None:
    x, b = (pictures(3, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    model = spelt_net(backend, "layers", pool=False, operation=operation)
    twin = Twin(model, pool=False, operation=None if operation == "relu" else np.tanh)
    expected = [by_revealing(twin, s, r, t) for s, r, t in zip(x, b, TARGETS, strict=True)]
    for layer in ("first", "one", "second"):
        found = deeplift(model, x, layer, TARGETS, baseline=b, rule="reveal_cancel")
        np.testing.assert_allclose(found.values, [each[layer] for each in expected], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.error.values, 0, atol=1e-12)


# -- completeness --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ""])
def test_every_layer_that_all_passes_shares_out_the_difference(
    backend: Backend, layer: str, rule: str, of: str
) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = deeplift(model, x, layer, [3, 1], baseline=0.4, rule=rule, of=of)
    size = np.abs(found.values).sum()
    assert size > 1e-3
    np.testing.assert_allclose(sums(found.values), found.error.scale, atol=1e-12 * size)
    np.testing.assert_allclose(found.extras["around"], 0, atol=1e-12 * size)


def clipped(backend: Backend, above: bool) -> tl.Model:
    """A ReLU written as clamp, which has no rule, above or below the layer ``middle``."""
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        if above:
            return net.head(backend.clip(net.middle(net.first(x)), low=0.0))
        return net.head(net.middle(backend.clip(net.first(x), low=0.0)))

    return formula(backend, forward, first=nn.Linear(6, 5), middle=nn.Linear(5, 5), head=nn.Linear(5, 3))


def test_an_operation_without_a_rule_above_the_layer_is_refused(backend: Backend) -> None:
    model, x = clipped(backend, above=True), 3 * inputs(8)
    with pytest.raises(tl.errors.MethodError, match="operations without a rule"):
        deeplift(model, x, "middle", tolerance=0.02)
    kept = deeplift(model, x, "middle", tolerance=None)
    assert np.abs(kept.error.values).sum() > 0.02 * np.abs(kept.error.scale).sum()


def test_an_operation_without_a_rule_below_the_layer_does_not_matter(backend: Backend) -> None:
    found = deeplift(clipped(backend, above=False), 3 * inputs(8), "middle", tolerance=1e-6)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
    np.testing.assert_array_equal(found.extras["around"], 0)


def test_what_goes_around_the_layer_is_told_and_not_refused(backend: Backend) -> None:
    """In this network it is most of the difference."""
    nn, x = backend.nn, inputs()

    def forward(net: Any, x: Any) -> Any:
        y = net.first(x)
        return net.head(9 * y + net.inner(y))

    model = formula(backend, forward, first=nn.Linear(6, 5), inner=nn.Linear(5, 5), head=nn.Linear(5, 3))
    found = deeplift(model, x, "inner", 1, tolerance=1e-6)
    around = 9 * (x @ model.state()["first.weight"].T) @ model.state()["head.weight"][1]
    np.testing.assert_allclose(found.extras["around"], around, rtol=1e-11)
    np.testing.assert_allclose(found.error.values, -around, rtol=1e-11)


def test_words_have_contributions_where_their_numbers_have_none(backend: Backend) -> None:
    nn, whole = backend.nn, {"torch": lambda x: x.long(), "paddle": lambda x: x.astype("int64")}[backend.name]
    embedding: Callable[..., Any] = (torch if backend.name == "torch" else paddle).nn.Embedding
    model = formula(
        backend, lambda net, x: net.head(net.words(whole(x)).mean(1)), words=embedding(7, 4), head=nn.Linear(4, 3)
    )
    words, weight = np.array([[1.0, 4, 2], [0, 6, 6]]), model.state()["words.weight"]
    found = deeplift(model, words, "words", 1, baseline=3.0)
    expected = (weight[words.astype(int)] - weight[3]) * model.state()["head.weight"][1] / 3
    np.testing.assert_allclose(found.values, expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-13)
    assert np.isnan(found.extras["around"]).all()


def test_a_rule_that_is_not_known_is_named(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="rule='cancel' is not known"):
        deeplift(small_net(backend), pictures(1), "4", rule="cancel")


def test_reveal_cancel_refuses_what_parts_do_not_add_up_behind(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="reveal_cancel has no rule"):
        deeplift(hidden_net(backend, power=2), inputs(), "hidden", rule="reveal_cancel")
