"""β-smoothing is the gradient of the network with softplus for its ReLUs, however these are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...frameworks import need, torch
from ...nets import formula_net, linear_net, pictures, small_net
from .lrp.nets import sequential
from .nets import SHAPE, SPELLINGS, Array, Twin, formula, functional, spelt_net, windows

BETA = 3.0


def softplus(z: Array) -> Array:
    return np.logaddexp(0, BETA * z) / BETA


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-BETA * z))


def by_hand(twin: Twin, x: Array, target: int) -> Array:
    """The chain rule through pooling and sums, with the slopes of softplus at what `twin` computes before it."""
    z, h, _, k, _ = twin.run(x)

    def unpool(signal: Array) -> Array:
        out = np.zeros_like(h)
        for value, window in zip(signal, windows(), strict=True):
            out[window[h[window].argmax()]] += value
        return out

    return twin.backward(twin.head[target], lambda signal, which: signal * sigmoid((z, k)[which]), unpool)


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_is_written_by_hand(backend: Backend, spelling: str, forward: bool) -> None:
    model, x = spelt_net(backend, spelling), pictures(3, shape=SHAPE).astype(np.float64) - 0.5
    twin = Twin(model, operation=softplus if forward else None)
    found = tl.explain(model, x, "beta_smooth", [0, 2, 3], beta=BETA, forward=forward)
    expected = [by_hand(twin, s, t) for s, t in zip(x, [0, 2, 3], strict=True)]
    np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-13)
    smoothed = np.array([twin.run(s)[-1] for s in x])
    np.testing.assert_allclose(found.extras["smoothed_scores"], smoothed, rtol=1e-11)
    np.testing.assert_allclose(found.scores, model.forward(x), rtol=1e-12)
    picked = smoothed[range(3), [0, 2, 3]] - found.scores[range(3), [0, 2, 3]]
    np.testing.assert_allclose(found.error.values, picked, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.error.scale, found.scores[range(3), [0, 2, 3]])


def test_it_is_the_slope_of_the_smoothed_network(backend: Backend) -> None:
    """By finite differences of the twin in NumPy, which knows nothing of slopes."""
    model = spelt_net(backend, "functions")
    x, twin = pictures(1, shape=SHAPE).astype(np.float64)[0], Twin(model, operation=softplus)
    found = tl.explain(model, x[None], "beta_smooth", 1, beta=BETA).values[0]
    steps = 1e-6 * np.eye(x.size).reshape(-1, *SHAPE)
    slopes = [(twin.run(x + step)[-1][1] - twin.run(x - step)[-1][1]) / 2e-6 for step in steps]
    np.testing.assert_allclose(found.ravel(), slopes, rtol=1e-6, atol=1e-8)


def test_a_large_beta_is_the_plain_gradient_and_a_small_one_that_of_half_the_network(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    plain = tl.explain(model, x, "saliency", 1)
    for forward in (True, False):
        found = tl.explain(model, x, "beta_smooth", 1, beta=1e9, forward=forward)
        np.testing.assert_allclose(found.values, plain.values, rtol=1e-9, atol=1e-12)
        assert found.error.worst < 1e-6
    weights = np.array([[1.0, -1.0], [-2.0, 1.0], [0.5, 3.0]])
    f = functional(backend)
    half = formula_net(backend, lambda u, w: f.relu(u) @ w, weights)
    found = tl.explain(half, np.array([[0.3, -0.7, 1.9]]), "beta_smooth", 0, beta=1e-9)
    np.testing.assert_allclose(found.values[0], weights[:, 0] / 2, rtol=1e-8)


def test_the_gradient_does_not_jump_where_a_unit_switches(backend: Backend) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu(u) @ w, np.ones((1, 1)))
    x = np.array([[-1e-6], [1e-6]])
    jump = np.ptp(tl.explain(model, x, "saliency", 0).values)
    smooth = np.ptp(tl.explain(model, x, "beta_smooth", 0, beta=BETA).values)
    assert jump == 1
    # The slope of sigmoid(βx) is β / 4 at most.
    assert 0 < smooth <= BETA / 4 * 2e-6 * (1 + 1e-9)


def test_without_the_way_forward_the_scores_stay(backend: Backend) -> None:
    model, x = small_net(backend), pictures(3)
    found = tl.explain(model, x, "beta_smooth", beta=1.0, forward=False)
    np.testing.assert_allclose(found.extras["smoothed_scores"], found.scores, rtol=1e-5, atol=1e-6)
    assert found.error.worst < 1e-5
    assert tl.explain(model, x, "beta_smooth", beta=1.0).error.worst > 0.1


def test_the_network_itself_chooses_the_class(backend: Backend) -> None:
    """What two units of 0 add to a class when they are rounded off does not make it the one that is explained."""
    f = functional(backend)
    weights = np.array([[1.0, 0.0], [0.0, 5.0], [0.0, 5.0]])
    model = formula_net(backend, lambda u, w: f.relu(u) @ w, weights)
    found = tl.explain(model, np.array([[1.0, 0.0, 0.0]]), "beta_smooth", beta=1.0)
    assert found.target.tolist() == [0]
    assert found.extras["smoothed_scores"].argmax() == 1
    np.testing.assert_allclose(found.values, [[1 / (1 + np.exp(-1)), 0, 0]], rtol=1e-12)


@pytest.mark.parametrize("forward", [True, False])
def test_relu6_is_rounded_off_at_both_ends(backend: Backend, forward: bool) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu6(u) @ w, np.ones((4, 1)))
    x = np.array([[-1.0, 0.0, 3.0, 6.5]])
    found = tl.explain(model, x, "beta_smooth", beta=BETA, forward=forward)
    np.testing.assert_allclose(found.values, sigmoid(x) - sigmoid(x - 6), rtol=1e-11)
    smoothed = (softplus(x) - softplus(x - 6)).sum() if forward else np.clip(x, 0, 6).sum()
    np.testing.assert_allclose(found.extras["smoothed_scores"], [[smoothed]], rtol=1e-12)


def test_large_numbers_do_not_overflow(backend: Backend) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu(u) @ w, np.ones((3, 1)), "float32")
    x = np.array([[-1e30, 1e30, 88.0]])
    for forward in (True, False):
        found = tl.explain(model, x, "beta_smooth", beta=100.0, forward=forward)
        np.testing.assert_array_equal(found.values, [[0, 1, 1]])
        np.testing.assert_allclose(found.error.values, 0, atol=1e25)


def test_a_network_without_relu_is_refused_and_never_plain_saliency(backend: Backend) -> None:
    f = functional(backend)
    x, weights = np.ones((2, 4)), np.ones((4, 3))
    with pytest.raises(tl.errors.MethodError, match="no ReLU that beta_smooth can see"):
        tl.explain(linear_net(backend, weights.T), x, "beta_smooth")
    with pytest.raises(tl.errors.MethodError, match=r"only gelu.*smooth already"):
        tl.explain(formula_net(backend, lambda u, w: f.gelu(u) @ w, weights), x, "beta_smooth")


def test_rectifiers_that_stay_as_they_are_are_named(backend: Backend) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu(f.silu(f.leaky_relu(u))) @ w, np.ones((3, 2)))
    found = tl.explain(model, np.ones((1, 3)), "beta_smooth")
    assert found.extras["without_rule"].tolist() == ["leaky_relu", "silu"]
    assert not len(tl.explain(small_net(backend), pictures(1), "beta_smooth").extras["without_rule"])


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"beta": 0}, "beta=0 is not above 0"),
        ({"beta": -1.5}, "beta=-1.5"),
        ({"beta": float("inf")}, "beta=inf"),
        ({"beta": "large"}, "beta='large'"),
        ({"beta": 1e39}, "beta=1e\\+39 times an activation goes beyond float32"),
        ({"forward": 1}, "forward=1"),
    ],
)
def test_wrong_parameters_are_named(backend: Backend, params: dict[str, Any], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), "beta_smooth", **params)


def test_other_numbers_than_the_logit_are_explained(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    loss, log = (tl.explain(model, x, "beta_smooth", 1, of=of) for of in ("loss", "log_probability"))
    np.testing.assert_allclose(loss.values, -log.values, rtol=1e-10, atol=1e-13)
    function = tl.explain(model, x, "beta_smooth", lambda scores: scores[:, 1])
    np.testing.assert_allclose(function.values, tl.explain(model, x, "beta_smooth", 1).values, rtol=1e-12, atol=1e-15)
    assert function.target is None


# -- zennit --------------------------------------------------------------------------------------------------------


def zennits(model: Model, x: Array) -> Array:
    need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    composites = pytest.importorskip("zennit.composites")
    native = model.tensor(x).requires_grad_()
    with composites.BetaSmooth(beta_smooth=BETA).context(model.net.eval()) as net:
        (gradient,) = torch.autograd.grad(net(native)[:, 1].sum(), native)
    return np.asarray(gradient.numpy())


def test_without_the_way_forward_it_is_zennits() -> None:
    model, x = small_net(need("torch"), dtype="float64"), pictures(2).astype(np.float64)
    found = tl.explain(model, x, "beta_smooth", 1, beta=BETA, forward=False)
    np.testing.assert_allclose(found.values, zennits(model, x), rtol=1e-10, atol=1e-14)


def test_with_one_layer_of_relus_both_ways_are_zennits() -> None:
    backend = need("torch")
    nn = backend.nn
    model = sequential(backend, nn.Flatten(), nn.Linear(192, 7), nn.ReLU(), nn.Linear(7, 5))
    x = pictures(2).astype(np.float64)
    for forward in (True, False):
        found = tl.explain(model, x, "beta_smooth", 1, beta=BETA, forward=forward)
        np.testing.assert_allclose(found.values, zennits(model, x), rtol=1e-10, atol=1e-14)


def test_a_relu_written_as_a_function_is_seen_where_zennit_sees_none() -> None:
    model = spelt_net(need("torch"), "functions")
    x = pictures(2, shape=SHAPE).astype(np.float64)
    found = tl.explain(model, x, "beta_smooth", 1, beta=BETA, forward=False)
    plain = tl.explain(model, x, "saliency", 1)
    np.testing.assert_allclose(zennits(model, x), plain.values, rtol=1e-10, atol=1e-14)
    assert np.abs(found.values - plain.values).max() > 0.1


def test_a_relu_at_the_very_input_may_be_in_place(backend: Backend) -> None:
    f = functional(backend)

    def forward(net: Any, x: Any) -> Any:
        f.relu_(x)
        return net.head(x)

    model = formula(backend, forward, head=backend.nn.Linear(4, 2))
    x = np.array([[1.0, -1.0, 2.0, -2.0]])
    found = tl.explain(model, x, "beta_smooth", 0, beta=BETA)
    np.testing.assert_allclose(found.values, model.state()["head.weight"][:1] * sigmoid(x), rtol=1e-12)
