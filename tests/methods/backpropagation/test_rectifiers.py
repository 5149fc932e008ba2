"""Guided backpropagation and deconvnet are their papers' rules, however the ReLUs are written."""

from __future__ import annotations

import math

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.backpropagation.guided_backprop import guided_gradients
from twinlens.methods.backpropagation.rectifiers import rectifier_rules

from ...frameworks import need
from ...nets import formula_net, linear_net, pictures, small_net
from .nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net, windows

METHODS = ("guided_backprop", "deconvnet")


def by_hand(twin: Twin, x: np.ndarray, target: int, method: str) -> np.ndarray:
    z, h, _, k, _ = twin.run(x)

    def activation(signal: np.ndarray, which: int) -> np.ndarray:
        mask = ((z, k)[which] > 0) if method != "deconvnet" else 1
        return (signal if method == "saliency" else np.maximum(signal, 0)) * mask

    def unpool(signal: np.ndarray) -> np.ndarray:
        out = np.zeros_like(h)
        for value, window in zip(signal, windows(), strict=True):
            out[window[h[window].argmax()]] += value
        return out

    return twin.backward(twin.head[target], activation, unpool)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_is_written_by_hand(backend: Backend, spelling: str) -> None:
    model, x = spelt_net(backend, spelling), pictures(3, shape=SHAPE) - 0.5
    twin = Twin(model)
    np.testing.assert_allclose(model.forward(x), [twin.run(s)[-1] for s in x], rtol=1e-12)
    for method in (*METHODS, "saliency"):
        found = tl.explain(model, x, method, target=[0, 2, 3])
        expected = [by_hand(twin, s, t, method) for s, t in zip(x.astype(np.float64), [0, 2, 3], strict=True)]
        np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-13, err_msg=method)
        assert found.error is None


def test_the_twin_written_by_hand_has_the_slopes_of_the_network(backend: Backend) -> None:
    model = spelt_net(backend)
    x = pictures(1, shape=SHAPE).astype(np.float64)[0]
    steps = 1e-6 * np.eye(x.size).reshape(-1, *SHAPE)
    slopes = (model.forward(x + steps)[:, 1] - model.forward(x - steps)[:, 1]) / 2e-6
    np.testing.assert_allclose(by_hand(Twin(model), x, 1, "saliency").ravel(), slopes, rtol=1e-6, atol=1e-8)


def test_both_frameworks_agree_in_both_precisions(both: tuple[Backend, Backend]) -> None:
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-4)):
        for method in METHODS:
            torch, paddle = (tl.explain(small_net(b, dtype=dtype), pictures(3), method, 2).values for b in both)
            np.testing.assert_allclose(torch, paddle, rtol=tolerance, atol=tolerance * np.abs(torch).max())


@pytest.mark.parametrize(("method", "expected"), [("guided_backprop", [2, 0, 0, 0]), ("deconvnet", [2, 2, 2, 0])])
def test_relu6_has_the_rule_with_its_own_range(backend: Backend, method: str, expected: list[float]) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu6(u) @ w, np.array([[2.0], [2.0], [2.0], [-3.0]]))
    found = tl.explain(model, np.array([[1.0, -1.0, 7.0, 1.0]]), method)
    np.testing.assert_array_equal(found.values, [expected])


# -- other activations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_relu_is_refused_and_never_plain_saliency(backend: Backend, method: str) -> None:
    f = functional(backend)
    x, weights = np.ones((2, 4)), np.ones((4, 3))
    hidden = {
        "clip": lambda u, w: u.clip(0.0) @ w,
        "linear": lambda u, w: u @ w,
        "sigmoid": lambda u, w: f.sigmoid(u) @ w,
    }
    for forward in hidden.values():
        with pytest.raises(tl.errors.MethodError, match="no ReLU"):
            tl.explain(formula_net(backend, forward, weights), x, method)
    with pytest.raises(tl.errors.MethodError, match="no ReLU"):
        tl.explain(linear_net(backend, weights.T), x, method)
    with pytest.raises(tl.errors.MethodError, match=r"only elu, gelu.*rectifiers=\"all\""):
        tl.explain(formula_net(backend, lambda u, w: f.gelu(f.elu(u)) @ w, weights), x, method)


def test_all_rectifiers_take_the_rule_when_asked(backend: Backend) -> None:
    f = functional(backend)
    weights = np.array([[1.0, -1.0], [-2.0, 1.0], [0.5, 3.0]])
    model = formula_net(backend, lambda u, w: f.gelu(u) @ w, weights)
    x = np.array([[0.3, -0.7, 1.9]])
    slope = [0.5 * (1 + math.erf(v / 2**0.5)) + v * math.exp(-v * v / 2) / (2 * math.pi) ** 0.5 for v in x[0]]
    found = tl.explain(model, x, "guided_backprop", target=0, rectifiers="all")
    np.testing.assert_allclose(found.values[0], np.maximum(weights[:, 0], 0) * slope, rtol=1e-12)
    found = tl.explain(model, x, "deconvnet", target=0, rectifiers="all")
    np.testing.assert_array_equal(found.values[0], np.maximum(weights[:, 0], 0))


