"""Integrated gradients: the integral, its rules, its baselines and its completeness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.baselines import baselines

from ...nets import formula_net, linear_net, pictures, power_net, small_net

RULES = ("gauss_legendre", "trapezoid", "midpoint", "left", "right")

# What each rule with n points makes of the integral of α² from 0 to 1, which is 1/3.
SQUARE: dict[str, Callable[[int], float]] = {
    "gauss_legendre": lambda n: 1 / 3,
    "midpoint": lambda n: 1 / 3 - 1 / (12 * n**2),
    "trapezoid": lambda n: 1 / 3 + 1 / (6 * (n - 1) ** 2),
    "left": lambda n: (n - 1) * (2 * n - 1) / (6 * n**2),
    "right": lambda n: (n + 1) * (2 * n + 1) / (6 * n**2),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [2, 5, 25])
def test_of_a_cubic_network_every_rule_gives_its_known_sum(
    backend: Backend, rng: np.random.Generator, rule: str, steps: int
) -> None:
    weights, x = rng.normal(size=(2, 6)), rng.random((3, 6))
    found = tl.explain(power_net(backend, weights, 3), x, "integrated_gradients", 1, steps=steps, rule=rule)
    np.testing.assert_allclose(found.values, 3 * SQUARE[rule](steps) * weights[1] * x**3, rtol=1e-12)


def test_two_gauss_legendre_steps_integrate_a_cubic_network_exactly(backend: Backend, rng: np.random.Generator) -> None:
    x, start = rng.random((2, 6)), rng.random((2, 6))
    found = tl.explain(power_net(backend, np.ones((1, 6)), 3), x, "integrated_gradients", 0, steps=2, baseline=start)
    np.testing.assert_allclose(found.values, x**3 - start**3, rtol=1e-12)
    assert (np.abs(found.error.values) < 1e-13).all()


def test_one_right_step_is_gradient_times_input(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    found = tl.explain(model, x, "integrated_gradients", 1, steps=1, rule="right")
    np.testing.assert_allclose(found.values, x * model.gradient(x, 1), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("rule", "sign"), [("left", -1), ("right", 1)])
def test_the_one_sided_sums_miss_by_their_leading_term(
    backend: Backend, rng: np.random.Generator, rule: str, sign: int
) -> None:
    # ∫g - left = (g(1) - g(0)) / 2n + O(1/n²): here g(α) = 4 (αx)³ x, so g(1) - g(0) = 4 x⁴.
    x = rng.random((1, 6))
    model = power_net(backend, np.ones((1, 6)), 4)
    for steps in (50, 100, 200):
        found = tl.explain(model, x, "integrated_gradients", 0, steps=steps, rule=rule)
        np.testing.assert_allclose(found.values - x**4, sign * 4 * x**4 / (2 * steps), rtol=1.01 / steps)


def test_the_residual_is_the_sum_minus_the_difference_of_scores(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    start = np.full((3, 8, 8), 0.25)
    targets = [4, 0, 2]
    for of in ("logit", "loss"):
        found = tl.explain(model, x, "integrated_gradients", targets, steps=9, baseline=start, of=of)
        scores = [model.forward(batch)[np.arange(3), targets] for batch in (x, np.broadcast_to(start, x.shape))]
        if of == "loss":
            batches = (x, np.broadcast_to(start, x.shape))
            scores = [-np.log(model.probabilities(batch)[np.arange(3), targets]) for batch in batches]
        np.testing.assert_allclose(found.error.scale, scores[0] - scores[1], rtol=1e-9)
        residual = found.values.sum(axis=(1, 2, 3)) - (scores[0] - scores[1])
        np.testing.assert_allclose(found.error.values, residual, atol=1e-12)


def test_more_steps_make_the_residual_small(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    few, many = (np.abs(tl.explain(model, x, "integrated_gradients", 1, steps=n).error.values) for n in (3, 300))
    assert (many < 2e-3).all()
    assert (many < few / 10).all()


def test_of_a_linear_network_it_is_complete_at_any_step_count(backend: Backend, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(3, 7)), rng.random((2, 7))
    for rule in RULES:
        found = tl.explain(linear_net(backend, weights), x, "integrated_gradients", 2, rule=rule, steps=3, baseline=0.5)
        np.testing.assert_allclose(found.values, weights[2] * (x - 0.5), rtol=1e-12)


def test_the_courses_variant_leaves_out_the_factor(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    course = tl.explain(
        model, x, "integrated_gradients", 3, steps=10, rule="left", multiply_by_input=False, baseline=0.0
    )
    naive = np.mean([model.gradient(k / 10 * x, 3) for k in range(10)], axis=0)
    np.testing.assert_allclose(course.values, naive, rtol=1e-10, atol=1e-14)
    assert course.error is None
    paper = tl.explain(model, x, "integrated_gradients", 3, steps=10, rule="left")
    np.testing.assert_allclose(paper.values, x * course.values, rtol=1e-10, atol=1e-14)


def test_where_a_pixel_equals_the_baseline_nothing_is_attributed(backend: Backend) -> None:
    x = pictures(2)
    x[:, :, 2:5, 1:3] = 0
    found = tl.explain(small_net(backend), x, "integrated_gradients", 1, steps=4)
    assert not found.values[:, :, 2:5, 1:3].any()


def test_swapping_input_and_baseline_turns_the_sign(backend: Backend) -> None:
    model = small_net(backend, dtype="float64")
    a, b = pictures(1, seed=1), pictures(1, seed=2)
    there = tl.explain(model, a, "integrated_gradients", 2, steps=6, baseline=b).values
    back = tl.explain(model, b, "integrated_gradients", 2, steps=6, baseline=a).values
    np.testing.assert_allclose(there, -back, rtol=1e-9, atol=1e-13)


def test_a_baseline_is_a_number_a_sample_a_batch_or_a_colour(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)

    def values(baseline: object) -> np.ndarray:
        return tl.explain(model, x, "integrated_gradients", 1, steps=3, baseline=baseline).values

    for same in (np.full((3, 8, 8), 0.5), np.full((2, 3, 8, 8), 0.5), np.full((3, 1, 1), 0.5), np.float32(0.5)):
        np.testing.assert_array_equal(values(same), values(0.5))
    mixed = np.stack([np.zeros((3, 8, 8)), np.full((3, 8, 8), 0.5)])
    np.testing.assert_allclose(values(mixed)[0], values(0)[0], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(values(mixed)[1], values(0.5)[1], rtol=1e-12, atol=1e-15)


def test_a_native_tensor_is_a_baseline(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    start = pictures(1, seed=9)[0]
    expected = tl.explain(model, x, "integrated_gradients", 1, steps=3, baseline=start).values
    native = backend.asarray(start)
    np.testing.assert_array_equal(
        tl.explain(model, x, "integrated_gradients", 1, steps=3, baseline=native).values, expected
    )


@pytest.mark.parametrize(
    ("baseline", "named"),
    [
        (np.zeros((4, 4)), r"\(4, 4\)"),
        (np.zeros((3, 3, 8, 8)), r"\(3, 3, 8, 8\)"),
        (np.zeros(8), r"\(8,\)"),  # would broadcast along the width
        (np.zeros((8, 8)), r"\(8, 8\)"),
        (np.zeros((1, 2, 3, 8, 8)), r"\(1, 2, 3, 8, 8\)"),
        (float("nan"), "NaN"),
        (np.full((3, 8, 8), np.inf), "infinite"),
        ("black", "'black'"),
        ([[1], [2, 3]], "baseline"),
    ],
)
def test_a_baseline_that_does_not_fit_is_refused(backend: Backend, baseline: object, named: str) -> None:
    with pytest.raises(tl.errors.InputError, match=named):
        tl.explain(small_net(backend), pictures(2), "integrated_gradients", 0, baseline=baseline)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": "ten"}, "steps='ten'"),
        ({"rule": "simpson"}, "simpson"),
        ({"rule": ""}, "rule=''"),
        ({"rule": False}, "rule='False'"),
        ({"multiply_by_input": "no"}, "multiply_by_input='no'"),
        ({"multiply_by_input": 0}, "multiply_by_input=0"),
        ({"rule": "trapezoid", "steps": 1}, "at least 2 steps"),
    ],
)
def test_parameters_out_of_range_are_named(backend: Backend, params: dict[str, object], named: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=named):
        tl.explain(small_net(backend), pictures(1), "integrated_gradients", 0, **params)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_chunk_size_does_not_matter(backend: Backend, size: int) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(3)
    whole = tl.explain(model, x, "integrated_gradients", [0, 1, 2], steps=7).values
    found = tl.explain(model, x, "integrated_gradients", [0, 1, 2], steps=7, batch_size=size).values
    np.testing.assert_allclose(found, whole, rtol=1e-11, atol=1e-14)


def test_a_target_function_is_integrated_too(backend: Backend, rng: np.random.Generator) -> None:
    # The square of a linear score w·x: gradient 2 (w·x) w, integral (w·x) w x.
    weights, x = rng.normal(size=(2, 5)), rng.random((2, 5))
    found = tl.explain(linear_net(backend, weights), x, "integrated_gradients", lambda s: s[:, 0] ** 2, steps=2)
    np.testing.assert_allclose(found.values, (x @ weights[0])[:, None] * weights[0] * x, rtol=1e-12)
    assert (np.abs(found.error.values) < 1e-12).all()
    assert found.target is None


def test_features_that_interact_share_what_they_make_together(backend: Backend) -> None:
    # f = x0 x1: half of the product each.
    model = formula_net(backend, lambda u, w: u[:, :1] * u[:, 1:2] * w, np.ones((1, 1)))
    found = tl.explain(model, np.array([[2.0, 3.0]]), "integrated_gradients", 0, steps=2)
    np.testing.assert_allclose(found.values, [[3.0, 3.0]], rtol=1e-13)


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (
        tl.explain(small_net(b, dtype="float64"), pictures(2), "integrated_gradients", 1, steps=8) for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(torch.error.scale, paddle.error.scale, rtol=1e-9)


# -- baselines by name, and several --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["blur", "mean", "noise"])
def test_a_baseline_by_name_is_the_array_of_that_name(backend: Backend, name: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    (array,) = baselines(name, x.astype(np.float64), seed=7)
    named, given = (
        tl.explain(model, x, "integrated_gradients", 1, steps=4, baseline=baseline, seed=7)
        for baseline in (name, array)
    )
    np.testing.assert_array_equal(named.values, given.values)
    np.testing.assert_array_equal(named.error.values, given.error.values)


def test_several_baselines_give_the_mean_over_them(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    several = [0.0, "blur", pictures(1, seed=9)[0]]
    each = [tl.explain(model, x, "integrated_gradients", [3, 1], steps=6, baseline=baseline) for baseline in several]
    found = tl.explain(model, x, "integrated_gradients", [3, 1], steps=6, baseline=several)
    np.testing.assert_allclose(found.values, np.mean([one.values for one in each], axis=0), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.error.scale, np.mean([one.error.scale for one in each], axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.error.values, np.mean([one.error.values for one in each], axis=0), atol=1e-12)
    assert found.evaluations == 2 * 6 * 3
    course = tl.explain(
        model, x, "integrated_gradients", [3, 1], steps=6, baseline=several, multiply_by_input=False
    ).values
    alone = [
        tl.explain(model, x, "integrated_gradients", [3, 1], steps=6, baseline=one, multiply_by_input=False).values
        for one in several
    ]
    np.testing.assert_allclose(course, np.mean(alone, axis=0), rtol=1e-10, atol=1e-14)


def test_from_noise_the_seed_decides(backend: Backend) -> None:
    model, x = small_net(backend), pictures(1)
    one, again, other = (
        tl.explain(model, x, "integrated_gradients", 0, steps=3, baseline="noise", seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.values, again.values)
    assert not np.allclose(one.values, other.values)
    assert other.seed == 2


# -- until it adds up ----------------------------------------------------------------------------------------


def test_the_tolerance_doubles_the_steps_of_those_that_need_it(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(4)
    found = tl.explain(model, x, "integrated_gradients", 1, steps=3, rule="gauss_legendre", tolerance=0.01)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.01).all()
    # Every input's map is that of a plain run with as many steps as it took.
    spent = 0
    for i in range(4):
        for steps in (3 * 2**k for k in range(12)):
            plain = tl.explain(model, x[i : i + 1], "integrated_gradients", 1, steps=steps)
            spent += steps
            if plain.error.relative[0] <= 0.01:
                break
        np.testing.assert_allclose(found.values[i], plain.values[0], rtol=1e-9, atol=1e-13)
    assert found.evaluations == spent


@pytest.mark.parametrize("rule", ["gauss_legendre", "adaptive"])
def test_the_course_variant_meets_the_tolerance_of_its_product(backend: Backend, rule: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    params = {"steps": 3, "rule": rule, "tolerance": 0.01}
    course = tl.explain(model, x, "integrated_gradients", 1, multiply_by_input=False, **params)
    paper = tl.explain(model, x, "integrated_gradients", 1, **params)
    assert course.evaluations == paper.evaluations > 6
    np.testing.assert_allclose(x * course.values, paper.values, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("rule", [*RULES, "adaptive", None])
def test_every_rule_goes_on_until_the_tolerance(backend: Backend, rng: np.random.Generator, rule: str) -> None:
    model, x = power_net(backend, rng.random((1, 6)), 3), rng.random((2, 6))
    found = tl.explain(model, x, "integrated_gradients", 0, steps=2, rule=rule, tolerance=0.05)
    assert found.stopped == "tolerance"
    assert (found.error.relative <= 0.05).all()


def test_limits_end_it_and_say_so(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    few = tl.explain(model, x, "integrated_gradients", 1, steps=50, max_evaluations=30)
    assert (few.evaluations, few.stopped) == (30, "max_evaluations")
    np.testing.assert_allclose(
        few.values, tl.explain(model, x, "integrated_gradients", 1, steps=15).values, rtol=1e-4, atol=1e-7
    )
    never = tl.explain(model, x, "integrated_gradients", 1, steps=2, rule="left", tolerance=1e-12)
    assert never.stopped == "growth"
    with pytest.raises(tl.errors.MethodError, match="at least 4"):
        tl.explain(model, x, "integrated_gradients", 1, baseline=[0.0, 1.0], max_evaluations=3)


def test_an_input_that_is_its_baseline_is_done_at_once(backend: Backend) -> None:
    x = pictures(2)
    found = tl.explain(small_net(backend), x, "integrated_gradients", 1, steps=4, baseline=x, tolerance=0.01)
    assert (found.evaluations, found.stopped) == (8, "tolerance")
    assert not found.values.any()


@pytest.mark.parametrize("steps", [201, 1000])
def test_many_steps_are_gausss_too(backend: Backend, rng: np.random.Generator, steps: int) -> None:
    # A pole near the path: few points would not do. Its place is a number that single precision has too, in which
    # Paddle 2.6 adds Python's numbers.
    pole = 2**-7
    model = formula_net(backend, lambda u, w: (1 / (u + pole)) @ w, np.ones((3, 1)))
    x = rng.random((1, 3))
    found = tl.explain(model, x, "integrated_gradients", 0, steps=steps)
    np.testing.assert_allclose(found.values, 1 / (x + pole) - 1 / pole, rtol=1e-10)
