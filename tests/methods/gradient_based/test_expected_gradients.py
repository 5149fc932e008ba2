"""Expected gradients: integrated gradients over a background, drawn in strata."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import need
from ...nets import linear_net, pictures, power_net, small_net


@pytest.mark.parametrize("samples", [4, 12])
def test_of_a_linear_network_it_is_exact_when_every_row_is_used_equally_often(
    backend: Backend, rng: np.random.Generator, samples: int
) -> None:
    weights, x, background = rng.normal(size=(3, 6)), rng.random((2, 6)), rng.random((4, 6))
    model = linear_net(backend, weights, rng.normal(size=3))
    found = tl.explain(model, x, "expected_gradients", [2, 0], background=background, samples=samples)
    np.testing.assert_allclose(found.values, weights[[2, 0]] * (x - background.mean(axis=0)), rtol=1e-12)
    assert (np.abs(found.error.values) < 1e-12).all()


def test_it_is_the_mean_of_a_plain_loop_over_the_documented_draws(backend: Backend) -> None:
    model, x, background = small_net(backend, dtype="float64"), pictures(2), pictures(3, seed=7)
    samples, targets = 8, [1, 4]
    expected = np.zeros(x.shape)
    for i, sample in enumerate(x.astype(np.float64)):
        rng = np.random.default_rng([6, i])
        alphas = (np.arange(samples) + rng.random(samples)) / samples
        rows = np.concatenate([rng.permutation(3) for _ in range(3)])[:samples]
        for alpha, row in zip(alphas, rows, strict=True):
            start = background[row].astype(np.float64)
            gradient = model.gradient((start + alpha * (sample - start))[None], targets[i])[0]
            expected[i] += (sample - start) * gradient / samples
    found = tl.explain(model, x, "expected_gradients", targets, background=background, samples=samples, seed=6)
    np.testing.assert_allclose(found.values, expected, rtol=1e-11, atol=1e-14)


def test_the_residual_is_the_sum_minus_the_score_above_the_backgrounds_mean(backend: Backend) -> None:
    model, x, background = small_net(backend, dtype="float64"), pictures(3), pictures(5, seed=7)
    targets = np.array([3, 3, 0])
    found = tl.explain(model, x, "expected_gradients", targets, background=background, samples=10)
    promised = model.forward(x)[np.arange(3), targets] - model.forward(background).mean(axis=0)[targets]
    np.testing.assert_allclose(found.error.scale, promised, rtol=1e-10)
    np.testing.assert_allclose(found.error.values, found.values.sum(axis=(1, 2, 3)) - promised, atol=1e-12)


def test_many_draws_converge_to_the_mean_of_integrated_gradients(backend: Backend) -> None:
    model, x, background = small_net(backend, dtype="float64"), pictures(1), pictures(3, seed=7)
    exact = np.mean(
        [tl.explain(model, x, "integrated_gradients", 2, steps=100, baseline=b).values for b in background], axis=0
    )

    def off(samples: int) -> float:
        found = tl.explain(model, x, "expected_gradients", 2, background=background, samples=samples)
        return float(np.linalg.norm(found.values - exact) / np.linalg.norm(exact))

    assert off(600) < 0.02
    assert off(600) < off(6) / 4


def test_over_one_row_it_is_integrated_gradients_from_that_row(backend: Backend, rng: np.random.Generator) -> None:
    weights, x, row = rng.normal(size=(2, 6)), rng.random((2, 6)), rng.random((1, 6))
    model = power_net(backend, weights, 3)
    exact = weights[1] * (x**3 - row**3)
    found = tl.explain(model, x, "expected_gradients", 1, background=row, samples=200)
    # One jittered draw in each of n equal intervals: off by less than a Riemann sum can be, and mostly far less.
    np.testing.assert_allclose(found.values, exact, atol=2e-3 * np.abs(exact).max())


def test_a_sample_in_a_background_of_itself_gets_nothing(backend: Backend) -> None:
    x = pictures(1)
    found = tl.explain(small_net(backend), x, "expected_gradients", 0, background=x, samples=5)
    assert not found.values.any()


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int) -> None:
    model, x, background = small_net(backend, dtype="float64"), pictures(2), pictures(3, seed=7)
    whole = tl.explain(model, x, "expected_gradients", 0, background=background, samples=7).values
    found = tl.explain(model, x, "expected_gradients", 0, background=background, samples=7, batch_size=size).values
    np.testing.assert_allclose(found, whole, rtol=1e-11, atol=1e-14)


def test_both_frameworks_agree_and_the_seed_decides(both: tuple[Backend, Backend]) -> None:
    x, background = pictures(2), pictures(4, seed=7)

    def values(backend: Backend, seed: int) -> np.ndarray:
        model = small_net(backend, dtype="float64")
        return tl.explain(model, x, "expected_gradients", 1, background=background, samples=6, seed=seed).values

    np.testing.assert_allclose(values(both[0], 3), values(both[1], 3), rtol=1e-9, atol=1e-13)
    assert not np.allclose(values(both[0], 3), values(both[0], 4))


def test_a_target_function_is_explained_too(backend: Backend, rng: np.random.Generator) -> None:
    weights, x, background = rng.normal(size=(2, 5)), rng.random((2, 5)), rng.random((3, 5))
    found = tl.explain(
        linear_net(backend, weights), x, "expected_gradients", lambda s: s[:, 1], background=background, samples=3
    )
    np.testing.assert_allclose(found.values, weights[1] * (x - background.mean(axis=0)), rtol=1e-12)
    assert (np.abs(found.error.values) < 1e-12).all()


def test_gradient_shap_is_another_name_of_it(backend: Backend) -> None:
    model, x, background = small_net(backend), pictures(2), pictures(3, seed=7)
    one, other = (
        tl.explain(model, x, name, 1, background=background, samples=6)
        for name in ("expected_gradients", "gradient_shap")
    )
    np.testing.assert_array_equal(one.values, other.values)
    assert other.method == "gradient_shap"


def test_it_is_near_captums_gradient_shap() -> None:
    attr = pytest.importorskip("captum.attr")
    backend = need("torch")
    model, x, background = (
        small_net(backend, dtype="float64"),
        pictures(1).astype(float),
        pictures(4, seed=7).astype(float),
    )
    with backend.seeded(0):
        state = np.random.get_state()  # noqa: NPY002
        expected = attr.GradientShap(model.net.eval()).attribute(
            model.tensor(x), model.tensor(background), n_samples=2000, stdevs=0.0, target=2
        )
        np.random.set_state(state)  # noqa: NPY002
    found = tl.explain(model, x, "gradient_shap", 2, background=background, samples=400)
    off = np.linalg.norm(found.values - expected.detach().numpy())
    assert off < 0.1 * np.linalg.norm(found.values)


def test_its_standard_error_is_that_of_the_draws(backend: Backend) -> None:
    model, x, background = small_net(backend, dtype="float64"), pictures(1), pictures(3, seed=7)
    exact = tl.explain(model, x, "expected_gradients", 2, background=background, samples=3000).values
    offs, claims = [], []
    for seed in range(10):
        found = tl.explain(model, x, "expected_gradients", 2, background=background, samples=30, seed=seed)
        offs.append(np.linalg.norm(found.values - exact) / np.linalg.norm(found.values))
        claims.append(found.extras["relative_standard_error"][0])
    # The strata make the draws better than independent ones, never worse.
    assert 0.1 * np.mean(claims) < np.mean(offs) < 1.2 * np.mean(claims)


def test_the_tolerance_holds_for_the_residual_and_for_the_map(backend: Backend) -> None:
    model, x, background = small_net(backend), pictures(3)[[0, 2]], pictures(4, seed=7)
    found = tl.explain(model, x, "expected_gradients", 1, background=background, samples=8, tolerance=0.2)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.2).all()
    assert (found.extras["relative_standard_error"] <= 0.2).all()
    assert found.evaluations > 16
    limited = tl.explain(
        model, x, "expected_gradients", 1, background=background, samples=8, tolerance=1e-6, max_evaluations=100
    )
    assert (limited.evaluations, limited.stopped) == (100, "max_evaluations")


def test_one_draw_meets_no_tolerance(backend: Backend) -> None:
    model, x, background = small_net(backend), pictures(1), pictures(4, seed=7)
    found = tl.explain(
        model, x, "expected_gradients", 1, background=background, samples=1, tolerance=100.0, max_evaluations=20
    )
    assert found.evaluations > 1


def test_the_background_must_be_given(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="needs the parameter 'background'"):
        tl.explain(small_net(backend), pictures(1), "expected_gradients", 0)


@pytest.mark.parametrize(
    "background",
    [
        np.zeros((3, 8, 8)),  # one picture without its batch axis
        np.zeros((2, 3, 4, 4)),
        np.zeros((0, 3, 8, 8)),
        np.full((2, 3, 8, 8), np.nan),
        np.zeros((2, 3, 8, 8), np.uint8),
        None,
        0.0,
        "training",
    ],
    ids=["one picture", "other size", "empty", "nan", "uint8", "none", "number", "word"],
)
def test_a_background_that_does_not_fit_is_refused(backend: Backend, background: object) -> None:
    with pytest.raises(tl.errors.InputError, match="background"):
        tl.explain(small_net(backend), pictures(1), "expected_gradients", 0, background=background)
