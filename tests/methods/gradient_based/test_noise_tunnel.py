"""A noise tunnel is the mean of a plain loop of `explain` over noisy copies, whatever the method inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.registry import get_method

from ...frameworks import need
from ...nets import linear_net, pictures, power_net, small_net
from ..calls import CALLS, PACKAGES, net_for, relative

AGGREGATES = ("mean", "absolute", "squared", "variance")
HALVES = np.repeat([[0] * 4 + [1] * 4], 8, axis=0)
QUARTERS = HALVES + 2 * HALVES.T


def noisy_copies(x: np.ndarray, samples: int, sigma: float, seed: int) -> list[np.ndarray]:
    """The documented draws, which are those of SmoothGrad."""
    copies = []
    for i, sample in enumerate(x):
        noise = np.random.default_rng([seed, i]).standard_normal((samples, *sample.shape), dtype=np.float32)
        copies.append(sample + sigma * (sample.max() - sample.min()) * noise.astype(x.dtype))
    return copies


def naive(model: Model, x: np.ndarray, targets: list[Any], inner: str, params: dict[str, Any]) -> list[np.ndarray]:
    """Attributions of each sample's four copies (4, ...), one call of `explain` per copy."""
    found = []
    for i, copies in enumerate(noisy_copies(x.astype(model.dtype), 4, 0.15, 0)):
        rows = []
        for j, copy in enumerate(copies):
            own = dict(params)
            if "seed" in params:
                own["seed"] = int(np.random.SeedSequence([params["seed"], i, j]).generate_state(1)[0])
            rows.append(tl.explain(model, copy[None], inner, targets[i], **own).values[0])
        found.append(np.stack(rows).astype(np.float64))
    return found


