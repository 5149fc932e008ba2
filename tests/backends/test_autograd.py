"""Gradients, gradient hooks and rules of one's own, on both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.errors import ModelError, NoGradientError

from ..frameworks import paddle, torch
from .oracles import finite_differences

X = np.random.default_rng(1).normal(size=(2, 3))


def test_grad_agrees_with_finite_differences(backend: Backend) -> None:
    def f(b: Backend, t: Any) -> Any:
        return b.sum(b.softmax(b.matmul(t, b.permute(t, (1, 0))), 1) * b.abs(b.sum(t, 1)))

    leaf = backend.leaf(backend.asarray(X))
    (gradient,) = backend.grad(f(backend, leaf), [leaf])
    expected = finite_differences(lambda x: float(backend.numpy(f(backend, backend.asarray(x)))), X)
    np.testing.assert_allclose(backend.numpy(gradient), expected, atol=1e-8)


def test_grad_gives_one_gradient_per_input(backend: Backend) -> None:
    a, b = backend.leaf(backend.asarray(X)), backend.leaf(backend.asarray(2 * X))
    gradients = backend.grad(backend.sum(a * a * b), [a, b])
    assert isinstance(gradients, tuple)
    np.testing.assert_allclose(backend.numpy(gradients[0]), 4 * X * X)
    np.testing.assert_allclose(backend.numpy(gradients[1]), X * X)


def test_seeds_weight_the_outputs(backend: Backend) -> None:
    seeds = np.random.default_rng(2).normal(size=X.shape)
    leaf = backend.leaf(backend.asarray(X))
    (gradient,) = backend.grad(leaf * leaf, [leaf], seeds=backend.asarray(seeds))
    np.testing.assert_allclose(backend.numpy(gradient), 2 * X * seeds)


def test_outputs_without_seeds_must_be_a_scalar(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    with pytest.raises(ValueError, match="not a scalar"):
        backend.grad(leaf * 2, [leaf])


@pytest.mark.parametrize("shape", [(3,), (3, 2), (2, 3, 1), ()])
def test_seeds_must_have_the_shape_of_the_outputs(backend: Backend, shape: tuple[int, ...]) -> None:
    leaf = backend.leaf(backend.asarray(X))
    with pytest.raises(ValueError, match="do not fit"):
        backend.grad(leaf * 2, [leaf], seeds=backend.asarray(np.ones(shape)))


def test_a_gradient_of_a_gradient(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    (first,) = backend.grad(backend.sum(leaf * leaf * leaf), [leaf], create_graph=True)
    (second,) = backend.grad(backend.sum(first * first), [leaf])
    np.testing.assert_allclose(backend.numpy(second), 36 * X**3)


def test_a_gradient_with_respect_to_a_value_inside_the_graph(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    inner = leaf * 3
    gradients = backend.grad(backend.sum(inner * inner), [inner, leaf])
    np.testing.assert_allclose(backend.numpy(gradients[0]), 6 * X)
    np.testing.assert_allclose(backend.numpy(gradients[1]), 18 * X)


def test_a_cut_graph_is_an_error(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    with pytest.raises(NoGradientError, match="cuts the graph"):
        backend.grad(backend.sum(backend.detach(leaf) * 2), [leaf])
    with backend.no_grad():
        out = backend.sum(leaf * 2)
    with pytest.raises(NoGradientError, match="cuts the graph"):
        backend.grad(out, [leaf])


def test_an_unused_input_is_an_error(backend: Backend) -> None:
    used, unused = backend.leaf(backend.asarray(X)), backend.leaf(backend.asarray(X))
    with pytest.raises(NoGradientError, match="does not depend"):
        backend.grad(backend.sum(used * 2), [used, unused])


def test_a_value_that_is_overwritten_in_place_is_an_error_with_its_cure(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    needed = torch.sigmoid(leaf) if backend.name == "torch" else paddle.nn.functional.sigmoid(leaf)
    (needed.mul_ if backend.name == "torch" else needed.scale_)(2.0)
    with pytest.raises(ModelError, match=r"in place, numbers that its gradient needs\. Write it out of place"):
        backend.grad(backend.sum(needed), [leaf])


def test_an_input_without_gradient_is_an_error(backend: Backend) -> None:
    leaf, constant = backend.leaf(backend.asarray(X)), backend.asarray(X)
    with pytest.raises(NoGradientError):
        backend.grad(backend.sum(leaf * constant), [constant])


def test_grad_touches_no_grad_field(backend: Backend) -> None:
    parameter, leaf = backend.leaf(backend.asarray(X)), backend.leaf(backend.asarray(X))
    backend.sum(parameter * 7).backward()
    before = backend.numpy(parameter.grad)
    backend.grad(backend.sum(parameter * leaf), [leaf])
    np.testing.assert_array_equal(backend.numpy(parameter.grad), before)
    assert leaf.grad is None


# -- hooks on gradients ----------------------------------------------------------------------------------------


def test_on_grad_sees_the_gradient_and_changes_nothing(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    inner = leaf * 3
    seen: list[np.ndarray] = []
    backend.on_grad(inner, lambda g: seen.append(backend.numpy(g)))
    (gradient,) = backend.grad(backend.sum(inner * inner), [leaf])
    np.testing.assert_allclose(seen, [6 * X])
    np.testing.assert_allclose(backend.numpy(gradient), 18 * X)


def test_on_grad_replaces_the_gradient(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    inner = leaf * 3
    backend.on_grad(inner, lambda g: backend.clip(g, 0.0))
    (gradient,) = backend.grad(backend.sum(inner * inner), [leaf])
    np.testing.assert_allclose(backend.numpy(gradient), 3 * np.maximum(6 * X, 0))


def test_a_removed_gradient_hook_is_gone_and_may_be_removed_again(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    inner = leaf * 3
    handle = backend.on_grad(inner, lambda g: g * 0)
    handle.remove()
    handle.remove()
    (gradient,) = backend.grad(backend.sum(inner), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), np.full_like(X, 3))


def test_on_grad_needs_a_tensor_with_gradient(backend: Backend) -> None:
    with pytest.raises(NoGradientError):
        backend.on_grad(backend.asarray(X), lambda g: g)


@pytest.mark.parametrize("error", [KeyError("k"), ValueError("v"), OSError("o"), KeyboardInterrupt()])
def test_an_exception_in_a_gradient_hook_arrives_as_itself(backend: Backend, error: BaseException) -> None:
    leaf = backend.leaf(backend.asarray(X))
    inner = leaf * 3

    def fail(_gradient: Any) -> None:
        raise error

    backend.on_grad(inner, fail)
    with pytest.raises(type(error)) as caught:
        backend.grad(backend.sum(inner), [leaf])
    assert caught.value is error


def test_after_an_exception_the_next_gradient_is_right(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    inner = leaf * 3
    backend.on_grad(inner, lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backend.grad(backend.sum(inner), [leaf])
    (gradient,) = backend.grad(backend.sum(leaf * 2), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), np.full_like(X, 2))


# -- with_vjp --------------------------------------------------------------------------------------------------


def test_with_vjp_keeps_the_value_and_applies_the_rule(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    out = backend.with_vjp(leaf * leaf, [leaf], lambda g: [g * 10])
    np.testing.assert_array_equal(backend.numpy(out), X * X)
    seeds = np.random.default_rng(3).normal(size=X.shape)
    (gradient,) = backend.grad(out, [leaf], seeds=backend.asarray(seeds))
    np.testing.assert_allclose(backend.numpy(gradient), 10 * seeds)


def test_with_vjp_takes_none_for_inputs_without_gradient(backend: Backend) -> None:
    leaf, constant = backend.leaf(backend.asarray(X)), backend.asarray(X)
    out = backend.with_vjp(leaf * constant, [leaf, constant], lambda g: [g * constant, None])
    (gradient,) = backend.grad(backend.sum(out), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), X)


def test_a_rule_may_give_a_gradient_that_nobody_asked_for(backend: Backend) -> None:
    leaf, constant = backend.leaf(backend.asarray(X)), backend.asarray(X)
    out = backend.with_vjp(leaf * constant, [constant, leaf], lambda g: [g, g * 5])
    (gradient,) = backend.grad(backend.sum(out), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), np.full_like(X, 5))


def test_several_inputs_get_their_own_gradients(backend: Backend) -> None:
    a, b = backend.leaf(backend.asarray(X)), backend.leaf(backend.asarray(X.T))
    out = backend.with_vjp(
        backend.matmul(a, b),
        [a, b],
        lambda g: [backend.matmul(g, a), backend.permute(backend.matmul(g, a), (1, 0)) * 2],
    )
    gradients = backend.grad(backend.sum(out), [a, b])
    expected = np.ones((2, 2)) @ X
    np.testing.assert_allclose(backend.numpy(gradients[0]), expected)
    np.testing.assert_allclose(backend.numpy(gradients[1]), 2 * expected.T)


def test_chained_rules_multiply(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    once = backend.with_vjp(leaf * 2, [leaf], lambda g: [g * 3])
    twice = backend.with_vjp(once + 1, [once], lambda g: [g * 5])
    (gradient,) = backend.grad(backend.sum(twice), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), np.full_like(X, 15))


def test_the_identity_may_carry_a_rule(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    out = backend.with_vjp(leaf, [leaf], lambda g: [backend.clip(g, 0.0)])
    seeds = np.random.default_rng(3).normal(size=X.shape)
    (gradient,) = backend.grad(out, [leaf], seeds=backend.asarray(seeds))
    np.testing.assert_array_equal(backend.numpy(gradient), np.maximum(seeds, 0))


@pytest.mark.parametrize("own", [False, True])
def test_what_carries_a_rule_may_be_written_over(own: bool, backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    out = backend.with_vjp(leaf * 2, [leaf], lambda g: [g * 10], own=own)
    out += 1.0
    np.testing.assert_array_equal(backend.numpy(out), 2 * X + 1)
    (gradient,) = backend.grad(backend.sum(out * 3), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), np.full_like(X, 30))


def test_writing_over_what_carries_a_rule_changes_nothing_that_others_hold(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    value = leaf * 2
    out = backend.with_vjp(value, [leaf], lambda g: [g])
    out += 1.0
    np.testing.assert_array_equal(backend.numpy(value), 2 * X)


def test_a_rule_works_on_a_scalar(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    total = backend.sum(leaf)
    out = backend.with_vjp(total, [leaf], lambda g: [g * backend.detach(leaf)])
    (gradient,) = backend.grad(out, [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), X)


def test_with_vjp_without_gradient_is_just_the_value(backend: Backend) -> None:
    constant = backend.asarray(X)
    out = backend.with_vjp(constant * 2, [constant], lambda g: [g])
    np.testing.assert_array_equal(backend.numpy(out), 2 * X)
    with backend.no_grad():
        leaf = backend.leaf(constant)
        np.testing.assert_array_equal(backend.numpy(backend.with_vjp(leaf * 2, [leaf], lambda g: [g])), 2 * X)


@pytest.mark.parametrize("error", [KeyError("k"), ValueError("v"), KeyboardInterrupt()])
def test_an_exception_in_a_rule_arrives_as_itself(backend: Backend, error: BaseException) -> None:
    leaf = backend.leaf(backend.asarray(X))

    def fail(_gradient: Any) -> list[Any]:
        raise error

    out = backend.with_vjp(leaf * 2, [leaf], fail)
    with pytest.raises(type(error)) as caught:
        backend.grad(backend.sum(out), [leaf])
    assert caught.value is error


def test_a_rule_must_return_gradients_of_the_inputs_shapes(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    out = backend.with_vjp(leaf * 2, [leaf], lambda g: [backend.sum(g)])
    with pytest.raises((ValueError, RuntimeError)):
        backend.grad(backend.sum(out), [leaf])


def test_a_rule_must_return_one_gradient_per_input(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(X))
    out = backend.with_vjp(leaf * 2, [leaf], lambda g: [g, g])
    with pytest.raises((ValueError, RuntimeError)):
        backend.grad(backend.sum(out), [leaf])
