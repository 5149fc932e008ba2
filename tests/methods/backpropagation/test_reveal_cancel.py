"""RevealCancel: the paper's formulas written out, and what they are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import formula_net, linear_net, pictures
from .nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net


def linear_parts(matrix: np.ndarray, difference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    terms = matrix * difference
    return np.maximum(terms, 0).sum(1), np.minimum(terms, 0).sum(1)


def by_hand(twin: Twin, x: np.ndarray, reference: np.ndarray, target: int) -> np.ndarray:
    """Section 3.5 of the paper, for convolution, activation, convolution, activation, linear."""
    z0, h0, _, k0, _ = twin.run(reference)
    h = twin.run(x)[1]

    def multipliers(start: np.ndarray, up: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f = twin.f
        gain = (f(start + up) - f(start) + f(start + down + up) - f(start + down)) / 2
        loss = (f(start + down) - f(start) + f(start + up + down) - f(start + up)) / 2
        return (np.divide(d, p, out=np.zeros_like(p), where=p != 0) for d, p in ((gain, up), (loss, down)))

    def through(matrix: np.ndarray, difference: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
        share = (1 + np.sign(matrix * difference)) / 2
        # A difference that is 0 may still have parts: half of each weight.
        return (matrix * (share * plus[:, None] + (1 - share) * minus[:, None])).sum(0)

    signal = twin.head[target]
    for matrix, start, difference in ((twin.second, k0, h - h0), (twin.first, z0, (x - reference).ravel())):
        plus, minus = multipliers(start, *linear_parts(matrix, difference))
        signal = through(matrix, difference, signal * plus, signal * minus)
    return (x - reference) * signal.reshape(SHAPE)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_is_written_by_hand(backend: Backend, spelling: str) -> None:
    x, b = (pictures(3, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    for operation, function in (("relu", None), ("tanh", np.tanh)):
        model = spelt_net(backend, spelling, pool=False, operation=operation)
        twin = Twin(model, pool=False, operation=function)
        found = tl.explain(model, x, "deeplift", [0, 2, 3], baseline=b, rule="reveal_cancel")
        expected = [by_hand(twin, s, r, t) for s, r, t in zip(x, b, [0, 2, 3], strict=True)]
        np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12, err_msg=operation)


def test_both_inputs_of_a_minimum_share_it(backend: Backend) -> None:
    """The example of section 3.5.3: the minimum of two numbers, written as ``a - relu(a - b)``."""
    nn, f = backend.nn, functional(backend)
    model = formula(
        backend,
        lambda net, x: x[:, :1] - f.relu(net.difference(x)),
        difference=nn.Linear(2, 1),
    )
    model.load_state({"difference.weight": np.array([[1.0, -1.0]]), "difference.bias": np.zeros(1)})
    x = np.array([[3.0, 5.0], [5.0, 3.0], [2.0, 2.0]])
    found = tl.explain(model, x, "deeplift", 0, rule="reveal_cancel")
    np.testing.assert_allclose(found.values, np.repeat(x.min(1, keepdims=True) / 2, 2, axis=1), rtol=1e-14)
    # By rescaling, the larger one gets nothing.
    np.testing.assert_allclose(tl.explain(model, x[:2], "deeplift", 0).values, [[3, 0], [0, 3]], atol=1e-14)


def test_of_two_opposed_inputs_it_is_the_shapley_value(backend: Backend) -> None:
    f = functional(backend)
    nn = backend.nn
    for act, function in ((f.relu, lambda v: max(v, 0.0)), (f.sigmoid, lambda v: 1 / (1 + np.exp(-v)))):
        model = formula(backend, lambda net, x, act=act: act(net.only(x)), only=nn.Linear(2, 1))
        model.load_state({"only.weight": np.array([[2.0, -3.0]]), "only.bias": np.array([0.5])})
        x, b = np.array([1.0, 0.8]), np.array([-0.4, 0.1])

        def game(first: bool, second: bool, x: Any = x, b: Any = b, function: Any = function) -> float:
            return function(2 * (x if first else b)[0] - 3 * (x if second else b)[1] + 0.5)

        one = (game(True, False) - game(False, False) + game(True, True) - game(False, True)) / 2
        two = (game(False, True) - game(False, False) + game(True, True) - game(True, False)) / 2
        found = tl.explain(model, x[None], "deeplift", 0, baseline=b, rule="reveal_cancel")
        np.testing.assert_allclose(found.values, [[one, two]], rtol=1e-13)


def test_where_nothing_cancels_it_is_rescaling(backend: Backend, rng: np.random.Generator) -> None:
    f, nn = functional(backend), backend.nn
    model = formula(
        backend, lambda net, x: net.head(f.relu(net.hidden(x))), hidden=nn.Linear(4, 6), head=nn.Linear(6, 2)
    )
    state = model.state()
    model.load_state(state | {"hidden.weight": np.abs(state["hidden.weight"])})
    x, b = rng.random((3, 4)), -rng.random((3, 4))
    rescaled, revealed = (tl.explain(model, x, "deeplift", 1, baseline=b, rule=r) for r in ("rescale", "reveal_cancel"))
    np.testing.assert_allclose(revealed.values, rescaled.values, rtol=1e-12)


def test_inputs_that_do_not_move_the_sum_share_both_multipliers(backend: Backend) -> None:
    model = linear_net(backend, np.ones((2, 3)))
    found = tl.explain(model, np.array([[1.0, 0.0, -1.0]]), "deeplift", 0, rule="reveal_cancel")
    np.testing.assert_allclose(found.values, [[1.0, 0.0, -1.0]])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_pools_and_sums_between_layers_are_carried(backend: Backend, spelling: str) -> None:
    model = spelt_net(backend, spelling)
    x, b = (pictures(3, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    found = tl.explain(model, x, "deeplift", 1, baseline=b, rule="reveal_cancel")
    reference = tl.explain(spelt_net(backend), x, "deeplift", 1, baseline=b, rule="reveal_cancel")
    np.testing.assert_allclose(found.values, reference.values, rtol=1e-10, atol=1e-13)
    assert found.error is not None
    assert np.abs(found.error.values).max() < 1e-13


def test_products_and_layer_norm_are_refused(backend: Backend) -> None:
    f = functional(backend)
    x = np.array([[1.0, -2.0, 3.0, 0.5]])
    squared = formula_net(backend, lambda u, w: (u @ w) ** 2, np.ones((4, 2)))
    normed = formula_net(backend, lambda u, w: f.relu(f.layer_norm(u, [4])) @ w, np.ones((4, 2)))
    absolute = formula_net(backend, lambda u, w: backend.abs(u @ w) @ w[:2, :], np.ones((4, 2)))
    for model in (squared, normed, absolute):
        with pytest.raises(tl.errors.MethodError, match="reveal_cancel has no rule"):
            tl.explain(model, x, "deeplift", 0, baseline=0.2, rule="reveal_cancel")
