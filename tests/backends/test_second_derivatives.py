"""Where gradients are differentiated, operators give the same numbers and gradients, and second derivatives as well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ..frameworks import need, paddle, torch
from .nets import native_nn

MAPS = (2, 4, 6, 6)
SIGNAL = (2, 4, 9)
VOLUME = (1, 2, 5, 4, 6)


def drawn(shape: tuple[int, ...], seed: int = 0, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def constant(t: Any, *shape: int, seed: int = 7, above: float = -9.0) -> Any:
    """A tensor of the same framework and type that takes no gradient."""
    array = np.maximum(drawn(shape, seed), above)
    if t.__class__.__module__.startswith("torch"):
        return torch.as_tensor(array).to(t.dtype)
    return paddle.to_tensor(array).astype(t.dtype)


def channels_last(t: Any) -> Any:
    return t.transpose([0, *range(2, t.ndim), 1])


def in_place(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The operation on a tensor that is not a leaf, which has to hold the result afterwards."""

    def run(t: Any) -> Any:
        written = t * 1
        assert call(written) is written
        return written

    return run


def statistics(t: Any, scaled: bool = True) -> dict[str, Any]:
    names = ("running_mean", "running_var", "weight", "bias")
    found = {name: constant(t, 4, seed=seed, above=0.3) for seed, name in enumerate(names)}
    return found if scaled else {name: found[name] for name in names[:2]}


def pooled(function: str, *args: Any, layout: str | None = None, **kwargs: Any) -> Callable[[Any], Any]:
    def run(t: Any) -> Any:
        if layout is None:
            found = getattr(paddle.nn.functional, function)(t, *args, **kwargs)
            return found[0] if isinstance(found, (tuple, list)) else found
        return getattr(paddle.nn.functional, function)(channels_last(t), *args, data_format=layout, **kwargs)

    return run


def pf() -> Any:
    """Paddle's functions; asked for in tests alone, which are skipped without Paddle."""
    return paddle.nn.functional


def tf() -> Any:
    """Torch's functions."""
    return torch.nn.functional


Case = tuple[tuple[int, ...], Callable[[Any], Any], Callable[[Any], Any] | None]