# -- it is SmoothGrad ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_with_saliency_inside_it_is_smoothgrad(backend: Backend, aggregate: str, dtype: str) -> None:
    model, x = small_net(backend, dtype=dtype), pictures(3)
    params = {"samples": 7, "sigma": 0.2, "seed": 5, "aggregate": aggregate}
    found = tl.explain(model, x, "noise_tunnel", [0, 1, 2], inner="saliency", **params)
    expected = tl.explain(model, x, "smoothgrad", [0, 1, 2], **params)
    # The same gradients of the same copies: what differs is which of them ran together.
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    assert relative(found.values, expected.values) < tolerance
    np.testing.assert_allclose(found.error.relative, expected.error.relative, rtol=tolerance)
    assert (found.evaluations, found.stopped) == (expected.evaluations, expected.stopped) == (21, None)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_the_tolerance_adds_the_copies_that_smoothgrad_would(backend: Backend, aggregate: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    params: dict[str, Any] = {"samples": 4, "tolerance": 0.2, "aggregate": aggregate}
    found = tl.explain(model, x, "noise_tunnel", 1, inner="saliency", **params)
    expected = tl.explain(model, x, "smoothgrad", 1, **params)
    assert relative(found.values, expected.values) < 1e-10
    assert (found.evaluations, found.stopped) == (expected.evaluations, "tolerance")
    assert (found.error.relative <= 0.2).all()


@pytest.mark.parametrize(
    ("limits", "stopped"), [({"max_evaluations": 20}, "max_evaluations"), ({"max_seconds": 0.2}, "max_seconds")]
)
def test_the_limits_hold(backend: Backend, limits: dict[str, Any], stopped: str) -> None:
    found = tl.explain(small_net(backend), pictures(2), "noise_tunnel", 1, inner="saliency", samples=10**6, **limits)
    assert found.stopped == stopped
    assert 16 <= found.evaluations < 10**6


# -- any method inside ---------------------------------------------------------------------------------------------

INNER: dict[str, dict[str, Any]] = {
    "input_x_gradient": {},
    "integrated_gradients": {"steps": 3, "seed": 0},
    "guided_backprop": {},
    "deeplift": {},
    "lrp": {"composite": "epsilon"},
    "gradcam": {"layer": "4", "upsample": False},
    "fullgrad": {},
    "smoothgrad": {"samples": 3, "seed": 4},
    "expected_gradients": {"samples": 3, "background": pictures(3, seed=1), "seed": 0},
    "rise": {"samples": 5, "cells": 2, "seed": 0},
    "occlusion": {"window": 4, "stride": 4, "seed": 0},
    "layer_activation": {"layer": "4"},
    "neuron_gradient": {"layer": "4", "neuron": 1},
}


@pytest.mark.parametrize("inner", list(INNER))
def test_it_is_a_plain_loop_over_noisy_copies(backend: Backend, inner: str) -> None:
    model, x, params = small_net(backend, dtype="float64"), pictures(3), INNER[inner]
    targets = [None] * 3 if inner in ("layer_activation", "neuron_gradient") else [3, 0, 1]
    found = tl.explain(
        model, x, "noise_tunnel", None if targets[0] is None else targets, inner=inner, inner_params=params, samples=4
    )
    rows = naive(model, x, targets, inner, params)
    np.testing.assert_allclose(found.values, [each.mean(0) for each in rows], rtol=1e-9, atol=1e-12)
    errors = [np.sqrt((each.var(0, ddof=1) / 4).sum()) for each in rows]
    np.testing.assert_allclose(found.error.values, errors, rtol=1e-7)
    np.testing.assert_allclose(found.scores, tl.explain(model, x, inner, found.target, **params).scores, rtol=1e-12)


# What noisy copies need: bounds that they keep to, and other samples than each other.
_OTHERS = {"background": pictures(3, seed=1)}
NOISY = {"lrp": {"composite": "epsilon"}, "feature_permutation": _OTHERS, "layer_feature_permutation": _OTHERS}


@pytest.mark.parametrize(
    "inner", [name for name in CALLS if get_method(name).scope == "local" and name != "noise_tunnel"]
)
def test_every_method_may_be_inside(backend: Backend, inner: str) -> None:
    if inner in PACKAGES:
        pytest.importorskip(PACKAGES[inner])
    model, x, params = net_for(inner, backend), pictures(2), CALLS[inner] | NOISY.get(inner, {})
    plain = tl.explain(model, x, inner, **params)
    found = tl.explain(model, x, "noise_tunnel", inner=inner, inner_params=params, samples=2)
    assert found.values.shape == plain.values.shape
    assert found.values.dtype == np.float32
    assert np.isfinite(found.error.values).all()
    np.testing.assert_array_equal(found.target, plain.target)
    np.testing.assert_array_equal(found.scores, plain.scores)


def test_the_class_is_that_of_the_input_itself_for_all_its_copies(backend: Backend) -> None:
    """Two classes that noise confuses: their gradients differ in sign, and the mean must hold one of them."""
    weights = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    model, x = linear_net(backend, weights), np.array([[0.01, 1, 0, 0], [-0.01, 1, 0, 0]])
    found = tl.explain(model, x, "noise_tunnel", inner="saliency", samples=9, sigma=0.5)
    np.testing.assert_array_equal(found.values, weights)
    assert found.target.tolist() == [0, 1]


def test_a_target_function_is_handed_on(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    by_function = tl.explain(model, x, "noise_tunnel", lambda scores: scores[:, 3], inner="saliency", samples=3)
    by_class = tl.explain(model, x, "noise_tunnel", 3, inner="saliency", samples=3)
    np.testing.assert_allclose(by_function.values, by_class.values, rtol=1e-12, atol=1e-14)
    assert by_function.target is None


def test_without_noise_it_is_the_inner_method(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "noise_tunnel", 2, sigma=0, samples=3, inner_params={"steps": 4})
    expected = tl.explain(model, x, "integrated_gradients", 2, steps=4)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-11, atol=1e-15)
    assert (found.error.relative < 1e-6).all()


def test_of_a_quadratic_network_integrated_gradients_inside_have_a_closed_form(
    backend: Backend, rng: np.random.Generator
) -> None:
    """``w z²`` at each copy z, of which two points of Gauss–Legendre know the integral."""
    weights, x = rng.normal(size=(2, 6)), rng.random((3, 6))
    model = power_net(backend, weights, 2)
    found = tl.explain(model, x, "noise_tunnel", 1, inner_params={"steps": 2}, samples=11, sigma=0.3, seed=4)
    squares = np.array([(copies**2).mean(axis=0) for copies in noisy_copies(x, 11, 0.3, 4)])
    np.testing.assert_allclose(found.values, weights[1] * squares, rtol=1e-12)


@pytest.mark.parametrize("inner", ["saliency", "integrated_gradients", "smoothgrad", "deeplift"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_chunk_size_does_not_matter(backend: Backend, inner: str, size: int) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    params = {"inner": inner, "inner_params": CALLS[inner], "samples": 5}
    whole = tl.explain(model, x, "noise_tunnel", [0, 1, 2], **params)
    found = tl.explain(model, x, "noise_tunnel", [0, 1, 2], **params, batch_size=size)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("inner", ["saliency", "smoothgrad"])
def test_rounds_go_on_with_the_draws_of_one_long_run(backend: Backend, inner: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    params = {"inner": inner, "inner_params": CALLS[inner]}
    rounds = tl.explain(model, x, "noise_tunnel", 1, **params, samples=3, tolerance=1e-9, max_evaluations=2 * 20)
    whole = tl.explain(model, x, "noise_tunnel", 1, **params, samples=20)
    assert (rounds.evaluations, rounds.stopped, whole.evaluations) == (40, "max_evaluations", 40)
    np.testing.assert_allclose(rounds.values, whole.values, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(rounds.error.values, whole.error.values, rtol=1e-8)


def test_random_draws_inside_differ_from_copy_to_copy(backend: Backend) -> None:
    """Equal draws would be no noise to the standard error, however few of them there are."""
    model, x = small_net(backend, dtype="float64"), pictures(1)
    params = {"inner": "smoothgrad", "inner_params": {"samples": 2}, "sigma": 0.0}
    found = tl.explain(model, x, "noise_tunnel", 1, **params, samples=40)
    assert found.error.relative[0] > 1e-3
    many = tl.explain(model, x, "smoothgrad", 1, samples=4000)
    assert np.linalg.norm(found.values - many.values) < 3 * found.error.values[0]


# -- parameters that belong to a sample ----------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["integrated_gradients", "deeplift", "occlusion"])
def test_a_baseline_per_sample_belongs_to_the_samples_copies(backend: Backend, inner: str) -> None:
    model, x, baseline = small_net(backend, dtype="float64"), pictures(3), pictures(3, seed=3).astype(np.float64)
    found = tl.explain(
        model, x, "noise_tunnel", 1, inner=inner, inner_params={**CALLS[inner], "baseline": baseline}, samples=3
    )
    for i in range(3):
        # Noise belongs to the place in the batch.
        own = {**CALLS[inner], "baseline": baseline[i]}
        alone = tl.explain(model, x, "noise_tunnel", 1, inner=inner, inner_params=own, samples=3)
        np.testing.assert_allclose(found.values[i], alone.values[i], rtol=1e-11, atol=1e-14)
        assert relative(found.values[i - 1], alone.values[i - 1]) > 0.01


def test_several_baselines_per_sample_are_several_for_each(backend: Backend) -> None:
    model, x, rows = small_net(backend, dtype="float64"), pictures(3), pictures(3, seed=3).astype(np.float64)
    both, black, own = (
        tl.explain(model, x, "noise_tunnel", 1, inner_params={"steps": 3, "baseline": baseline}, samples=2).values
        for baseline in ([0.0, rows], 0.0, rows)
    )
    np.testing.assert_allclose(both, (black + own) / 2, rtol=1e-10, atol=1e-14)


def test_a_box_per_sample_belongs_to_the_samples_copies(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    low = np.broadcast_to(np.reshape([-3.0, -5.0], (2, 1, 1, 1)), x.shape)
    params = {"inner": "lrp", "samples": 3}
    found, first, second = (
        tl.explain(model, x, "noise_tunnel", 1, **params, inner_params={"low": each, "high": 4.0}).values
        for each in (low, -3.0, -5.0)
    )
    np.testing.assert_allclose(found, [first[0], second[1]], rtol=1e-11, atol=1e-14)


def inside_of_sess(**inner: object) -> dict[str, object]:
    return {"inner": "sess", "inner_params": {"scales": 2, "growth": 0.5, "blur": 0, **inner}}


def test_a_baseline_of_a_method_inside_of_the_inner_one_belongs_to_its_sample(backend: Backend) -> None:
    """As many copies as samples: rows that were handed on as they are would be taken for those of the copies."""
    model, x = small_net(backend, dtype="float64"), pictures(2)
    rows = np.broadcast_to(np.reshape([0.0, 1.0], (2, 1, 1, 1)), x.shape)
    found, black, white = (
        tl.explain(
            model, x, "noise_tunnel", 1, samples=2, **inside_of_sess(inner="deeplift", inner_params={"baseline": each})
        ).values
        for each in (rows, 0.0, 1.0)
    )
    np.testing.assert_allclose(found, [black[0], white[1]], rtol=0, atol=1e-11)
    assert relative(black[1], white[1]) > 0.01


def test_random_draws_of_a_method_inside_of_the_inner_one_differ_from_copy_to_copy(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    params = inside_of_sess(inner="smoothgrad", inner_params={"samples": 2}) | {"samples": 4, "sigma": 0.0}
    found = tl.explain(model, x, "noise_tunnel", 1, **params)
    assert (found.error.relative > 1e-3).all()
    for size in (1, 3):
        apart = tl.explain(model, x, "noise_tunnel", 1, **params, batch_size=size)
        np.testing.assert_allclose(apart.values, found.values, rtol=1e-10, atol=1e-13)


def test_what_belongs_to_a_layer_has_the_shape_of_its_output(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    halves = np.arange(8 * 4 * 4).reshape(8, 4, 4) // 64
    ablated = {"inner": "layer_feature_ablation", "samples": 2, "sigma": 0.0}
    for own in ({"segments": halves}, {"baseline": halves / 2}):
        found = tl.explain(model, x, "noise_tunnel", 1, **ablated, inner_params={"layer": "4", **own})
        plain = tl.explain(model, x, "layer_feature_ablation", 1, layer="4", **own)
        np.testing.assert_allclose(found.values, plain.values, rtol=1e-11, atol=1e-14)
    with pytest.raises(tl.errors.InputError, match="no array of whole numbers"):
        tl.explain(model, x, "noise_tunnel", 1, **ablated, inner_params={"layer": "4", "segments": [[0], [1, 2]]})
    # As many rows as copies, which they would be taken for.
    for own in ({"segments": np.stack([halves] * 2)}, {"baseline": np.stack([halves / 2] * 2)}):
        with pytest.raises(tl.errors.InputError, match=r"At layer '4', whose output.*\(2, 8, 4, 4\).*\(1, 8, 4, 4\)"):
            tl.explain(model, x, "noise_tunnel", 1, **ablated, inner_params={"layer": "4", **own})


@pytest.mark.parametrize("channels", [False, True])
def test_a_partition_per_sample_belongs_to_the_samples_copies(backend: Backend, channels: bool) -> None:
    # As many pictures as channels, and as many copies, so that nothing is told apart by its number alone.
    model, x = small_net(backend, dtype="float64"), pictures(3)
    cuts = np.stack([HALVES, HALVES.T, QUARTERS])
    segments = np.repeat(cuts[:, None], 3, axis=1) if channels else cuts
    params = {"inner": "exact_shapley", "samples": 3}
    found = tl.explain(model, x, "noise_tunnel", 1, **params, inner_params={"segments": segments})
    for i, cut in enumerate(cuts):
        alone = tl.explain(model, x, "noise_tunnel", 1, **params, inner_params={"segments": cut})
        np.testing.assert_allclose(found.values[i].sum(0), alone.values[i].sum(0) * (3 if channels else 1), rtol=1e-10)


def test_a_background_is_the_same_for_all(backend: Backend) -> None:
    """It has rows too, and as many as there are samples."""
    model, x, rows = small_net(backend, dtype="float64"), pictures(3), pictures(3, seed=1)
    inner = {"inner": "deepshap", "samples": 2}
    found, other = (
        tl.explain(model, x, "noise_tunnel", 1, **inner, inner_params={"background": each}).values
        for each in (rows, np.concatenate([rows, rows]))
    )
    np.testing.assert_allclose(found, other, rtol=1e-10, atol=1e-14)


def test_limits_of_the_inner_method_are_those_of_each_copy(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    limited, free = (
        tl.explain(model, x, "noise_tunnel", 1, inner="blur_integrated_gradients", samples=3, inner_params=params)
        for params in ({"steps": 4, "max_evaluations": 4}, {"steps": 4})
    )
    np.testing.assert_allclose(limited.values, free.values, rtol=1e-10, atol=1e-14)


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "cause", "cure"),
    [
        ({"inner": "salience"}, "There is no method 'salience'", "Did you mean 'saliency'"),
        ({"inner": None}, "There is no method 'None'", ""),
        ({"inner": "noise_tunnel"}, "cannot be its own inner method", "integrated_gradients"),
        ({"inner": "filter_visualisation", "inner_params": {"layer": "4"}}, "explains the network", "per input"),
        ({"inner": "class_visualisation"}, "explains the network and not its inputs", "per input"),
        ({"inner": "gradcam", "inner_params": {"steps": 3}}, "'gradcam' has no parameter 'steps'", ""),
        ({"inner_params": {"step": 3}}, "'integrated_gradients' has no parameter 'step'", "Did you mean 'steps'"),
        ({"inner_params": {"target": 3}}, "no parameter 'target'", ""),
        ({"inner": "neuron_gradient"}, "'neuron_gradient' needs the parameter 'layer'", "Pass layer="),
        ({"inner_params": [("steps", 3)]}, "inner_params=", "by name|mapping"),
        ({"inner_params": {3: 3}}, "inner_params=", "mapping"),
        ({"inner_params": {"steps": 0}}, "steps=0", ""),
        ({"inner_params": {"seed": -1}}, "seed=-1", ""),
        ({"aggregate": "median"}, "aggregate='median'", "mean, absolute"),
        ({"aggregate": "variance", "samples": 1}, "samples=1 has no variance", "samples=2"),
        ({"samples": 0}, "samples=0", ""),
        ({"sigma": -1}, "sigma=-1", ""),
        ({"seed": 0.5}, "seed=0.5", ""),
        ({"tolerance": 0}, "tolerance=0", ""),
    ],
)
def test_what_does_not_fit_is_named(backend: Backend, params: dict[str, Any], cause: str, cure: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=cause) as caught:
        tl.explain(small_net(backend), pictures(1), "noise_tunnel", **params)
    assert any(each in caught.value.cure for each in cure.split("|"))


def test_what_the_inner_method_refuses_is_its_own_error(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    with pytest.raises(tl.errors.InputError, match=r"outside of low=0\.0 to high=1\.0"):
        tl.explain(model, x, "noise_tunnel", inner="lrp")
    with pytest.raises(
        tl.errors.MethodError, match=r"from the other samples.*copies of one.*inner_params=.\"background\""
    ):
        tl.explain(model, x, "noise_tunnel", inner="feature_permutation", inner_params=CALLS["feature_permutation"])
    with pytest.raises(tl.errors.LayerError, match="no layer 'conv'"):
        tl.explain(model, x, "noise_tunnel", inner="gradcam", inner_params={"layer": "conv"})


@pytest.mark.parametrize("target", [1, lambda scores: scores[:, 0]])
def test_an_inner_method_without_target_is_given_none(backend: Backend, target: Any) -> None:
    with pytest.raises(tl.errors.MethodError, match="layer_activation has no target"):
        tl.explain(
            small_net(backend), pictures(1), "noise_tunnel", target, inner="layer_activation",
            inner_params={"layer": "4"},
        )  # fmt: skip


@pytest.mark.parametrize("rows", [2, 4, 5])
@pytest.mark.parametrize("inner", ["deeplift", "integrated_gradients"])
def test_rows_that_are_not_the_samples_are_refused_whatever_the_number_of_copies(
    backend: Backend, inner: str, rows: int
) -> None:
    # Four copies of each of three samples: rows for the copies are no rows for the samples.
    wrong = {"baseline": pictures(rows)}
    with pytest.raises(tl.errors.InputError, match="does not fit the input"):
        tl.explain(small_net(backend), pictures(3), "noise_tunnel", inner=inner, inner_params=wrong, samples=4)
    as_list = {"baseline": pictures(4).tolist()}
    with pytest.raises(tl.errors.InputError, match="does not fit the input"):
        tl.explain(small_net(backend), pictures(3), "noise_tunnel", inner="deeplift", inner_params=as_list, samples=4)


def test_wrong_batch_sizes_are_refused(backend: Backend) -> None:
    for wrong in (0, 2.5, True, "many"):
        with pytest.raises(tl.errors.InputError, match="batch_size"):
            tl.explain(small_net(backend), pictures(1), "noise_tunnel", inner="saliency", batch_size=wrong)


def test_its_parameters_survive_a_file(backend: Backend, tmp_path: Any) -> None:
    params = {"steps": 3, "baseline": backend.asarray(pictures(2, seed=3))}
    made = tl.explain(small_net(backend), pictures(2), "noise_tunnel", inner_params=params, samples=2)
    read = tl.Explanation.load(made.save(tmp_path / "e.npz"))
    np.testing.assert_array_equal(read.params["inner_params"]["baseline"], pictures(2, seed=3))
    assert (read.params["inner"], read.params["inner_params"]["steps"]) == ("integrated_gradients", 3)


# -- a second opinion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aggregate", "kind"), [("mean", "smoothgrad"), ("squared", "smoothgrad_sq"), ("variance", "vargrad")]
)
def test_captums_noise_tunnel_is_as_far_as_two_estimates_are(aggregate: str, kind: str) -> None:
    attr = pytest.importorskip("captum.attr")
    backend = need("torch")
    model, x = small_net(backend, dtype="float64"), pictures(1).astype(np.float64)
    with backend.seeded(0):
        expected = attr.NoiseTunnel(attr.InputXGradient(model.net.eval())).attribute(
            model.tensor(x), nt_type=kind, nt_samples=2000, stdevs=0.2 * (x.max() - x.min()), target=2
        )
    found = tl.explain(
        model, x, "noise_tunnel", 2, inner="input_x_gradient", samples=2000, sigma=0.2, aggregate=aggregate
    )
    off = np.linalg.norm(found.values - expected.detach().numpy())
    assert 0.5 < off / (2**0.5 * found.error.values[0]) < 1.5