def test_activations_that_keep_their_own_gradient_are_named(backend: Backend) -> None:
    f = functional(backend)
    model = formula_net(backend, lambda u, w: f.relu(f.silu(f.hardswish(u))) @ w, np.ones((3, 2)))
    for method in METHODS:
        assert tl.explain(model, np.ones((1, 3)), method).extras["without_rule"].tolist() == ["hardswish", "silu"]
        assert not len(tl.explain(model, np.ones((1, 3)), method, rectifiers="all").extras["without_rule"])
        assert not len(tl.explain(small_net(backend), pictures(1), method).extras["without_rule"])


def test_an_unknown_choice_of_rectifiers_is_refused(backend: Backend) -> None:
    for wrong in ("gelu", None, 1):
        with pytest.raises(tl.errors.MethodError, match="rectifiers"):
            tl.explain(small_net(backend), pictures(1), "guided_backprop", rectifiers=wrong)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("part", [False, True])
def test_a_torchscript_program_is_refused_by_name(part: bool) -> None:
    backend = need("torch")
    import torch

    net = small_net(backend).net
    x = torch.zeros(1, 3, 8, 8)
    program = (
        torch.nn.Sequential(torch.jit.trace(net[:3].eval(), x), *net[3:]) if part else torch.jit.trace(net.eval(), x)
    )
    for method in METHODS:
        with pytest.raises(tl.errors.MethodError, match=r"(?i)traced"):
            tl.explain(tl.wrap(program), pictures(1), method)


# -- the rules by themselves ---------------------------------------------------------------------------------------


def test_the_rules_are_gone_afterwards_also_after_an_exception(backend: Backend) -> None:
    model, x = spelt_net(backend, "functions"), pictures(2, shape=SHAPE)
    before = tl.explain(model, x, "saliency", 1).values
    tl.explain(model, x, "guided_backprop", 1)
    with pytest.raises(tl.errors.TargetError):
        tl.explain(model, x, "guided_backprop", 9)
    np.testing.assert_array_equal(tl.explain(model, x, "saliency", 1).values, before)


def test_the_rules_serve_other_methods_and_hold_after_the_context(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    expected = tl.explain(model, x, "guided_backprop", 1)
    with backend.frozen(model.net):
        scores, values, gradient = guided_gradients(model, model.tensor(model.check_input(x)), 1)
        leaf = backend.leaf(model.tensor(model.check_input(x)))
        with rectifier_rules(model, "guided_backprop") as met:
            seen = model.scores(leaf)
        (later,) = backend.grad(backend.sum(model.explained(seen, 1, "logit")), [leaf])
    assert met == {"relu": 2}
    np.testing.assert_array_equal(backend.numpy(gradient), expected.values)
    np.testing.assert_array_equal(backend.numpy(later), expected.values)
    np.testing.assert_array_equal(backend.numpy(values), backend.numpy(scores)[:, 1])


def test_the_sign_of_what_is_sent_back_matters(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    loss = tl.explain(model, x, "guided_backprop", 1, of="loss")
    log = tl.explain(model, x, "guided_backprop", 1, of="log_probability")
    function = tl.explain(model, x, "guided_backprop", lambda s: s[:, 1])
    assert np.abs(loss.values + log.values).max() > 0.01
    np.testing.assert_array_equal(function.values, tl.explain(model, x, "guided_backprop", 1).values)


# -- other libraries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "peer"), [("guided_backprop", "GuidedBackprop"), ("deconvnet", "Deconvolution")])
@pytest.mark.filterwarnings("ignore:Setting .* hooks on ReLU:UserWarning")
def test_captum_gives_the_same_where_it_sees_the_relus(method: str, peer: str) -> None:
    backend = need("torch")
    attr = pytest.importorskip("captum.attr")
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    native = model.tensor(x).requires_grad_()
    expected = getattr(attr, peer)(model.net.eval()).attribute(native, target=1)
    np.testing.assert_allclose(tl.explain(model, x, method, 1).values, expected.detach().numpy(), rtol=1e-10)


def test_relus_written_as_functions_do_not_make_it_saliency(backend: Backend) -> None:
    model, x = spelt_net(backend, "functions"), pictures(2, shape=SHAPE)
    plain = tl.explain(model, x, "saliency", 1).values
    for method in METHODS:
        assert np.abs(tl.explain(model, x, method, 1).values - plain).max() > 0.1


def test_a_relu_at_the_very_input_may_be_in_place(backend: Backend) -> None:
    f = functional(backend)

    def forward(net: object, x: object) -> object:
        f.relu_(x)
        return net.head(x)  # type: ignore[attr-defined]

    model = formula(backend, forward, head=backend.nn.Linear(4, 2))
    x = np.array([[1.0, -1.0, 2.0, -2.0]])
    weight = model.state()["head.weight"][0]
    np.testing.assert_array_equal(tl.explain(model, x, "deconvnet", 0).values, np.maximum(weight, 0)[None])
    np.testing.assert_array_equal(
        tl.explain(model, x, "guided_backprop", 0).values, (np.maximum(weight, 0) * [1, 0, 1, 0])[None]
    )