# Shape, the call in Paddle, and the same in torch where it has it.
CASES: dict[str, Case] = {
    "flatten": (MAPS, lambda t: t.flatten(1), lambda t: t.flatten(1)),
    "flatten all": (MAPS, lambda t: paddle.flatten(t), None),
    "flatten inner": (MAPS, lambda t: t.flatten(-3, -2), lambda t: t.flatten(-3, -2)),
    "flatten_": (MAPS, in_place(lambda t: t.flatten_(1, 2)), None),
    "flatten a scalar": ((), lambda t: t.flatten(), None),
    "dropout": (MAPS, lambda t: pf().dropout(t, 0.3, training=False), lambda t: t),
    "dropout that shrinks": (MAPS, lambda t: pf().dropout(t, 0.3, training=False, mode="downscale_in_infer"), None),
    "dropout along an axis": (
        MAPS,
        lambda t: pf().dropout(t, 0.3, axis=[0, 1], training=False, mode="downscale_in_infer"),
        None,
    ),
    "dropout2d": (MAPS, lambda t: pf().dropout2d(t, 0.3, training=False), None),
    "dropout layer": (MAPS, lambda t: _evaluated(paddle.nn.Dropout(0.3))(t), None),
    "alpha dropout": (MAPS, lambda t: pf().alpha_dropout(t, 0.3, training=False), None),
    "softmax": (MAPS, lambda t: pf().softmax(t), lambda t: tf().softmax(t, -1)),
    "softmax of channels": (MAPS, lambda t: pf().softmax(t, axis=1), lambda t: tf().softmax(t, 1)),
    "softmax from behind": (MAPS, lambda t: pf().softmax(t, axis=-3), lambda t: tf().softmax(t, -3)),
    "softmax of samples": (MAPS, lambda t: pf().softmax(t, axis=0), lambda t: tf().softmax(t, 0)),
    "softmax layer": (MAPS, lambda t: paddle.nn.Softmax(1)(t), None),
    "softmax far apart": (SIGNAL, lambda t: pf().softmax(90 * t), lambda t: tf().softmax(90 * t, -1)),
    "softmax of a mask": (
        SIGNAL,
        lambda t: pf().softmax(_masked(t, paddle)),
        lambda t: tf().softmax(_masked(t, torch), -1),
    ),
    "softmax_": (MAPS, in_place(lambda t: pf().softmax_(t, axis=1)), None),
    "log_softmax": (MAPS, lambda t: pf().log_softmax(t), lambda t: tf().log_softmax(t, -1)),
    "log_softmax of channels": (MAPS, lambda t: pf().log_softmax(t, axis=1), lambda t: tf().log_softmax(t, 1)),
    "gelu": (MAPS, lambda t: pf().gelu(t), lambda t: tf().gelu(t)),
    "gelu by tanh": (MAPS, lambda t: pf().gelu(t, approximate=True), lambda t: tf().gelu(t, approximate="tanh")),
    "gelu layer": (MAPS, lambda t: paddle.nn.GELU()(t), lambda t: tf().gelu(t)),
    "swish": (MAPS, lambda t: pf().swish(t), lambda t: tf().silu(t)),
    "relu6": (MAPS, lambda t: pf().relu6(4 * t), lambda t: tf().relu6(4 * t)),
    "hardtanh": (MAPS, lambda t: pf().hardtanh(t, -0.4, 0.7), lambda t: tf().hardtanh(t, -0.4, 0.7)),
    "hardtanh_": (MAPS, in_place(lambda t: pf().hardtanh_(t, -0.4, 0.7)), None),
    "hardsigmoid": (MAPS, lambda t: pf().hardsigmoid(3 * t), None),
    "hardsigmoid of another slope": (MAPS, lambda t: pf().hardsigmoid(3 * t, slope=0.2, offset=0.4), None),
    "hardswish": (MAPS, lambda t: pf().hardswish(3 * t), lambda t: tf().hardswish(3 * t)),
    "depthwise": (
        MAPS,
        lambda t: pf().conv2d(t, constant(t, 4, 1, 3, 3), padding=1, groups=4),
        lambda t: tf().conv2d(t, constant(t, 4, 1, 3, 3), padding=1, groups=4),
    ),
    "depthwise, two of each, strided, dilated": (
        MAPS,
        lambda t: pf().conv2d(t, constant(t, 8, 1, 2, 3), constant(t, 8), (2, 1), (1, 2), (2, 1), 4),
        lambda t: tf().conv2d(t, constant(t, 8, 1, 2, 3), constant(t, 8), (2, 1), (1, 2), (2, 1), 4),
    ),
    "depthwise, same": (
        MAPS,
        lambda t: pf().conv2d(t, constant(t, 4, 1, 3, 2), stride=2, padding="SAME", groups=4),
        None,
    ),
    "depthwise, lopsided": (
        MAPS,
        lambda t: pf().conv2d(t, constant(t, 4, 1, 3, 3), padding=[0, 1, 2, 0], groups=4),
        None,
    ),
    "depthwise, channels last": (
        MAPS,
        lambda t: pf().conv2d(channels_last(t), constant(t, 4, 1, 3, 3), groups=4, data_format="NHWC"),
        None,
    ),
    "depthwise of its own kernel": (
        MAPS,
        lambda t: pf().conv2d(t, t[:1, :, :3, :3].transpose([1, 0, 2, 3]), groups=4),
        lambda t: tf().conv2d(t, t[:1, :, :3, :3].transpose(0, 1), groups=4),
    ),
    "max_pool2d": (MAPS, pooled("max_pool2d", 2), lambda t: tf().max_pool2d(t, 2)),
    "max_pool2d, overlapping": (MAPS, pooled("max_pool2d", 3, 2, 1), lambda t: tf().max_pool2d(t, 3, 2, 1)),
    "max_pool2d, oblong": (
        MAPS,
        pooled("max_pool2d", (3, 2), (1, 2), (1, 0)),
        lambda t: tf().max_pool2d(t, (3, 2), (1, 2), (1, 0)),
    ),
    "max_pool2d, ceiling": (
        (2, 3, 7, 8),
        pooled("max_pool2d", 3, 2, ceil_mode=True),
        lambda t: tf().max_pool2d(t, 3, 2, ceil_mode=True),
    ),
    "max_pool2d, same": ((2, 3, 7, 8), pooled("max_pool2d", 3, 2, "SAME"), None),
    "max_pool2d, valid": ((2, 3, 7, 8), pooled("max_pool2d", 3, 2, "VALID"), lambda t: tf().max_pool2d(t, 3, 2)),
    "max_pool2d, lopsided": (MAPS, pooled("max_pool2d", 3, 2, [0, 1, 2, 0]), None),
    "max_pool2d, pairs": (MAPS, pooled("max_pool2d", 3, 2, [[0, 0], [0, 0], [1, 0], [1, 1]]), None),
    "max_pool2d, channels last": (MAPS, pooled("max_pool2d", 3, 2, 1, layout="NHWC"), None),
    "max_pool2d, channels last, same": ((2, 3, 7, 8), pooled("max_pool2d", 3, 2, "SAME", layout="NHWC"), None),
    "max_pool2d with mask": (
        MAPS,
        pooled("max_pool2d", 3, 2, 1, return_mask=True),
        lambda t: tf().max_pool2d(t, 3, 2, 1),
    ),
    "max_pool2d below zero": (
        MAPS,
        lambda t: pf().max_pool2d(t - 9, 3, 2, 1),
        lambda t: tf().max_pool2d(t - 9, 3, 2, 1),
    ),
    "max_pool1d": (SIGNAL, pooled("max_pool1d", 3, 2, 1), lambda t: tf().max_pool1d(t, 3, 2, 1)),
    "max_pool1d, lopsided": (SIGNAL, pooled("max_pool1d", 3, 2, [1, 0]), None),
    "max_pool1d with mask": (SIGNAL, pooled("max_pool1d", 3, return_mask=True), lambda t: tf().max_pool1d(t, 3)),
    "max_pool3d": (VOLUME, pooled("max_pool3d", 2, 2, 1), lambda t: tf().max_pool3d(t, 2, 2, 1)),
    "max_pool3d, same, last": (VOLUME, pooled("max_pool3d", (2, 3, 2), 2, "SAME", layout="NDHWC"), None),
    "max_pool3d, ceiling": (
        VOLUME,
        pooled("max_pool3d", (2, 2, 3), 2, ceil_mode=True),
        lambda t: tf().max_pool3d(t, (2, 2, 3), 2, ceil_mode=True),
    ),
    "max_pool3d with mask": (VOLUME, pooled("max_pool3d", 2, return_mask=True), lambda t: tf().max_pool3d(t, 2)),
    "adaptive_max_pool1d": (SIGNAL, pooled("adaptive_max_pool1d", 4), lambda t: tf().adaptive_max_pool1d(t, 4)),
    "adaptive_max_pool2d": (
        (2, 3, 7, 8),
        pooled("adaptive_max_pool2d", (3, 5)),
        lambda t: tf().adaptive_max_pool2d(t, (3, 5)),
    ),
    "adaptive_max_pool2d with mask": (MAPS, pooled("adaptive_max_pool2d", 1, return_mask=True), None),
    "adaptive_max_pool3d": (
        VOLUME,
        pooled("adaptive_max_pool3d", (2, 3, 4)),
        lambda t: tf().adaptive_max_pool3d(t, (2, 3, 4)),
    ),
    "batch norm": (
        MAPS,
        lambda t: pf().batch_norm(t, **statistics(t)),
        lambda t: tf().batch_norm(t, **statistics(t)),
    ),
    "batch norm, plain": (
        MAPS,
        lambda t: pf().batch_norm(t, **statistics(t, scaled=False), momentum=0.3, epsilon=1e-3),
        lambda t: tf().batch_norm(t, **statistics(t, scaled=False), momentum=0.3, eps=1e-3),
    ),
    "batch norm, channels last": (
        MAPS,
        lambda t: pf().batch_norm(channels_last(t), **statistics(t), data_format="NHWC"),
        None,
    ),
    "batch norm of rows": (
        (5, 4),
        lambda t: pf().batch_norm(t, **statistics(t)),
        lambda t: tf().batch_norm(t, **statistics(t)),
    ),
    "batch norm of signals": (
        SIGNAL,
        lambda t: pf().batch_norm(t, **statistics(t), data_format="NCL"),
        lambda t: tf().batch_norm(t, **statistics(t)),
    ),
    "batch norm, global while training": (
        MAPS,
        lambda t: pf().batch_norm(t, **statistics(t), training=True, use_global_stats=True),
        lambda t: tf().batch_norm(t, **statistics(t)),
    ),
    "batch norm of its batch": (
        MAPS,
        lambda t: pf().batch_norm(t, **statistics(t), use_global_stats=False),
        lambda t: tf().batch_norm(t, **statistics(t), training=True),
    ),
    "batch norm, training": (
        MAPS,
        lambda t: pf().batch_norm(t, **statistics(t), training=True),
        lambda t: tf().batch_norm(t, **statistics(t), training=True),
    ),
    "batch norm with an activation": (MAPS, lambda t: _evaluated(_acting(t))(t), None),
    "layer norm": (
        MAPS,
        lambda t: pf().layer_norm(t, [6, 6], constant(t, 6, 6), constant(t, 6, 6, seed=3)),
        lambda t: tf().layer_norm(t, [6, 6], constant(t, 6, 6), constant(t, 6, 6, seed=3)),
    ),
    "layer norm, plain": (
        MAPS,
        lambda t: pf().layer_norm(0.01 * t, [6]),
        lambda t: tf().layer_norm(0.01 * t, [6], eps=float(np.float32(1e-5))),
    ),
    "group norm": (
        MAPS,
        lambda t: pf().group_norm(t, 2, 1e-5, constant(t, 4), constant(t, 4, seed=3)),
        lambda t: tf().group_norm(t, 2, constant(t, 4), constant(t, 4, seed=3)),
    ),
    "group norm, plain": (MAPS, lambda t: pf().group_norm(t, 4), lambda t: tf().group_norm(t, 4)),
    "group norm, channels last": (
        MAPS,
        lambda t: pf().group_norm(channels_last(t), 2, 1e-5, constant(t, 4), constant(t, 4), "NHWC"),
        None,
    ),
    "group norm of signals": (
        SIGNAL,
        lambda t: pf().group_norm(t, 2, data_format="NCL"),
        lambda t: tf().group_norm(t, 2),
    ),
    "instance norm": (MAPS, lambda t: pf().instance_norm(t), lambda t: tf().instance_norm(t)),
    "clip": (MAPS, lambda t: t.clip(-0.4, 0.7), lambda t: t.clip(-0.4, 0.7)),
    "concat with a constant": (
        MAPS,
        lambda t: paddle.concat([constant(t, *MAPS), t], 1),
        lambda t: torch.cat([constant(t, *MAPS), t], 1),
    ),
    "stack with a constant": (MAPS, lambda t: paddle.stack([t, constant(t, *MAPS)], 1), None),
    "attention": (
        MAPS,
        lambda t: pf().scaled_dot_product_attention(t, t * t, t),
        # Torch takes the axes in another order.
        lambda t: tf().scaled_dot_product_attention(*(u.transpose(1, 2) for u in (t, t * t, t))).transpose(1, 2),
    ),
}


