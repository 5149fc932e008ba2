"""KPCA-CAM is kernel principal component analysis of the places, whatever solves it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap
from twinlens.methods.cams import kpcacam

from ...nets import pictures, randomise
from .nets import activation_of, kill, pooled_net

pytest.importorskip("sklearn")

KERNELS = ["sigmoid", "rbf", "linear", "poly", "cosine"]


def of_two(kernel: str, a: np.ndarray, b: np.ndarray, gamma: float) -> float:
    product = sum(p * q for p, q in zip(a, b, strict=True))
    if kernel == "sigmoid":
        return float(np.tanh(gamma * product + 1))
    if kernel == "rbf":
        return float(np.exp(-gamma * sum((p - q) ** 2 for p, q in zip(a, b, strict=True))))
    if kernel == "poly":
        return float((gamma * product + 1) ** 3)
    if kernel == "cosine":
        return float(product / (sum(a**2) * sum(b**2)) ** 0.5)
    return float(product)


def naive(activation: np.ndarray, kernel: str, gamma: float | None) -> tuple[np.ndarray, float]:
    """The map of one picture's activations (K, h, w), but for its sign, and what it leaves out; by all eigenvalues."""
    channels, count = len(activation), activation[0].size
    places = activation.reshape(channels, count).T
    places = places - places.sum(axis=0) / count
    matrix = np.zeros((count, count))
    for p, q in np.ndindex(count, count):
        matrix[p, q] = of_two(kernel, places[p], places[q], gamma or 1 / channels)
    centre = np.eye(count) - np.full((count, count), 1 / count)
    values, vectors = np.linalg.eigh(centre @ matrix @ centre)
    projection = np.sqrt(values[-1]) * vectors[:, -1]
    others = sum(value**2 for value in values[:-1])
    return projection.reshape(activation.shape[1:]), float(others / sum(value**2 for value in values))


def wide_net(backend: Backend) -> Model:
    """A map of so many places that the solver looks for one eigenvector alone."""
    nn = backend.nn
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    return randomise(wrap(net, dtype="float64"))


@pytest.mark.parametrize(
    ("kernel", "gamma"), [*((kernel, None) for kernel in KERNELS), ("sigmoid", 0.7), ("rbf", 0.7), ("poly", 0.7)]
)
def test_it_is_the_first_kernel_principal_component(backend: Backend, kernel: str, gamma: float | None) -> None:
    for model, layer, shape in ((pooled_net(backend), "relu1", (3, 8, 8)), (wide_net(backend), "1", (3, 15, 15))):
        x = pictures(2, shape=shape).astype(np.float64)
        found = tl.explain(model, x, "kpcacam", layer=layer, kernel=kernel, gamma=gamma, upsample=False)
        for i, a in enumerate(activation_of(model, x, layer)):
            expected, left_out = naive(a, kernel, gamma)
            # Along with the mean over the channels; the tests' maps are not at right angles to it.
            mean = a.mean(axis=0)
            expected = expected * np.sign((expected * (mean - mean.mean())).sum())
            # An eigenvector is as exact as rounding over the distance to the next eigenvalue.
            np.testing.assert_allclose(found.values[i, 0], expected, rtol=0, atol=1e-10 * np.abs(expected).max())
            np.testing.assert_allclose(found.error.values[i], left_out, atol=1e-10)
            assert 0.001 < left_out < 0.9
        assert found.target is None


def test_a_linear_kernel_is_centred_principal_component_analysis(backend: Backend) -> None:
    model, x = pooled_net(backend), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "kpcacam", layer="relu1", kernel="linear", upsample=False)
    for values, a in zip(found.values[:, 0], activation_of(model, x, "relu1"), strict=True):
        centred = (a - a.mean(axis=(1, 2), keepdims=True)).reshape(len(a), -1)
        expected = np.linalg.svd(centred, full_matrices=False)
        along = expected[0][:, 0] @ centred
        np.testing.assert_allclose(np.abs(values.ravel()), np.abs(along), rtol=1e-9, atol=1e-12)
        assert (values.ravel() * centred.mean(axis=0)).sum() > 0
        assert abs(values.sum()) < 1e-10


def test_a_sign_that_the_mean_does_not_settle_makes_the_largest_value_positive() -> None:
    row = np.array([[[-1.0, 0.0, 0.5, 0.5]]])
    found, _ = kpcacam.first_component(np.concatenate([row, -row]), "linear", None)
    np.testing.assert_allclose(found, np.sqrt(2) * np.array([[1.0, 0.0, -0.5, -0.5]]), atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_map_that_is_the_same_everywhere_has_no_component(backend: Backend, kernel: str) -> None:
    model, x = kill(pooled_net(backend), *range(6)), pictures(2).astype(np.float64)
    found = tl.explain(model, x, "kpcacam", layer="relu2", kernel=kernel)
    assert not found.values.any()
    assert not found.error.values.any()
    flat, left_out = kpcacam.first_component(np.full((3, 4, 5), 0.1), kernel, None)
    assert not flat.any()
    assert left_out == 0


def test_places_that_a_kernel_finds_all_unlike_have_no_first_component(backend: Backend) -> None:
    """As of pictures of 0 to 255: exp(-γ |a - b|²) is 0 of any two, and all eigenvalues are 1."""
    model, x = pooled_net(backend), 255 * pictures(1).astype(np.float64)
    with pytest.raises(tl.errors.MethodError, match=r"kernel='rbf'.*smaller gamma"):
        tl.explain(model, x, "kpcacam", layer="conv1", kernel="rbf", gamma=1e6)
    found, left_out = kpcacam.first_component(np.array([[[0.0, 1e3]]]), "rbf", None)
    np.testing.assert_allclose(np.abs(found), 0.5**0.5)
    assert left_out < 1e-12


def test_a_kernel_beyond_what_numbers_can_hold_is_refused(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"kernel='poly'.*too large to hold"):
        tl.explain(pooled_net(backend), pictures(1), "kpcacam", layer="conv1", kernel="poly", gamma=1e300)


def test_more_places_than_a_kernel_can_be_held_of_are_refused() -> None:
    with pytest.raises(tl.errors.LayerError, match=r"kernel of 10201 places.*deeper layer.*eigencam"):
        kpcacam.first_component(np.zeros((1, 101, 101)), "rbf", None)


def test_without_scikit_learn_it_says_what_to_install(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(tl.errors.MissingPackageError, match="pip install scikit-learn"):
        tl.explain(pooled_net(backend), pictures(1), "kpcacam")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"kernel": "sigmoids"}, "kernel='sigmoids' is not known.*Did you mean 'sigmoid'"),
        ({"kernel": 3}, "kernel=3 is not known.*Choose one of"),
        ({"gamma": 0}, "gamma=0 is not above 0"),
        ({"gamma": "auto"}, "gamma='auto' is not a finite number"),
        ({"kernel": "linear", "gamma": 1.0}, "kernel='linear' has no gamma"),
    ],
)
def test_bad_parameters_are_named(backend: Backend, call: dict[str, object], message: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=message):
        tl.explain(pooled_net(backend), pictures(1), "kpcacam", **call)
