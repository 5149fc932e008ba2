"""Every tensor operation against NumPy, values and gradients, on both frameworks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ..frameworks import need, paddle
from .oracles import finite_differences

X = np.random.default_rng(1).normal(size=(3, 4, 5))
B = np.random.default_rng(2).normal(size=(3, 5, 2))
FLAGS = X > 0.3


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


OPERATIONS: dict[str, tuple[Callable[[Backend, Any], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "sum": (lambda b, t: b.sum(t), lambda x: x.sum()),
    "sum of an axis": (lambda b, t: b.sum(t, 1), lambda x: x.sum(1)),
    "sum of the last axis": (lambda b, t: b.sum(t, -1, True), lambda x: x.sum(-1, keepdims=True)),
    "sum of two axes": (lambda b, t: b.sum(t, (0, 2), True), lambda x: x.sum((0, 2), keepdims=True)),
    "mean": (lambda b, t: b.mean(t), lambda x: x.mean()),
    "mean of two axes": (lambda b, t: b.mean(t, (1, 2)), lambda x: x.mean((1, 2))),
    "mean kept": (lambda b, t: b.mean(t, 0, keepdims=True), lambda x: x.mean(0, keepdims=True)),
    "amax": (lambda b, t: b.amax(t), lambda x: x.max()),
    "amax of an axis": (lambda b, t: b.amax(t, 1), lambda x: x.max(1)),
    "amax of two axes": (lambda b, t: b.amax(t, (-1, -2), True), lambda x: x.max((1, 2), keepdims=True)),
    "clip both sides": (lambda b, t: b.clip(t, -0.5, 0.5), lambda x: x.clip(-0.5, 0.5)),
    "clip below": (lambda b, t: b.clip(t, 0.0), lambda x: np.maximum(x, 0)),
    "clip above": (lambda b, t: b.clip(t, high=0.25), lambda x: np.minimum(x, 0.25)),
    "where": (
        lambda b, t: b.where(b.asarray(FLAGS), t * 2, t * t),
        lambda x: np.where(FLAGS, x * 2, x * x),
    ),
    "abs": (lambda b, t: b.abs(t), np.abs),
    "sign": (lambda b, t: b.sign(t) * t, np.abs),
    "softmax": (lambda b, t: b.softmax(t, 1), lambda x: softmax(x, 1)),
    "softmax of the last axis": (lambda b, t: b.softmax(t, -1), lambda x: softmax(x, -1)),
    "log_softmax": (lambda b, t: b.log_softmax(t, 2), lambda x: np.log(softmax(x, 2))),
    "matmul": (lambda b, t: b.matmul(t, b.asarray(B)), lambda x: x @ B),
    "matmul with a vector": (lambda b, t: b.matmul(t, b.asarray(B[0, :, 0])), lambda x: x @ B[0, :, 0]),
    "inner": (lambda b, t: b.inner(t, b.asarray(X[::-1]) * t), lambda x: (x * x * X[::-1]).sum((1, 2))),
    "inner of pictures": (
        lambda b, t: b.inner(b.reshape(t, (3, 2, 2, 5)), b.permute(b.reshape(t, (3, 2, 5, 2)), (0, 1, 3, 2))),
        lambda x: (x.reshape(3, 2, 2, 5) * x.reshape(3, 2, 5, 2).swapaxes(2, 3)).sum((1, 2, 3)),
    ),
    "inner of rows": (lambda b, t: b.inner(t[:, :, 0], t[:, :, 1]), lambda x: (x[:, :, 0] * x[:, :, 1]).sum(1)),
    "reshape": (lambda b, t: b.reshape(t, (3, -1)), lambda x: x.reshape(3, -1)),
    "reshape to one axis": (lambda b, t: b.reshape(t, [60]), lambda x: x.reshape(60)),
    "permute": (lambda b, t: b.permute(t, (2, 0, 1)), lambda x: x.transpose(2, 0, 1)),
    "concat": (lambda b, t: b.concat([t, t * 3]), lambda x: np.concatenate([x, x * 3])),
    "concat of the last axis": (lambda b, t: b.concat((t, t * t), -1), lambda x: np.concatenate([x, x * x], -1)),
    "pick": (
        lambda b, t: b.pick(t[:, :, 0], [3, 0, 2]),
        lambda x: x[:, :, 0][np.arange(3), [3, 0, 2]],
    ),
    "python operators": (lambda b, t: (t - 2.0) * t / 3.0 + (-t) ** 2, lambda x: (x - 2) * x / 3 + x**2),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_numpys_values(backend: Backend, name: str) -> None:
    ours, numpys = OPERATIONS[name]
    found = backend.numpy(ours(backend, backend.asarray(X)))
    expected = np.asarray(numpys(X))
    assert found.dtype == np.float64
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_gradient_of_finite_differences(backend: Backend, name: str) -> None:
    ours, numpys = OPERATIONS[name]
    weights = np.random.default_rng(3).normal(size=np.shape(numpys(X)))
    leaf = backend.leaf(backend.asarray(X))
    out = ours(backend, leaf)
    (gradient,) = backend.grad(out, [leaf], seeds=backend.asarray(weights))
    expected = finite_differences(lambda x: float((numpys(x) * weights).sum()), X)
    np.testing.assert_allclose(backend.numpy(gradient), expected, atol=1e-8)


def test_equal_maxima_share_the_gradient(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])))
    (gradient,) = backend.grad(backend.sum(backend.amax(leaf, 1)), [leaf])
    np.testing.assert_allclose(backend.numpy(gradient), [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-15)


def test_the_gradient_at_a_kink_is_the_same_on_both_frameworks(both: tuple[Backend, Backend]) -> None:
    x = np.array([-1.0, 0.0, 1.0])
    for f in (
        lambda b, t: b.clip(t, 0.0),
        lambda b, t: b.clip(t, 0.0, 1.0),
        lambda b, t: b.abs(t),
        lambda b, t: b.sign(t) * t,
    ):
        gradients = []
        for backend in both:
            leaf = backend.leaf(backend.asarray(x))
            gradients.append(backend.numpy(backend.grad(backend.sum(f(backend, leaf)), [leaf])[0]))
        np.testing.assert_array_equal(*gradients)


def test_softmax_survives_large_scores(backend: Backend) -> None:
    scores = backend.asarray(np.array([[1000.0, 0.0, -1000.0]]))
    np.testing.assert_array_equal(backend.numpy(backend.softmax(scores, 1)), [[1, 0, 0]])
    np.testing.assert_array_equal(backend.numpy(backend.log_softmax(scores, 1)), [[0, -1000, -2000]])


def test_log_softmax_of_a_hopeless_class_keeps_its_gradient(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(np.array([[300.0, 0.0, 299.0]])))
    (gradient,) = backend.grad(backend.sum(backend.pick(backend.log_softmax(leaf, 1), [1])), [leaf])
    np.testing.assert_allclose(backend.numpy(gradient), [[-0.7310585786, 1, -0.2689414214]], atol=1e-9)


def test_the_gradient_of_pick_is_one_at_the_picked_column(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(np.arange(6.0).reshape(2, 3)))
    picked = backend.pick(leaf, np.array([2, 0]))
    assert backend.shape(picked) == (2,)
    (gradient,) = backend.grad(backend.sum(picked), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("columns", [[0, 3], [0, -1]])
def test_pick_refuses_columns_that_do_not_exist(backend: Backend, columns: list[int]) -> None:
    with pytest.raises((IndexError, RuntimeError)):
        backend.pick(backend.asarray(np.zeros((2, 3))), columns)


# -- resize ----------------------------------------------------------------------------------------------------


def bilinear(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Half-pixel centres, edges clamped, axis by axis."""
    for axis, length in zip((2, 3), size, strict=True):
        n = x.shape[axis]
        at = np.clip((np.arange(length) + 0.5) * n / length - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, n - 1)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


