"""DeepLIFT's contributions: closed forms, a naive twin, and completeness as the judge."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.backpropagation.differences import NONLINEAR
from twinlens.methods.backpropagation.multipliers import slope

from ...frameworks import need
from ...nets import formula_net, linear_net, pictures, small_net
from .nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net, windows

OF = ("logit", "probability", "log_probability", "loss")


def complete(found: tl.Explanation, tolerance: float = 1e-12) -> bool:
    """Whether the contributions sum to the score difference up to rounding."""
    assert found.error is not None
    size = np.abs(found.values).reshape(len(found.values), -1).sum(1)
    return bool((np.abs(found.error.values) <= tolerance * np.maximum(size, 1e-3)).all() and (size > 0).any())


def by_hand(twin: Twin, x: np.ndarray, reference: np.ndarray, target: int) -> np.ndarray:
    z, h, _, k, _ = twin.run(x)
    z0, h0, _, k0, _ = twin.run(reference)

    def activation(signal: np.ndarray, which: int) -> np.ndarray:
        start, end = ((z0, z), (k0, k))[which]
        return signal * (twin.f(end) - twin.f(start)) / (end - start)

    def unpool(signal: np.ndarray) -> np.ndarray:
        out = np.zeros_like(h)
        for value, window in zip(signal, windows(), strict=True):
            end, start = h[window].max(), h0[window].max()
            place = window[h[window].argmax() if end >= start else h0[window].argmax()]
            if end != start:
                out[place] += value * (end - start) / (h[place] - h0[place])
        return out

    return (x - reference) * twin.backward(twin.head[target], activation, unpool)


# -- closed forms --------------------------------------------------------------------------------------------------


def test_of_a_linear_network_it_is_weight_times_difference(backend: Backend, rng: np.random.Generator) -> None:
    weights, x, b = rng.normal(size=(3, 5)), rng.random((2, 5)), rng.random((2, 5))
    model = linear_net(backend, weights, rng.normal(size=3))
    for rule in ("rescale", "reveal_cancel"):
        found = tl.explain(model, x, "deeplift", [2, 0], baseline=b, rule=rule)
        np.testing.assert_allclose(found.values, weights[[2, 0]] * (x - b), rtol=1e-13)


def test_of_one_relu_the_slope_is_that_of_the_difference(backend: Backend) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu(u @ w - 1.0), np.array([[2.0], [-1.0]]))
    x, b = np.array([[3.0, 1.0]]), np.array([[-1.0, 2.0]])
    # 2 * 3 - 1 - 1 = 4 against -5: the output goes from 0 to 4 while the input goes up by 9.
    found = tl.explain(model, x, "deeplift", 0, baseline=b)
    np.testing.assert_allclose(found.values, [[2 * 4 * 4 / 9, -1 * -1 * 4 / 9]], rtol=1e-15)


def test_it_sees_what_is_saturated_where_the_gradient_is_zero(backend: Backend) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: 1.0 - f.relu(1.0 - u @ w), np.ones((2, 1)))
    x = np.array([[1.0, 1.0]])
    assert not tl.explain(model, x, "saliency", 0).values.any()
    np.testing.assert_allclose(tl.explain(model, x, "deeplift", 0).values, [[0.5, 0.5]], rtol=1e-15)


def test_max_pooling_credits_the_place_of_the_larger_maximum(backend: Backend) -> None:
    f = functional(backend)

    def forward(net: Any, x: Any) -> Any:
        return net.head(f.max_pool2d(x, 2).flatten(1))

    model = formula(backend, forward, head=backend.nn.Linear(1, 2))
    weight = model.state()["head.weight"][0, 0]
    x = np.array([[5.0, 1.0], [2.0, 3.0]]).reshape(1, 1, 2, 2)
    for b, place, change in (([[0, 4], [0, 0]], (0, 0), 1.0), ([[0, 0], [9, 7]], (1, 0), -4.0)):
        reference = np.array(b, dtype=float).reshape(1, 1, 2, 2)
        expected = np.zeros((1, 1, 2, 2))
        expected[0, 0][place] = weight * change
        found = tl.explain(model, x, "deeplift", 0, baseline=reference)
        np.testing.assert_allclose(found.values, expected, rtol=1e-14)


# -- a naive twin --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_is_written_by_hand(backend: Backend, spelling: str) -> None:
    x, b = (pictures(3, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    for operation, function in (("relu", None), ("tanh", np.tanh)):
        model = spelt_net(backend, spelling, operation=operation)
        twin = Twin(model, operation=function)
        found = tl.explain(model, x, "deeplift", [0, 2, 3], baseline=b)
        expected = [by_hand(twin, s, r, t) for s, r, t in zip(x, b, [0, 2, 3], strict=True)]
        np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-12, err_msg=operation)
        assert complete(found)
        promised = [twin.run(s)[-1][t] - twin.run(r)[-1][t] for s, r, t in zip(x, b, [0, 2, 3], strict=True)]
        assert found.error is not None
        np.testing.assert_allclose(found.error.scale, promised, rtol=1e-12)


# -- completeness --------------------------------------------------------------------------------------------------


def activated_net(backend: Backend, operation: str, after: bool) -> Model:
    """The activation before or after an overlapping pool, and once more behind a second pool that adds up averages."""
    nn, f = backend.nn, functional(backend)
    act = getattr(f, operation, None) or getattr(importlib.import_module(backend.name), operation)

    def forward(net: Any, x: Any) -> Any:
        y = net.norm(net.first(x) * 3.0)
        y = act(net.pool(y)) if after else net.pool(act(y))
        return net.head(net.average(act(net.second(y) * 4.0)).flatten(1))

    return formula(
        backend,
        forward,
        first=nn.Conv2d(2, 4, 3, padding=1),
        norm=nn.BatchNorm2d(4),
        second=nn.Conv2d(4, 4, 3),
        pool=nn.MaxPool2d(3, 1, padding=1),
        average=nn.AvgPool2d(2),
        head=nn.Linear(16, 3),
    )


@pytest.mark.parametrize("operation", NONLINEAR)
def test_contributions_sum_to_the_score_difference(backend: Backend, operation: str) -> None:
    x = 4 * pictures(3, shape=SHAPE).astype(np.float64) - 2
    for after, rule in itertools.product((False, True), ("rescale", "reveal_cancel")):
        model = activated_net(backend, operation, after)
        found = tl.explain(model, x, "deeplift", 1, baseline=0.3, rule=rule)
        assert complete(found, 1e-10), (after, rule)
        scores = model.forward(x)[:, 1] - model.forward(np.full_like(x, 0.3))[:, 1]
        np.testing.assert_allclose(found.values.sum((1, 2, 3)), scores, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("of", OF)
def test_they_do_for_probabilities_and_their_logarithms_too(backend: Backend, of: Any) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3).astype(np.float64)
    for rule in ("rescale", "reveal_cancel"):
        found = tl.explain(model, x, "deeplift", [4, 0, 2], of=of, rule=rule)
        assert complete(found)
        rows = []
        for batch in (x, np.zeros_like(x)):
            p = model.probabilities(batch)[range(3), [4, 0, 2]]
            rows.append({"probability": p, "log_probability": np.log(p), "loss": -np.log(p)}.get(of))
            if of == "logit":
                rows[-1] = model.forward(batch)[range(3), [4, 0, 2]]
        np.testing.assert_allclose(found.values.sum((1, 2, 3)), rows[0] - rows[1], rtol=1e-11)


def test_of_two_classes_the_probability_is_a_sigmoid(backend: Backend, rng: np.random.Generator) -> None:
    f = functional(backend)
    weights, x, b = rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    difference = weights[1:] - weights[:1]
    sigmoid = formula_net(backend, lambda u, w: f.sigmoid(u @ w), difference.T)
    found = tl.explain(linear_net(backend, weights), x, "deeplift", 1, baseline=b, of="probability")
    expected = tl.explain(sigmoid, x, "deeplift", 0, baseline=b)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-11)


def test_a_probability_close_to_nothing_is_shared_out_exactly(backend: Backend) -> None:
    model = linear_net(backend, np.array([[30.0, 5.0, -1.0], [0.0, 0.0, 0.0]]))
    x, b = np.array([[1.0, 2.0, 3.0]]), np.array([[1.2, 1.0, 2.0]])
    found = tl.explain(model, x, "deeplift", 1, baseline=b, of="probability")
    assert 1e-18 < found.values.sum() < 1e-15 or -1e-15 < found.values.sum() < -1e-18
    assert found.error is not None
    np.testing.assert_allclose(found.error.values / found.error.scale, 0, atol=1e-9)


def test_products_and_softmax_inside_a_network_are_exact(backend: Backend) -> None:
    nn, f = backend.nn, functional(backend)

    def attention(net: Any, x: Any) -> Any:
        t = x.flatten(2)
        weights = f.softmax(3.0 * net.query(t) @ net.key(t).transpose(*swap), -1)
        return net.head((weights @ net.value(t)).flatten(1))

    swap = (1, 2) if backend.name == "torch" else ((0, 2, 1),)
    layers = {name: nn.Linear(36, 8) for name in ("query", "key", "value")}
    attending = formula(backend, attention, **layers, head=nn.Linear(24, 3))

    def excited(net: Any, x: Any) -> Any:
        y = f.silu(net.conv(x))
        gate = f.hardsigmoid(net.up(f.relu(net.down(y.mean((2, 3))))))
        return net.head((y * gate[:, :, None, None]).flatten(1))

    exciting = formula(
        backend,
        excited,
        conv=nn.Conv2d(3, 4, 3),
        down=nn.Linear(4, 2),
        up=nn.Linear(2, 4),
        head=nn.Linear(64, 3),
    )
    x = pictures(3, shape=(3, 6, 6)) - 0.5
    for model in (attending, exciting):
        assert complete(tl.explain(model, x, "deeplift", 2, baseline=0.2))
        with pytest.raises(tl.errors.MethodError, match="reveal_cancel has no rule"):
            tl.explain(model, x, "deeplift", 2, baseline=0.2, rule="reveal_cancel")


def test_a_softmax_that_hides_entries_or_saturates_is_exact(backend: Backend) -> None:
    f = functional(backend)
    mask = backend.asarray(np.array([[0.0, 0.0, -np.inf, 0.0]]))
    model = formula_net(backend, lambda u, w: f.softmax(u * 60.0 + mask, -1) @ w, np.arange(8.0).reshape(4, 2))
    x = np.array([[9.0, 1.0, 5.0, -3.0], [1.0, 1.0, 1.0, 1.0], [30.0, 0.0, 0.0, 0.0]])
    b = np.array([[-9.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 30.0, 0.0, 0.0]])
    found = tl.explain(model, x, "deeplift", 0, baseline=b)
    assert complete(found)
    assert np.abs(found.values[:, 2]).max() < 1e-20  # Paddle's softmax is nowhere below e**-64
    # A shift of all logits is no difference of probabilities.
    np.testing.assert_allclose(found.values[1].sum(), 0, atol=1e-12)


def test_parameters_and_constants_that_are_activated_do_not_disturb(backend: Backend) -> None:
    f = functional(backend)
    for weights in (np.ones((3, 2)), np.arange(8.0).reshape(4, 2)):
        model = formula_net(backend, lambda u, w: f.relu(u @ f.softplus(w)), weights)
        x = np.array([[1.0, -2.0, 4.0, 3.0]])[:, : len(weights)]
        for rule in ("rescale", "reveal_cancel"):
            found = tl.explain(model, x, "deeplift", 0, rule=rule)
            assert complete(found)
            np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-12)


def test_single_precision_is_complete_to_its_own_rounding(backend: Backend) -> None:
    for rule in ("rescale", "reveal_cancel"):
        found = tl.explain(small_net(backend), pictures(4), "deeplift", 1, rule=rule)
        assert found.values.dtype == np.float32
        assert complete(found, 1e-5)


# -- where differences are small -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_slope_is_exact_at_every_size_of_the_difference(backend: Backend, dtype: str) -> None:
    eps = float(np.finfo(dtype).eps)
    start = np.array([0.3, -1.2, 2.0, 0.0])
    for size in 10.0 ** np.arange(-18, 1):
        a = start.astype(dtype)
        b = (start + size).astype(dtype)
        half = (a.astype(float) + b) / 2
        exact = np.sinh(b.astype(float) - a)  # tanh b - tanh a = sinh(b - a) / (cosh a cosh b)
        exact = np.divide(exact, b.astype(float) - a, out=np.ones(4), where=a != b) / np.cosh(a) / np.cosh(b)
        native = [backend.asarray(v, dtype) for v in (a, b, np.tanh(a), np.tanh(b), 1 / np.cosh(half) ** 2)]
        found = backend.numpy(slope(backend, *native))
        np.testing.assert_allclose(found, exact, rtol=20 * eps ** (2 / 3))


def test_close_to_the_baseline_the_multiplier_is_the_gradient(backend: Backend) -> None:
    for operation in NONLINEAR:
        model = activated_net(backend, operation, after=False)
        x = 4 * pictures(1, shape=SHAPE).astype(np.float64) - 2
        gradient = tl.explain(model, x, "saliency", 1).values
        for size in (1e-7, 1e-10):
            moved = x + size
            found = tl.explain(model, moved, "deeplift", 1, baseline=x)
            np.testing.assert_allclose(found.values / (moved - x), gradient, rtol=1e-4, atol=1e-5, err_msg=operation)
        assert not tl.explain(model, x, "deeplift", 1, baseline=x).values.any()


def test_differences_that_cancel_exactly_have_the_gradients_multiplier(backend: Backend) -> None:
    f = functional(backend)
    weights = np.array([[1.0], [-1.0]])
    for act in (f.relu, f.sigmoid):
        model = formula_net(backend, lambda u, w, act=act: act(u @ w + 2.0), weights)
        found = tl.explain(model, np.array([[3.0, 3.0]]), "deeplift", 0)
        at = 1.0 if act is f.relu else 1 / (2 + np.exp(2.0) + np.exp(-2.0))
        np.testing.assert_allclose(found.values, [[3 * at, -3 * at]], rtol=1e-12)


# -- what has no rule ----------------------------------------------------------------------------------------------


def test_what_the_rules_do_not_see_is_refused_and_its_residual_reported_when_wanted(backend: Backend) -> None:
    model = formula_net(backend, lambda u, w: (u @ w - 1.0).clip(0.0), np.array([[2.0], [1.0]]))
    x, b = np.array([[3.0, 1.0]]), np.array([[-1.0, 0.0]])
    with pytest.raises(tl.errors.MethodError, match=r"miss score differences of 6 .*tolerance=None"):
        tl.explain(model, x, "deeplift", 0, baseline=b)
    found = tl.explain(model, x, "deeplift", 0, baseline=b, tolerance=None)
    np.testing.assert_allclose(found.values, [[4.0, 0.5]])  # the mean of the gradients, 1 and 0
    np.testing.assert_allclose(found.error.values, [4.5 - 6.0])  # type: ignore[union-attr]
    np.testing.assert_allclose(found.error.scale, [6.0])  # type: ignore[union-attr]
    assert len(tl.explain(model, x, "deeplift", 0, baseline=b, tolerance=0.3).values) == 1
    with pytest.raises(tl.errors.MethodError, match="reveal_cancel has no rule"):
        tl.explain(model, np.array([[3.0, -1.0]]), "deeplift", 0, baseline=b, rule="reveal_cancel", tolerance=None)


def test_samples_that_leave_the_first_axis_are_refused(backend: Backend) -> None:
    nn, f = backend.nn, functional(backend)

    def turned(net: Any, x: Any) -> Any:
        h = f.relu(backend.permute(net.first(x), (1, 0, 2)))
        return net.second(backend.permute(h, (1, 0, 2)).flatten(1))

    model = formula(backend, turned, first=nn.Linear(6, 8), second=nn.Linear(32, 3))
    x = np.random.default_rng(0).normal(size=(3, 4, 6))
    for rule, message in (("rescale", "first axis"), ("reveal_cancel", "no longer add up")):
        with pytest.raises(tl.errors.MethodError, match=message):
            tl.explain(model, x, "deeplift", 1, rule=rule)


def test_rounding_is_never_refused(backend: Backend) -> None:
    x = pictures(2)
    for size in (0.0, 1e-6, 1e-3):
        tl.explain(small_net(backend), x + np.float32(size), "deeplift", 1, baseline=x, tolerance=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_out_of_sight_is_refused() -> None:
    backend = need("torch")
    import torch

    model = spelt_net(backend)
    x = pictures(2, shape=SHAPE).astype(np.float64) - 0.5
    program = tl.wrap(torch.jit.trace(model.net.eval(), torch.from_numpy(x)))
    for rule in ("rescale", "reveal_cancel"):
        with pytest.raises(tl.errors.MethodError):
            tl.explain(program, x, "deeplift", 1, baseline=-0.5, rule=rule, tolerance=0.01)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"rule": "linear"}, "rule='linear'"),
        ({"rule": None}, "rule=None"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"tolerance": "much"}, "tolerance"),
    ],
)
def test_bad_parameters_are_refused(backend: Backend, parameters: dict[str, Any], error: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=error):
        tl.explain(small_net(backend), pictures(1), "deeplift", 0, **parameters)


@pytest.mark.parametrize("baseline", [np.zeros((2, 8, 8)), np.nan, "black", np.zeros(3), [[0.0, 1.0], [2.0]]])
def test_bad_baselines_are_refused(backend: Backend, baseline: Any) -> None:
    with pytest.raises(tl.errors.InputError, match="baseline"):
        tl.explain(small_net(backend), pictures(2), "deeplift", 0, baseline=baseline)


def test_a_baseline_is_a_number_a_sample_or_one_per_sample(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = [
        tl.explain(model, x, "deeplift", 1, baseline=b).values
        for b in (0.5, np.full((3, 8, 8), 0.5), np.full((2, 3, 8, 8), 0.5), np.full((1, 3, 8, 8), 0.5))
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


# -- the same everywhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", OF)
def test_both_frameworks_agree(both: tuple[Backend, Backend], of: str) -> None:
    for rule in ("rescale", "reveal_cancel"):
        torch, paddle = (
            tl.explain(small_net(b, dtype="float64"), pictures(3), "deeplift", 2, of=of, rule=rule) for b in both
        )
        np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_sample_does_not_feel_its_batch(backend: Backend, size: int) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(5)
    for rule in ("rescale", "reveal_cancel"):
        whole = tl.explain(model, x, "deeplift", [0, 1, 2, 3, 4], rule=rule)
        parts = tl.explain(model, x, "deeplift", [0, 1, 2, 3, 4], rule=rule, batch_size=size)
        np.testing.assert_allclose(parts.values, whole.values, rtol=1e-10, atol=1e-13)


def test_a_function_of_the_scores_is_a_target_and_its_activations_have_rules(backend: Backend) -> None:
    f = functional(backend)
    model, x = small_net(backend, dtype="float64"), pictures(3)
    plain = tl.explain(model, x, "deeplift", 1)
    np.testing.assert_allclose(tl.explain(model, x, "deeplift", lambda s: s[:, 1]).values, plain.values, rtol=1e-12)
    for rule in ("rescale", "reveal_cancel"):
        probability = tl.explain(model, x, "deeplift", 1, of="probability", rule=rule).values
        found = tl.explain(model, x, "deeplift", lambda s: f.softmax(s, -1)[:, 1], rule=rule)
        np.testing.assert_allclose(found.values, probability, rtol=1e-9, atol=1e-12)
        assert found.target is None


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_captum_gives_the_same_where_no_pool_follows_a_relu() -> None:
    backend = need("torch")
    attr = pytest.importorskip("captum.attr")
    model = spelt_net(backend, pool=False)
    x, b = (pictures(2, seed, SHAPE).astype(np.float64) - 0.5 for seed in (0, 1))
    import torch

    layers = model.net
    plain = torch.nn.Sequential(
        layers.first, torch.nn.ReLU(), layers.second, torch.nn.ReLU(), torch.nn.Flatten(), layers.head
    )
    expected = attr.DeepLift(plain).attribute(torch.from_numpy(x), torch.from_numpy(b), target=1)
    found = tl.explain(model, x, "deeplift", 1, baseline=b)
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=1e-9, atol=1e-12)