def _evaluated(layer: Any) -> Any:
    layer.eval()
    return layer


def _acting(t: Any) -> Any:
    return need("paddle").converted(paddle.nn.BatchNorm(4, act="sigmoid"), str(t.dtype).removeprefix("paddle."))


def _masked(t: Any, framework: Any) -> Any:
    kept = constant(t, *t.shape) < 0.5
    return framework.where(kept, t, framework.full_like(t, -np.inf))


@contextmanager
def right(backend: Backend) -> Iterator[None]:
    """Paddle's own operators where they have a gradient that is right."""
    layer = native_nn(backend).Linear(1, 1)
    with backend.frozen(layer):
        yield


def first(backend: Backend, call: Callable[[Any], Any], x: np.ndarray, create_graph: bool = False) -> tuple[Any, ...]:
    """The point, what is computed there, and the gradient of a curved number that is made of it."""
    point = backend.leaf(backend.asarray(x))
    out = call(point)
    weights = backend.asarray(drawn(backend.shape(out), seed=1), dtype=backend.dtype(out))
    (gradient,) = backend.grad(backend.sum((out * weights).tanh()), [point], create_graph=create_graph)
    return point, out, gradient


def second(backend: Backend, call: Callable[[Any], Any], x: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The Hessian times a direction."""
    with backend.twice_differentiable():
        point, _, gradient = first(backend, call, x, create_graph=True)
        (product,) = backend.grad(backend.sum(gradient * backend.asarray(direction)), [point])
    return backend.numpy(product)


@pytest.mark.parametrize("name", CASES)
def test_numbers_and_gradients_are_those_of_the_operator(name: str) -> None:
    backend = need("paddle")
    shape, call, _ = CASES[name]
    for dtype, tolerance in (("float64", 1e-13), ("float32", 3e-6)):
        x = drawn(shape, dtype=dtype)
        with right(backend):
            _, expected, gradient = first(backend, call, x)
        with backend.twice_differentiable():
            _, out, other = first(backend, call, x, create_graph=True)
        assert backend.dtype(out) == backend.dtype(other) == dtype
        assert backend.shape(out) == backend.shape(expected)
        np.testing.assert_array_equal(backend.numpy(out), backend.numpy(expected))
        one, two = backend.numpy(other), backend.numpy(gradient)
        np.testing.assert_allclose(one, two, rtol=tolerance, atol=tolerance * np.abs(two).max())


@pytest.mark.parametrize("name", CASES)
def test_the_second_derivative_is_the_slope_of_the_first(name: str) -> None:
    backend = need("paddle")
    shape, call, _ = CASES[name]
    x, direction, step = drawn(shape), drawn(shape, seed=2), 1e-6
    with right(backend):
        up, down = (backend.numpy(first(backend, call, x + s * step * direction)[2]) for s in (1, -1))
    slope = (up - down) / (2 * step)
    # Rounding of 1e-16 over the step, and the square of the step times a fourth derivative.
    np.testing.assert_allclose(second(backend, call, x, direction), slope, rtol=0, atol=1e-7 * np.abs(slope).max())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2] is not None])
def test_the_second_derivative_is_torchs(name: str) -> None:
    other, backend = need("torch"), need("paddle")
    shape, call, same = CASES[name]
    assert same is not None
    x, direction = drawn(shape), drawn(shape, seed=2)
    expected = second(other, same, x, direction)
    # Paddle rounds the small number in the roots of batch and layer norms to float32: 1e-5 times 3e-8 beside 0.1.
    tolerance = 1e-8 if "norm" in name else 1e-12
    found = second(backend, call, x, direction)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


# Values at which an operator bends, and between which several are the largest.
EDGES = {
    "relu6": ([-1, 0, 3, 6, 7], lambda t: pf().relu6(t)),
    "hardtanh": ([-2, -1, 0, 1, 2], lambda t: pf().hardtanh(t)),
    "hardsigmoid": ([-4, -2.5, 0, 2.5, 4], lambda t: pf().hardsigmoid(t, slope=0.2)),
    "hardswish": ([-4, -3, 0, 3, 4], lambda t: pf().hardswish(t)),
    "max_pool1d": ([1, 1, 0, 2, 2, 2, -1, -1, -1], lambda t: pf().max_pool1d(t.reshape([1, 1, -1]), 3, 1, 1)),
    "max_pool2d": ([0, 2, 2, 0, 2, 2, 0, 0, 0], lambda t: pf().max_pool2d(t.reshape([1, 1, 3, 3]), 2, 1, 1)),
    "max_pool2d, last": (
        [0, 2, 2, 0, 2, 2, 0, 0, 0],
        lambda t: pf().max_pool2d(t.reshape([1, 3, 3, 1]), 2, 1, 1, data_format="NHWC"),
    ),
    "adaptive_max_pool2d": (
        [0, 2, 2, 0, 2, 2, 0, 0, 0],
        lambda t: pf().adaptive_max_pool2d(t.reshape([1, 1, 3, 3]), 2),
    ),
    "max_pool3d": ([1, 1, 0, 1, 1, 0, 0, 0], lambda t: pf().max_pool3d(t.reshape([1, 1, 2, 2, 2]), 2, 1, 1)),
}


@pytest.mark.parametrize("name", EDGES)
def test_at_bounds_and_ties_the_gradient_goes_where_the_operators_goes(name: str) -> None:
    backend = need("paddle")
    values, call = EDGES[name]
    x = np.array(values, dtype=np.float64)
    _, _, expected = first(backend, call, x)
    with backend.twice_differentiable():
        _, _, found = first(backend, call, x, create_graph=True)
    np.testing.assert_allclose(backend.numpy(found), backend.numpy(expected), rtol=1e-14, atol=1e-16)


def test_the_second_derivative_of_clip_agrees_with_its_first_at_the_bounds() -> None:
    backend = need("paddle")

    def call(t: Any) -> Any:
        return t.clip(0.0, 6.0)

    with backend.twice_differentiable():
        point = backend.leaf(backend.asarray(np.array([-1.0, 0.0, 3.0, 6.0, 7.0])))
        (passed,) = backend.grad(backend.sum(call(point)), [point])
        (slope,) = backend.grad(backend.sum(call(point) ** 2), [point], create_graph=True)
        (bend,) = backend.grad(backend.sum(slope), [point])
    np.testing.assert_array_equal(backend.numpy(bend), 2 * backend.numpy(passed))


def test_masks_are_those_of_the_operator() -> None:
    backend = need("paddle")
    x = drawn(MAPS)
    for call in (
        lambda t: pf().max_pool2d(t, 3, 2, 1, return_mask=True),
        lambda t: pf().adaptive_max_pool2d(t, 2, return_mask=True),
    ):
        expected = call(paddle.to_tensor(x))
        with backend.twice_differentiable():
            found = call(backend.leaf(backend.asarray(x)))
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.numpy(), two.numpy())


LEFT = {
    "softmax into a tensor": lambda t: pf().softmax(t, out=paddle.empty(t.shape, t.dtype)),
    "log_softmax far apart": lambda t: pf().log_softmax(90 * t),
    "average pooling in 3-d": lambda t: pf().avg_pool3d(t.unsqueeze(2), 1),
    "windows of padding alone": lambda t: pf().max_pool2d(t, 1, 2, 1),
    "resizing": lambda t: pf().interpolate(t, scale_factor=2, mode="bilinear"),
    "maximum along axes": lambda t: t.amax(1),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_covered_is_left_to_the_operator_which_refuses(name: str) -> None:
    backend, call, x = need("paddle"), LEFT[name], drawn(MAPS)
    _, expected, gradient = first(backend, call, x)
    with backend.twice_differentiable():
        _, out, other = first(backend, call, x)
        np.testing.assert_array_equal(backend.numpy(out), backend.numpy(expected))
        np.testing.assert_array_equal(backend.numpy(other), backend.numpy(gradient))
    with pytest.raises((RuntimeError, ValueError), match=r"doesn't have any grad op|only supports avgpool"):
        second(backend, call, x, x)
    _, _, again = first(backend, call, x)
    np.testing.assert_array_equal(backend.numpy(again), backend.numpy(gradient))


WRONG = {
    "conv2d of a constant": lambda t: pf().conv2d(constant(t, *MAPS), t[:, :, :2, :2]),
    "conv2d of a constant, depthwise": lambda t: pf().conv2d(
        constant(t, *MAPS), t[:1, :, :2, :2].transpose([1, 0, 2, 3]), groups=4
    ),
    "put_along_axis": lambda t: paddle.put_along_axis(
        constant(t, *MAPS), paddle.zeros([2, 1, 6, 6], "int64"), t[:, :1], 1
    ),
    "_legacy_C_ops.elementwise_mul": lambda t: paddle.base.dygraph_utils._legacy_C_ops.elementwise_mul(t, t),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_paddle_would_get_wrong_or_break_itself_by_is_refused(name: str) -> None:
    backend, call, x = need("paddle"), WRONG[name], drawn(MAPS)
    _, _, gradient = first(backend, call, x)
    with backend.twice_differentiable():
        with pytest.raises(tl.errors.MethodError, match=rf"calls {name.split(',')[0]}, of whose gradient.*twin"):
            first(backend, call, x)
        with backend.no_grad():
            call(backend.asarray(x))
    _, _, again = first(backend, call, x)
    np.testing.assert_array_equal(backend.numpy(again), backend.numpy(gradient))


@pytest.mark.parametrize("name", ["relu", "relu6", "sigmoid", "silu", "softmax", "swish", "tanh", "gelu"])
def test_activations_of_the_older_table_are_differentiated_twice(name: str) -> None:
    backend, x, direction = need("paddle"), drawn(MAPS), drawn(MAPS, seed=2)

    def call(t: Any) -> Any:
        return paddle.base.dygraph_utils._append_activation_in_dygraph(t, name)

    found = second(backend, call, x, direction)
    expected = second(backend, getattr(paddle.nn.functional, name), x, direction)
    np.testing.assert_array_equal(found, expected)


def test_a_layer_norm_has_the_right_gradient_without_frozen_too() -> None:
    backend, other = need("paddle"), need("torch")
    x, direction = drawn((3, 6)), drawn((3, 6), seed=2)
    found = second(backend, lambda t: pf().layer_norm(t, [6], constant(t, 6)), x, direction)
    expected = second(other, lambda t: tf().layer_norm(t, [6], constant(t, 6)), x, direction)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "call", [lambda t: pf().hardtanh_(t, -1.0, 1.0), lambda t: pf().softmax_(t), lambda t: t.flatten_()]
)
def test_in_place_on_a_leaf_fails_as_it_does_in_paddle(call: Callable[[Any], Any]) -> None:
    backend = need("paddle")
    with backend.twice_differentiable(), pytest.raises(Exception, match="Leaf"):
        call(backend.leaf(backend.asarray(drawn(MAPS))))


def table() -> list[Any]:
    """What the names stand for behind which operators are replaced."""
    names = "softmax", "softmax_", "flatten", "pool2d", "gelu", "concat", "conv2d", "layer_norm", "batch_norm", "relu"
    found = [getattr(paddle._C_ops, name) for name in names]
    utils = paddle.base.dygraph_utils
    return [*found, pf().gelu, pf().activation.gelu, pf().max_pool1d, paddle._legacy_C_ops, utils._legacy_C_ops]


def contexts(backend: Backend) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    return {
        "twice": backend.twice_differentiable,
        "frozen": lambda: right(backend),
        "intercept": lambda: backend.intercept({"softmax": lambda call, t: call(t) * 2}),
        "twice again": backend.twice_differentiable,
    }


@pytest.mark.parametrize("order", list(permutations(["twice", "frozen", "intercept", "twice again"])), ids=", ".join)
@pytest.mark.parametrize("failing", [False, True])
def test_the_originals_are_back_after_contexts_in_any_order(order: tuple[str, ...], failing: bool) -> None:
    backend = need("paddle")
    before, known = table(), contexts(backend)
    x, direction = drawn((2, 6)), drawn((2, 6), seed=2)

    def call(t: Any) -> Any:
        return pf().layer_norm(pf().relu6(t), [6], constant(t, 6))

    expected = second(backend, call, x, direction)
    plain = pf().softmax(paddle.to_tensor(x)).numpy()
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(KeyError) if failing else right(backend))
        with ExitStack() as inner:
            for name in order:
                inner.enter_context(known[name]())
            np.testing.assert_array_equal(second(backend, call, x, direction), expected)
            np.testing.assert_array_equal(pf().softmax(backend.leaf(backend.asarray(x))).detach().numpy(), 2 * plain)
            if failing:
                raise KeyError
    assert all(one is two for one, two in zip(table(), before, strict=True))


def test_a_rule_comes_first_and_what_it_is_made_of_is_differentiated_twice() -> None:
    backend, x, direction = need("paddle"), drawn(MAPS), drawn(MAPS, seed=2)
    expected = second(backend, lambda t: (t * t).flatten(1), x, direction)
    rules = {"gelu": lambda call, t: t * t, "max_pool2d": lambda call, t: t * t, "relu6": lambda call, t: call(t)}
    with backend.intercept(rules):
        np.testing.assert_array_equal(second(backend, lambda t: pf().gelu(t).flatten(1), x, direction), expected)
        np.testing.assert_array_equal(
            second(backend, lambda t: pf().max_pool2d(t, 2).flatten(1), x, direction), expected
        )
        with pytest.raises(RuntimeError, match="relu6_grad doesn't have any grad op"):
            second(backend, pf().relu6, x, direction)


@pytest.mark.parametrize("first_to_end", ["twice", "other"])
@pytest.mark.parametrize("name", ["twice", "frozen", "intercept"])
def test_other_threads_find_the_operators_as_they_are(name: str, first_to_end: str) -> None:
    backend, x = need("paddle"), drawn((40, 10))
    before, plain = table(), pf().softmax(paddle.to_tensor(x)).numpy()
    entered, may_end, wrong = threading.Event(), threading.Event(), []

    def work() -> None:
        try:
            with contexts(backend)[name]():
                entered.set()
                assert may_end.wait(60)
                factor = 2 if name == "intercept" else 1
                out = pf().softmax(backend.leaf(backend.asarray(x))).detach().numpy()
                if name == "twice":
                    np.testing.assert_allclose(out, plain, rtol=1e-12)
                    second(backend, pf().gelu, x, x)
                else:
                    np.testing.assert_array_equal(out, factor * plain)
        except BaseException as error:
            entered.set()
            wrong.append(error)

    thread = threading.Thread(target=work)
    with ExitStack() as stack:
        if first_to_end == "other":
            stack.enter_context(backend.twice_differentiable())
        else:
            with backend.twice_differentiable():
                thread.start()
                assert entered.wait(60)
        if first_to_end == "other":
            thread.start()
            assert entered.wait(60)
        may_end.set()
        thread.join()
        if first_to_end == "other":
            second(backend, pf().gelu, x, x)
    assert not wrong
    assert all(one is two for one, two in zip(table(), before, strict=True))


def test_torch_differentiates_hardsigmoid_and_attention_twice() -> None:
    backend = need("torch")
    for call in (lambda t: tf().hardsigmoid(3 * t), lambda t: tf().scaled_dot_product_attention(t, t * t, t)):
        x, direction, step = drawn(MAPS), drawn(MAPS, seed=2), 1e-6
        up, down = (backend.numpy(first(backend, call, x + s * step * direction)[2]) for s in (1, -1))
        slope = (up - down) / (2 * step)
        # Torch's own gradient of hardsigmoid has the digits of float32.
        np.testing.assert_allclose(second(backend, call, x, direction), slope, rtol=0, atol=1e-6 * np.abs(slope).max())
        point, _, gradient = first(backend, call, x, create_graph=True)
        with pytest.raises(RuntimeError, match="not implemented"):
            backend.grad(backend.sum(gradient), [point])
