"""SmoothGrad is the mean gradient over noisy copies whose noise is documented and reproducible."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...frameworks import need
from ...nets import linear_net, pictures, power_net, small_net


def noisy_copies(x: np.ndarray, samples: int, sigma: float, seed: int) -> list[np.ndarray]:
    """The documented draws: float32 noise of ``default_rng([seed, i])``, scaled by the range of the sample."""
    copies = []
    for i, sample in enumerate(x):
        noise = np.random.default_rng([seed, i]).standard_normal((samples, *sample.shape), dtype=np.float32)
        copies.append(sample + sigma * (sample.max() - sample.min()) * noise.astype(x.dtype))
    return copies


def naive_gradients(model: Model, x: np.ndarray, target: int, samples: int, sigma: float, seed: int) -> np.ndarray:
    return np.array(
        [
            [model.gradient(copy[None], target)[0] for copy in copies]
            for copies in noisy_copies(x.astype(model.dtype), samples, sigma, seed)
        ],
        dtype=np.float64,
    )


def test_it_is_the_mean_of_a_plain_loop_over_noisy_copies(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    gradients = naive_gradients(model, x, 3, samples=7, sigma=0.2, seed=5)
    signed = tl.explain(model, x, "smoothgrad", 3, samples=7, sigma=0.2, seed=5)
    absolute = tl.explain(model, x, "smoothgrad", 3, samples=7, sigma=0.2, seed=5, aggregate="absolute")
    np.testing.assert_allclose(signed.values, gradients.mean(axis=1), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(absolute.values, np.abs(gradients).mean(axis=1), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("aggregate", ["mean", "absolute"])
def test_its_error_is_the_standard_error_of_that_mean(backend: Backend, aggregate: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    gradients = naive_gradients(model, x, 1, samples=6, sigma=0.15, seed=0)
    drawn = np.abs(gradients) if aggregate == "absolute" else gradients
    by_pixel = drawn.std(axis=1, ddof=1) / np.sqrt(6)
    found = tl.explain(model, x, "smoothgrad", 1, samples=6, aggregate=aggregate)
    np.testing.assert_allclose(found.error.values, np.sqrt((by_pixel**2).sum(axis=(1, 2, 3))), rtol=1e-8)
    np.testing.assert_allclose(found.error.scale, np.linalg.norm(found.values.reshape(2, -1), axis=1), rtol=1e-8)


def test_without_noise_it_is_the_gradient(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "smoothgrad", 2, sigma=0, samples=3)
    np.testing.assert_allclose(found.values, model.gradient(x, 2), rtol=1e-12, atol=1e-15)
    assert (found.error.relative < 1e-6).all()


def test_of_a_linear_network_it_is_the_row_of_weights_whatever_the_noise(
    backend: Backend, rng: np.random.Generator
) -> None:
    weights = rng.normal(size=(3, 10))
    found = tl.explain(linear_net(backend, weights), rng.random((2, 10)), "smoothgrad", 1, sigma=0.5, samples=9)
    np.testing.assert_allclose(found.values, np.tile(weights[1], (2, 1)), rtol=1e-13)


def test_of_a_quadratic_network_it_shows_the_mean_of_the_noise(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(2, 6)), rng.random((3, 6))
    found = tl.explain(power_net(backend, weights, 2), x, "smoothgrad", 1, samples=11, sigma=0.3, seed=4)
    means = np.array([copies.mean(axis=0) for copies in noisy_copies(x, 11, 0.3, 4)])
    np.testing.assert_allclose(found.values, 2 * weights[1] * means, rtol=1e-12)


def test_the_noise_is_a_share_of_each_samples_own_range(backend: Backend, rng: np.random.Generator) -> None:
    x = rng.random((2, 6))
    model = power_net(backend, np.ones((1, 6)), 2)
    narrow, wide = (tl.explain(model, factor * x, "smoothgrad", 0, samples=5).values for factor in (1, 10))
    np.testing.assert_allclose(wide, 10 * narrow, rtol=1e-12)
    flat = tl.explain(model, np.full((1, 6), 0.5), "smoothgrad", 0, samples=5)
    np.testing.assert_array_equal(flat.values, 1.0)


@pytest.mark.parametrize("size", [1, 3, 4, 1000, "auto"])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int | str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    whole = tl.explain(model, x, "smoothgrad", [0, 1, 2], samples=7)
    found = tl.explain(model, x, "smoothgrad", [0, 1, 2], samples=7, batch_size=size)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(found.error.values, whole.error.values, rtol=1e-8)


def test_odd_chunks_in_float32_draw_the_same_noise(backend: Backend, rng: np.random.Generator) -> None:
    # Five values per copy: float32 draws use half words of the generator, which must not be lost between chunks.
    model, x = power_net(backend, np.ones((1, 5)), 2, "float32"), rng.random((2, 5))
    whole = tl.explain(model, x, "smoothgrad", 0, samples=9, batch_size=100)
    cut = tl.explain(model, x, "smoothgrad", 0, samples=9, batch_size=2)
    np.testing.assert_allclose(cut.values, whole.values, rtol=1e-6)


def test_both_frameworks_and_precisions_see_the_same_noise(both: tuple[Backend, Backend]) -> None:
    x = pictures(2)
    double = [tl.explain(small_net(b, dtype="float64"), x, "smoothgrad", 1, samples=6).values for b in both]
    np.testing.assert_allclose(double[0], double[1], rtol=1e-10, atol=1e-14)
    weights = np.arange(1.0, 13.0).reshape(1, 12)
    small = pictures(2, shape=(12,))
    found = [
        tl.explain(power_net(b, weights, 2, dtype), small, "smoothgrad", 0, samples=6).values
        for b in both
        for dtype in ("float32", "float64")
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-5)


def test_the_same_seed_repeats_and_another_differs(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    first, again, other = (tl.explain(model, x, "smoothgrad", 0, samples=4, seed=seed).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_equal_pictures_in_one_batch_get_different_noise(backend: Backend) -> None:
    model, x = small_net(backend), np.repeat(pictures(1), 2, axis=0)
    found = tl.explain(model, x, "smoothgrad", 0, samples=4).values
    assert not np.allclose(found[0], found[1])


def test_one_noisy_copy_has_no_known_error(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)
    found = tl.explain(model, x, "smoothgrad", 0, samples=1)
    np.testing.assert_allclose(found.values, naive_gradients(model, x, 0, 1, 0.15, 0)[:, 0], rtol=1e-11, atol=1e-14)
    assert np.isnan(found.error.values).all()


def test_more_samples_bring_it_nearer_to_the_expectation(backend: Backend, rng: np.random.Generator) -> None:
    x = rng.random((1, 40))
    model = power_net(backend, np.ones((1, 40)), 2)
    off = [np.linalg.norm(tl.explain(model, x, "smoothgrad", 0, samples=n).values - 2 * x) for n in (10, 1000)]
    assert off[1] < off[0] / 5
    claimed = tl.explain(model, x, "smoothgrad", 0, samples=1000).error.values[0]
    assert off[1] / 2 < claimed < 2 * off[1]


def test_squares_and_variances_are_those_of_a_plain_loop(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    gradients = naive_gradients(model, x, 3, samples=7, sigma=0.2, seed=5)
    squared, variance = (
        tl.explain(model, x, "smoothgrad", 3, samples=7, sigma=0.2, seed=5, aggregate=aggregate)
        for aggregate in ("squared", "variance")
    )
    np.testing.assert_allclose(squared.values, (gradients**2).mean(axis=1), rtol=1e-11, atol=1e-14)
    by_pixel = (gradients**2).std(axis=1, ddof=1) / np.sqrt(7)
    np.testing.assert_allclose(squared.error.values, np.sqrt((by_pixel**2).sum(axis=(1, 2, 3))), rtol=1e-8)
    np.testing.assert_allclose(variance.values, gradients.var(axis=1, ddof=1), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(variance.error.scale, np.linalg.norm(variance.values.reshape(2, -1), axis=1), rtol=1e-8)


def test_of_a_quadratic_network_the_variance_tends_to_that_of_the_noise(
    backend: Backend, rng: np.random.Generator
) -> None:
    weights, x = rng.normal(size=(1, 6)), rng.random((1, 6))
    deviation = 0.3 * (x.max() - x.min())
    expected = (2 * weights * deviation) ** 2
    found = tl.explain(
        power_net(backend, weights, 2), x, "smoothgrad", 0, samples=4000, sigma=0.3, aggregate="variance"
    )
    off = np.linalg.norm(found.values - expected)
    assert off < 0.1 * np.linalg.norm(expected)
    assert found.error.values[0] / 4 < off < 4 * found.error.values[0]


def test_a_linear_network_has_no_variance(backend: Backend, rng: np.random.Generator) -> None:
    model, x = linear_net(backend, rng.normal(size=(3, 10))), rng.random((2, 10))
    found = tl.explain(model, x, "smoothgrad", 1, samples=5, aggregate="variance")
    assert not found.values.any()
    assert (found.error.relative == 0).all()


def test_tiny_gradients_do_not_vanish_in_single_precision(backend: Backend) -> None:
    # The squares of what these differ by are below the smallest float32.
    model = power_net(backend, np.full((1, 5), 1e-24), 2, "float32")
    x = np.linspace(0, 1, 5, dtype=np.float32).reshape(1, 5)
    for aggregate in ("mean", "absolute"):
        found = tl.explain(model, x, "smoothgrad", 0, samples=20, aggregate=aggregate)
        assert 1e-3 < found.error.relative[0] < 1


@pytest.mark.parametrize(
    ("aggregate", "kind"), [("mean", "smoothgrad"), ("squared", "smoothgrad_sq"), ("variance", "vargrad")]
)
def test_aggregates_are_captums(aggregate: str, kind: str) -> None:
    attr = pytest.importorskip("captum.attr")
    backend = need("torch")
    model, x = small_net(backend, dtype="float64"), pictures(1).astype(np.float64)
    with backend.seeded(0):
        expected = attr.NoiseTunnel(attr.Saliency(model.net.eval())).attribute(
            model.tensor(x), nt_type=kind, nt_samples=3000, stdevs=0.2 * (x.max() - x.min()), target=2, abs=False
        )
    found = tl.explain(model, x, "smoothgrad", 2, samples=3000, sigma=0.2, aggregate=aggregate)
    # Other noise: as far apart as two estimates with these errors are.
    off = np.linalg.norm(found.values - expected.detach().numpy())
    assert 0.5 < off / (2**0.5 * found.error.values[0]) < 1.5


# -- until it is certain enough ------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", ["mean", "absolute", "squared", "variance"])
def test_the_tolerance_adds_copies_where_they_are_needed(backend: Backend, aggregate: str) -> None:
    model, x = small_net(backend), pictures(4)
    found = tl.explain(model, x, "smoothgrad", 1, samples=4, tolerance=0.2, aggregate=aggregate)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.2).all()
    assert found.evaluations > 4 * 4


def test_rounds_go_on_with_the_noise_of_one_long_run(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    rounds = tl.explain(model, x, "smoothgrad", 1, samples=5, tolerance=1e-9, max_evaluations=2 * 40)
    assert (rounds.evaluations, rounds.stopped) == (80, "max_evaluations")
    whole = tl.explain(model, x, "smoothgrad", 1, samples=40)
    assert (whole.evaluations, whole.stopped) == (80, None)
    np.testing.assert_allclose(rounds.values, whole.values, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(rounds.error.values, whole.error.values, rtol=1e-8)


def test_an_input_that_is_certain_is_left_out_of_further_rounds(backend: Backend) -> None:
    # Without a range there is no noise: the first input is certain after the first round.
    x = np.stack([np.full(6, 0.5), np.linspace(-1, 1, 6)])
    found = tl.explain(power_net(backend, np.ones((1, 6)), 2), x, "smoothgrad", 0, samples=4, tolerance=0.05)
    assert found.stopped == "tolerance"
    assert found.evaluations - 4 in {4 * 2**k for k in range(1, 12)}


def test_the_seconds_are_a_limit(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(1), "smoothgrad", 1, samples=10**6, max_seconds=0.2)
    assert found.stopped == "max_seconds"
    assert 8 <= found.evaluations < 10**6


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"samples": 0}, "samples=0"),
        ({"samples": 2.5}, "samples=2.5"),
        ({"samples": True}, "samples=True"),
        ({"sigma": -0.1}, "sigma=-0.1"),
        ({"sigma": float("nan")}, "sigma=nan"),
        ({"sigma": "much"}, "sigma='much'"),
        ({"sigma": True}, "sigma=True"),
        ({"aggregate": "median"}, "median"),
        ({"aggregate": ["mean"]}, "aggregate=.*mean"),
        ({"aggregate": {}}, "aggregate="),
        ({"aggregate": "variance", "samples": 1}, "samples=1"),
        ({"tolerance": 0}, "tolerance=0"),
        ({"max_evaluations": -5}, "max_evaluations=-5"),
        ({"max_seconds": "long"}, "max_seconds='long'"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_parameters_out_of_range_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), "smoothgrad", 0, **params)
