"""SmoothTaylor is a mean of first-order expansions around noisy copies."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import linear_net, pictures, power_net, small_net


def roots(x: np.ndarray, samples: int, sigma: float, seed: int) -> list[np.ndarray]:
    found = []
    for i, sample in enumerate(x):
        noise = np.random.default_rng([seed, i]).standard_normal((samples, *sample.shape), dtype=np.float32)
        found.append(sample + sigma * (sample.max() - sample.min()) * noise.astype(x.dtype))
    return found


def test_it_is_the_mean_of_a_plain_loop_over_the_roots(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2).astype(np.float64)
    draws = np.array(
        [
            [(sample - root) * model.gradient(root[None], 3)[0] for root in each]
            for sample, each in zip(x, roots(x, 7, 0.2, 5), strict=True)
        ]
    )
    found = tl.explain(model, x, "smooth_taylor", 3, samples=7, sigma=0.2, seed=5)
    np.testing.assert_allclose(found.values, draws.mean(axis=1), rtol=1e-10, atol=1e-14)
    by_pixel = draws.std(axis=1, ddof=1) / 7**0.5
    np.testing.assert_allclose(found.error.values, np.sqrt((by_pixel**2).sum(axis=(1, 2, 3))), rtol=1e-8)


def test_of_a_linear_network_each_expansion_is_exact(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(3, 10)), rng.random((2, 10))
    found = tl.explain(linear_net(backend, weights), x, "smooth_taylor", 1, sigma=0.5, samples=9)
    differences = np.array([sample - each.mean(axis=0) for sample, each in zip(x, roots(x, 9, 0.5, 0), strict=True)])
    np.testing.assert_allclose(found.values, weights[1] * differences, rtol=1e-10, atol=1e-14)


def test_of_a_quadratic_network_it_tends_to_the_curvature_times_the_noise(
    backend: Backend, rng: np.random.Generator
) -> None:
    # E[-e · 2 w (x + e)] = -2 w σ² for normal noise e.
    weights, x = rng.normal(size=(1, 6)), rng.random((1, 6))
    sigma = 0.5
    expected = -2 * weights * (sigma * (x.max() - x.min())) ** 2
    found = tl.explain(power_net(backend, weights, 2), x, "smooth_taylor", 0, samples=20000, sigma=sigma)
    off = np.linalg.norm(found.values - expected)
    assert off < 0.05 * np.linalg.norm(expected)
    assert found.error.values[0] / 4 < off < 4 * found.error.values[0]


def test_without_noise_nothing_is_expanded(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(1), "smooth_taylor", 0, sigma=0, samples=3)
    assert not found.values.any()


def test_the_tolerance_adds_copies_until_the_map_is_certain(backend: Backend) -> None:
    model, x = power_net(backend, np.ones((1, 6)), 2), np.linspace(0, 1, 12).reshape(2, 6)
    found = tl.explain(model, x, "smooth_taylor", 0, samples=20, sigma=0.5, tolerance=0.1)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.1).all()
    assert found.evaluations > 40


@pytest.mark.parametrize(
    ("params", "named"),
    [({"samples": 0}, "samples=0"), ({"sigma": -1}, "sigma=-1"), ({"seed": -1}, "seed=-1")],
)
def test_parameters_out_of_range_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), "smooth_taylor", 0, **params)