@pytest.mark.parametrize("size", [(8, 8), (3, 5), (4, 6), (1, 1), (1, 9), (13, 1)])
def test_resize_is_bilinear_with_half_pixel_centres(backend: Backend, size: tuple[int, int]) -> None:
    x = np.random.default_rng(4).normal(size=(2, 3, 4, 6))
    # Paddle computes the positions in float32.
    tolerance = {"torch": 1e-13, "paddle": 2e-6}[backend.name]
    found = backend.numpy(backend.resize(backend.asarray(x), size))
    np.testing.assert_allclose(found, bilinear(x, size), atol=tolerance)


def test_the_gradient_of_resize_is_that_of_the_oracle(backend: Backend) -> None:
    x = np.random.default_rng(5).normal(size=(1, 2, 3, 3))
    weights = np.random.default_rng(6).normal(size=(1, 2, 5, 7))
    leaf = backend.leaf(backend.asarray(x))
    (gradient,) = backend.grad(backend.resize(leaf, (5, 7)), [leaf], seeds=backend.asarray(weights))
    expected = finite_differences(lambda x: float((bilinear(x, (5, 7)) * weights).sum()), x)
    np.testing.assert_allclose(backend.numpy(gradient), expected, atol=1e-5)


# -- tensors in and out ----------------------------------------------------------------------------------------


def test_asarray_never_aliases_numpy(backend: Backend) -> None:
    x = np.arange(6.0).reshape(2, 3)
    t = backend.asarray(x)
    x[:] = -1
    np.testing.assert_array_equal(backend.numpy(t), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("dtype", [None, "float64", "float32"])
def test_asarray_never_aliases_a_native_tensor(backend: Backend, dtype: str | None) -> None:
    t = backend.leaf(backend.asarray(np.ones(4)))
    copied = backend.asarray(t, dtype, "cpu")
    copied[0] = 5.0
    np.testing.assert_array_equal(backend.numpy(t), np.ones(4))
    assert backend.dtype(copied) == (dtype or "float64")


def test_numpy_never_aliases_a_tensor(backend: Backend) -> None:
    t = backend.asarray(np.ones(4))
    backend.numpy(t)[0] = 5
    np.testing.assert_array_equal(backend.numpy(t), np.ones(4))


def test_leaf_is_a_copy_without_history(backend: Backend) -> None:
    source = backend.leaf(backend.asarray(np.ones(3)))
    leaf = backend.leaf(source * 2)
    (gradient,) = backend.grad(backend.sum(leaf * leaf), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), [4, 4, 4])


def test_an_array_made_of_a_leaf_takes_no_gradient(backend: Backend) -> None:
    from twinlens.errors import NoGradientError

    t = backend.asarray(backend.leaf(backend.asarray(np.ones(3))))
    with pytest.raises(NoGradientError):
        backend.grad(backend.sum(t), [t])


def test_detach_cuts_the_graph(backend: Backend) -> None:
    leaf = backend.leaf(backend.asarray(np.full(3, 2.0)))
    (gradient,) = backend.grad(backend.sum(backend.detach(leaf) * leaf), [leaf])
    np.testing.assert_array_equal(backend.numpy(gradient), [2, 2, 2])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"])
def test_dtypes_make_the_round_trip(backend: Backend, dtype: str) -> None:
    x = np.array([[0, 1], [1, 0]], dtype=dtype)
    t = backend.asarray(x)
    assert backend.dtype(t) == dtype
    assert backend.numpy(t).dtype == x.dtype
    np.testing.assert_array_equal(backend.numpy(t), x)


@pytest.mark.parametrize(
    "x",
    [
        np.arange(6.0).reshape(2, 3)[::-1, ::-1],
        np.arange(6.0).reshape(2, 3).T,
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6.0).reshape(2, 3).astype(">f8"),
        np.broadcast_to(np.arange(3.0), (2, 3)),
        np.array(3.5),
        np.zeros((0, 3)),
        np.zeros((2, 0, 3)),
    ],
    ids=["negative strides", "transposed", "fortran", "big-endian", "broadcast", "0-d", "no rows", "empty axis"],
)
def test_any_layout_comes_in_with_its_values(backend: Backend, x: np.ndarray) -> None:
    t = backend.asarray(x)
    assert backend.shape(t) == x.shape
    assert type(backend.shape(t)) is tuple
    np.testing.assert_array_equal(backend.numpy(t), x)


def test_lists_and_numbers_become_tensors(backend: Backend) -> None:
    assert backend.shape(backend.asarray([[1.0, 2.0]], "float32")) == (1, 2)
    assert backend.shape(backend.asarray(3, "float64")) == ()


def test_the_sum_of_nothing_is_zero_or_an_error(backend: Backend) -> None:
    empty = backend.asarray(np.zeros((2, 0, 3)))
    if backend.version.startswith("2.6"):
        with pytest.raises(ValueError, match="must not empty"):
            backend.sum(empty, 1)
    else:
        np.testing.assert_array_equal(backend.numpy(backend.sum(empty, 1)), np.zeros((2, 3)))


def test_an_older_paddle_says_that_it_does_not_differentiate_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = need("paddle")
    monkeypatch.setattr(paddle, "__version__", "2.6.2")
    with pytest.raises(tl.errors.BackendError, match=r"Paddle 2\.6\.2 differentiates too few.*Install Paddle 3"):
        backend.twice_differentiable()


def test_the_maximum_of_nothing_is_an_error(backend: Backend) -> None:
    with pytest.raises((IndexError, ValueError, RuntimeError)):
        backend.amax(backend.asarray(np.zeros((2, 0, 3))), 1)


def test_a_tuple_of_no_axes_means_all(backend: Backend) -> None:
    t = backend.asarray(np.arange(6.0).reshape(2, 3))
    for reduce, expected in ((backend.sum, 15), (backend.mean, 2.5), (backend.amax, 5)):
        assert backend.numpy(reduce(t, ())) == expected


def test_a_reduction_of_a_0d_tensor_is_itself(backend: Backend) -> None:
    t = backend.asarray(np.array(2.5))
    for reduce in (backend.sum, backend.mean, backend.amax):
        assert backend.shape(reduce(t)) == ()
        assert backend.numpy(reduce(t)) == 2.5


def test_matmul_refuses_two_types(backend: Backend) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        backend.matmul(backend.asarray(np.ones((2, 2)), "float32"), backend.asarray(np.ones((2, 2)), "float64"))


def test_a_tensor_knows_its_device(backend: Backend) -> None:
    assert backend.tensor_device(backend.asarray(np.ones(2), device="cpu")) == "cpu"
    assert backend.devices()[0] == "cpu"
