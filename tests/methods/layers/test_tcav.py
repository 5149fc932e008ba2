"""TCAV: closed forms, finite differences, a classifier fitted by hand, and what its test and its errors promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.methods.layers.concept_vectors import against_random, concept_vector, random_against_random
from twinlens.methods.layers.tcav import _p_values, _set_p_values

from ...frameworks import need
from ...nets import formula_net, pictures, small_net
from .nets import READOUT, WEIGHTS, hidden_net, inputs, linear, native, step, tanh_net

linear_model = pytest.importorskip("sklearn.linear_model")
stats = pytest.importorskip("scipy.stats")

RANDOM = np.random.default_rng(20).normal(0, 1, (60, 6))
CONCEPTS = {
    "up": np.random.default_rng(21).normal(0, 1, (20, 6)) + 2,
    "first": np.random.default_rng(22).normal(0, 1, (9, 6)) + 4 * np.eye(6)[0],
}


def found(model: Model, x: np.ndarray, target: Any = 1, layer: str = "units", **params: Any) -> tl.Explanation:
    return tl.explain(model, x, "tcav", target, layer=layer, **{"concepts": CONCEPTS, "random": RANDOM} | params)


def columns(extras: Any, *names: str) -> list[np.ndarray]:
    return [extras[name] for name in names]


# -- what it computes ----------------------------------------------------------------------------------------------


def identity_net(backend: Backend) -> Model:
    """``scores = x @ READOUT`` of 4 inputs, which the layer ``units`` hands on."""
    layers = {"units": step(backend, lambda x: x * 1), "head": linear(backend, 4, 3)}
    model = tl.wrap(native(backend, layers, lambda net, x: net.head(net.units(x))), dtype="float64")
    model.load_state({"head.weight": READOUT.T, "head.bias": np.zeros(3)})
    return model


@pytest.mark.parametrize("target", [0, [2, 1, 0]])
def test_the_slope_of_a_linear_network_is_its_weights_times_the_vector(backend: Backend, target: Any) -> None:
    x = inputs(3, 4)
    made = found(
        identity_net(backend),
        x,
        target,
        concepts={name: rows[:, :4] for name, rows in CONCEPTS.items()},
        random=RANDOM[:, :4],
    )
    weights = READOUT.T[np.broadcast_to(target, 3)]
    np.testing.assert_allclose(made.values, weights @ made.extras["vectors"].T, rtol=1e-12)
    np.testing.assert_allclose(made.scores, x @ READOUT, rtol=1e-12)


def test_the_values_are_finite_differences_along_the_mean_vector(backend: Backend) -> None:
    """Of the fourth order: their error, h⁴, and that of rounding, 1e-16 / h, are both below 1e-11 at h = 1e-3."""
    x, h = inputs(3), 1e-3
    made = found(tanh_net(backend), x)
    assert made.extras["vectors"].shape == (2, 4)

    def score(y: np.ndarray) -> np.ndarray:
        return np.tanh(y @ READOUT[:, 1])

    y = np.tanh(x @ WEIGHTS.T)
    for number, v in enumerate(made.extras["vectors"]):
        near, far = (score(y + step * v) - score(y - step * v) for step in (h, 2 * h))
        np.testing.assert_allclose(made.values[:, number], (8 * near - far) / (12 * h), atol=1e-10)


def by_hand(rows: np.ndarray, pool: np.ndarray, runs: int, stream: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (runs, D) and accuracies of scikit-learn's other solver, in all columns, with the draws that are made.

    Stream 0 is a concept's, and 1 that of as many random rows in its place.
    """
    rng, vectors, accuracies = np.random.default_rng([3, stream]), [], []
    m, held = len(rows), len(rows) // 3
    for _ in range(runs):
        if stream:
            drawn = pool[rng.choice(len(pool), 2 * m, replace=False)]
            one, other = drawn[:m], drawn[m:]
        else:
            other = pool[rng.choice(len(pool), m, replace=False)]
            one = rng.permutation(rows)
        fitted = np.concatenate([one[held:], other[held:]])
        scale = np.sqrt(((fitted - fitted.mean(0)) ** 2).sum(1).mean())
        labels = np.repeat([1, 0], m - held)
        plane = linear_model.LogisticRegression(C=1 / (0.01 * len(fitted)), tol=1e-12, max_iter=100_000)
        plane.fit(fitted / scale, labels)
        vectors.append(plane.coef_[0] / np.linalg.norm(plane.coef_))
        right = [plane.predict(one[:held] / scale) == 1, plane.predict(other[:held] / scale) == 0]
        accuracies.append(np.mean(right))
    return np.stack(vectors), np.array(accuracies)


@pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")
def test_everything_is_what_a_fit_by_hand_gives(backend: Backend) -> None:
    """L-BFGS stops some 1e-6 of the solution away."""
    x, target = inputs(5), np.array([2, 0, 0, 2, 2])
    made = found(hidden_net(backend), x, target.tolist(), "hidden", runs=4, seed=3)
    units, extras = x @ WEIGHTS.T, made.extras
    gradients = 3 * units**2 * READOUT.T[target]
    pool, share, chance = RANDOM @ WEIGHTS.T, [], []
    for number, rows in enumerate(CONCEPTS.values()):
        vectors, accuracies = by_hand(rows @ WEIGHTS.T, pool, 4, 0)
        slopes = gradients @ vectors.T
        np.testing.assert_allclose(extras["vectors"][number], vectors.mean(0), atol=1e-5)
        np.testing.assert_allclose(made.values[:, number], slopes.mean(1), atol=1e-5 * np.abs(slopes).max())
        error = slopes.std(1, ddof=1) / 2
        np.testing.assert_allclose(extras["standard_error"][:, number], error, atol=1e-5 * np.abs(slopes).max())
        assert extras["accuracy"][number] == pytest.approx(accuracies.mean())
        share.append([(slopes[target == label] > 0).mean(0) for label in (0, 2)])
        by_chance = gradients @ by_hand(rows @ WEIGHTS.T, pool, 4, 1)[0].T
        chance.append([(by_chance[target == label] > 0).mean(0) for label in (0, 2)])
    shares, chances = (np.array(each).transpose(1, 0, 2) for each in (share, chance))
    np.testing.assert_allclose(extras["tcav"], shares.mean(-1), rtol=1e-12)
    np.testing.assert_allclose(extras["random_tcav"], chances.mean(-1), rtol=1e-12)
    np.testing.assert_allclose(extras["tcav_standard_error"], shares.std(-1, ddof=1) / 2, atol=1e-12)
    constant = (np.ptp(shares, -1) == 0) & (np.ptp(chances, -1) == 0)
    varied = [
        stats.ttest_ind(*pair, equal_var=False).pvalue
        for pair in zip(shares[~constant], chances[~constant], strict=True)
    ]
    np.testing.assert_allclose(extras["p_value"][~constant], varied, rtol=1e-9)
    assert np.isnan(extras["p_value"][constant]).all()
    np.testing.assert_allclose(made.error.values, np.linalg.norm(extras["standard_error"], axis=1), rtol=1e-12)
    np.testing.assert_allclose(made.error.scale, np.linalg.norm(made.values, axis=1), rtol=1e-12)


@pytest.mark.parametrize("dimensions", [3, 200])
def test_between_round_clouds_the_vector_is_the_difference_of_their_means(dimensions: int) -> None:
    rng, far = np.random.default_rng(0), np.zeros(dimensions)
    far[:2] = [3, -4]
    normal = concept_vector(rng.normal(size=(6000, dimensions)) + far, rng.normal(size=(6000, dimensions)), "")
    # Between the means lie 5 standard deviations: each of 4000 rows turns the normal by chance, sqrt(D / n) in all.
    assert normal.direction @ far / 5 > 1 - dimensions / 4000
    assert normal.accuracy == pytest.approx(stats.norm.cdf(2.5), abs=0.01)


@pytest.mark.parametrize("columns", [5, 300])
def test_few_coordinates_are_as_good_as_all_columns(columns: int) -> None:
    """Against scikit-learn in the full space, by its Newton solver and in the same units: what is left is rounding."""
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 12, columns)) + np.array([0.5, 0.0])[:, None, None]
    fitted = np.concatenate([one[4:], other[4:]])
    fitted = (fitted - fitted.mean(0)) / np.sqrt(np.square(fitted - fitted.mean(0)).sum(1).mean())
    plane = linear_model.LogisticRegression(C=1 / 0.16, solver="newton-cholesky", tol=1e-12)
    expected = plane.fit(fitted, np.repeat([1, 0], 8)).coef_[0]
    np.testing.assert_allclose(
        concept_vector(one, other, "").direction, expected / np.linalg.norm(expected), atol=1e-12
    )


@pytest.mark.parametrize("scale", [1e-30, 7.0, 1e30, 1e200])
def test_other_units_of_the_activations_give_the_same_vector(scale: float) -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 12, 30)) + np.array([0.5, 0.0])[:, None, None]
    plain, scaled = concept_vector(one, other, ""), concept_vector(scale * one, scale * other, "")
    np.testing.assert_allclose(scaled.direction, plain.direction, atol=1e-12)
    assert scaled.accuracy == plain.accuracy
    assert np.linalg.norm(scaled.direction) == pytest.approx(1, rel=1e-14)


def test_a_turned_space_has_a_turned_vector() -> None:
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=(2, 12, 8)) + np.array([0.5, 0.0])[:, None, None]
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    turned = concept_vector(one @ turn, other @ turn, "").direction
    np.testing.assert_allclose(turned, concept_vector(one, other, "").direction @ turn, atol=1e-12)


def test_more_runs_make_the_error_smaller_as_it_says(backend: Backend) -> None:
    model, x = tanh_net(backend), inputs(2)
    claimed = [found(model, x, runs=runs).error.values.mean() for runs in (20, 320)]
    assert claimed[1] / claimed[0] == pytest.approx(1 / 4, rel=0.3)
    many = [found(model, x, runs=5, seed=seed) for seed in range(40)]
    errors = np.stack([each.error.values for each in many])
    spread = np.sqrt(np.var([each.values for each in many], axis=0, ddof=1).sum(axis=1))
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=0)), spread, rtol=0.35)


# -- the test of a concept -----------------------------------------------------------------------------------------


def test_a_planted_concept_is_found_and_one_that_the_score_ignores_has_no_slope(backend: Backend) -> None:
    """The score is curved in the first two inputs and knows nothing of the last two."""
    model = formula_net(backend, lambda u, w: (u @ w).tanh(), np.array([[1.0], [0.5], [0.0], [0.0]]))
    rng = np.random.default_rng(0)
    concepts = {
        "seen": rng.normal(size=(30, 4)) + 4 * np.eye(4)[0],
        "against": rng.normal(size=(30, 4)) - 4 * np.eye(4)[0],
        "unseen": rng.normal(size=(30, 4)) + 9 * np.eye(4)[3],
    }
    layers = {"units": step(backend, lambda x: x * 1), "rest": model.net}
    whole = tl.wrap(native(backend, layers, lambda net, x: net.rest(net.units(x))), dtype="float64")
    made = found(whole, rng.normal(size=(8, 4)), 0, concepts=concepts, random=rng.normal(size=(300, 4)))
    assert made.extras["concepts"].tolist() == list(concepts)
    assert made.extras["tcav"][0, :2].tolist() == [1, 0]
    assert (made.extras["p_value"][0, :2] < 0.01).all()
    assert (made.extras["accuracy"] > 0.9).all()
    assert np.abs(made.values[:, 2]).max() < 0.2 * np.abs(made.values[:, 0]).max()


def shares(gradients: np.ndarray, vectors: Any) -> np.ndarray:
    return np.array([(gradients @ vector.direction > 0).mean() for vector in vectors])


def test_the_p_values_of_vectors_that_are_all_random_are_uniform() -> None:
    """So the test is right for what it asks: whether vectors differ from run to run as random ones do."""
    p_values = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        gradients, pools = rng.normal(size=(15, 5)), rng.normal(size=(2, 400, 5))
        one, other = (shares(gradients, random_against_random(8, pool, 10, seed)) for pool in pools)
        p_values.append(float(_p_values(one, other)))
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    # Of 150, 5% with two standard errors of 1.8% each.
    assert 0.014 < np.mean(np.array(p_values) < 0.05) < 0.086


def test_what_is_no_concept_is_told_by_the_accuracy_and_among_sets_and_not_by_the_papers_test() -> None:
    """Random examples in the place of a concept's are the same ones in all runs, and lean to one side."""
    p_values, set_p_values, accuracies = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        gradients, pool = rng.normal(size=(15, 20)) + 2, rng.normal(size=(400, 20))
        vectors = list(against_random(rng.normal(size=(20, 20)), pool, 20, seed, ""))
        chance = shares(gradients, random_against_random(20, pool, 20, seed))
        share = shares(gradients, vectors)
        p_values.append(float(_p_values(share, chance)))
        set_p_values.append(float(_set_p_values(share, chance)))
        accuracies.append(np.mean([vector.accuracy for vector in vectors]))
    assert 0.25 < np.mean(np.array(p_values) < 0.05) < 0.65
    # At most 5%, and two standard errors of 40 draws.
    assert np.mean(np.array(set_p_values) < 0.05) < 0.12
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.04)
    # 20 examples and as many others in each run: 0.5 / sqrt(20) for the examples, and less for the rest.
    assert np.std(accuracies) < 0.5 / np.sqrt(20)
    assert max(accuracies) < 0.75


def test_among_sets_a_score_is_held_against_the_spread_of_single_random_sets() -> None:
    """``t = |mean - m| / (s sqrt(1 + 1 / n))``, the distance of one more normal draw from the mean m of n."""
    chance = np.array([0.3, 0.5, 0.4, 0.6, 0.2])
    distance = (0.9 - 0.4) / (np.sqrt(0.1 / 4) * np.sqrt(1.2))
    expected = 2 * (1 - stats.t.cdf(distance, 4))
    assert _set_p_values(np.full(5, 0.9), chance) == pytest.approx(expected)
    assert np.isnan(_set_p_values(chance, np.full(5, 0.5)))


def test_without_a_change_from_run_to_run_there_is_no_p_value() -> None:
    constant, varied = np.ones((2, 4)), np.array([[0, 1, 0, 1], [1, 1, 1, 1.0]])
    np.testing.assert_array_equal(np.isnan(_p_values(constant, varied)), [False, True])
    assert _p_values(constant, varied)[0] == pytest.approx(stats.ttest_1samp(varied[0], 1).pvalue)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300])
def test_slopes_of_any_size_have_an_error(backend: Backend, scale: float) -> None:
    """Their squares leave the range of a float."""
    layers = {"units": step(backend, lambda x: x * 1), "head": linear(backend, 6, 3)}
    model = tl.wrap(native(backend, layers, lambda net, x: net.head(net.units(x)) * scale), dtype="float64")
    plain = tl.wrap(native(backend, layers, lambda net, x: net.head(net.units(x))), dtype="float64")
    made, expected = found(model, inputs()), found(plain, inputs())
    np.testing.assert_allclose(made.values / scale, expected.values, rtol=1e-12)
    np.testing.assert_allclose(made.extras["standard_error"] / scale, expected.extras["standard_error"], rtol=1e-9)
    np.testing.assert_allclose(made.error.relative, expected.error.relative, rtol=1e-9)


def test_no_slope_is_no_slope_towards_a_concept(backend: Backend) -> None:
    """Cubes are flat at 0."""
    made = found(hidden_net(backend), np.zeros((2, 6)), 1, "hidden")
    assert not made.values.any()
    assert not made.error.relative.any()
    for name in ("tcav", "tcav_standard_error", "random_tcav"):
        np.testing.assert_array_equal(made.extras[name], [[0, 0]])
    assert np.isnan(made.extras["p_value"]).all()


# -- shapes, classes, draws ----------------------------------------------------------------------------------------


def test_each_class_has_its_own_row(backend: Backend) -> None:
    model, x, target = hidden_net(backend), inputs(6), [2, 0, 2, 1, 0, 2]
    together = found(model, x, target, "hidden")
    names = ("tcav", "tcav_standard_error", "random_tcav", "p_value", "set_p_value")
    assert all(each.shape == (3, 2) for each in columns(together.extras, *names))
    np.testing.assert_array_equal(together.extras["classes"], [0, 1, 2])
    for row, label in enumerate(np.unique(together.target)):
        alone = found(model, x[np.array(target) == label], int(label), "hidden")
        for name in names:
            np.testing.assert_allclose(together.extras[name][[row]], alone.extras[name], rtol=1e-9, atol=1e-12)
    by_function = found(model, x, lambda scores: scores[:, 1], "hidden")
    by_class = found(model, x, 1, "hidden")
    for name in names:
        np.testing.assert_allclose(by_function.extras[name], by_class.extras[name], rtol=1e-9, atol=1e-12)
    assert by_function.target is None
    assert "classes" not in by_function.extras


def test_a_concept_has_the_same_result_beside_others(backend: Backend) -> None:
    model, x = tanh_net(backend), inputs(3)
    both = found(model, x)
    for number, (name, rows) in enumerate(CONCEPTS.items()):
        alone = found(model, x, concepts={name: rows})
        np.testing.assert_array_equal(both.values[:, [number]], alone.values)
        np.testing.assert_array_equal(both.extras["p_value"][:, [number]], alone.extras["p_value"])


def test_another_seed_draws_others(backend: Backend) -> None:
    one, other = (found(tanh_net(backend), inputs(), seed=seed) for seed in (0, 1))
    assert 0 < np.abs(one.values - other.values).max() < 8 * one.extras["standard_error"].max()


@pytest.mark.parametrize("of", ["probability", "log_probability", "loss"])
def test_other_quantities_have_slopes_too(backend: Backend, of: str) -> None:
    x = inputs()
    plain = np.stack([found(identity_free(backend), x, k).values for k in range(3)])
    made = found(identity_free(backend), x, 1, of=of)
    powers = np.exp(made.scores - made.scores.max(1, keepdims=True))
    p = (powers / powers.sum(1, keepdims=True)).T[:, :, None]
    log = plain[1] - (p * plain).sum(0)
    expected = {"probability": p[1] * log, "log_probability": log, "loss": -log}[of]
    np.testing.assert_allclose(made.values, expected, rtol=1e-9, atol=1e-12)


def identity_free(backend: Backend) -> Model:
    return hidden_net(backend, power=1)


def test_vectors_have_the_shape_of_the_layer_and_all_survives_a_file(backend: Backend, tmp_path: Path) -> None:
    concepts = {"dark": 0.4 * pictures(5, seed=3), "light": pictures(4, seed=4) ** 0.3}
    made = found(small_net(backend), pictures(3), 2, "4", concepts=concepts, random=pictures(12, seed=5))
    assert made.values.shape == (3, 2)
    assert made.extras["vectors"].shape == (2, 8, 4, 4)
    assert made.extras["vectors"].dtype == np.float32
    read = tl.Explanation.load(made.save(tmp_path / "made"))
    for name, extra in made.extras.items():
        np.testing.assert_array_equal(read.extras[name], extra)
    np.testing.assert_array_equal(read.params["concepts"]["light"], concepts["light"])
    assert [text.get_text() for text in made.plot().axes[0].get_yticklabels()] in (["dark", "light"], ["light", "dark"])


@pytest.mark.parametrize("layer", ["0", "2", "3", "4", "9"])
def test_both_frameworks_say_the_same(both: tuple[Backend, Backend], layer: str) -> None:
    concepts = {"dark": 0.4 * pictures(5, seed=3), "light": pictures(4, seed=4) ** 0.3}
    torch, paddle = (
        found(small_net(b, dtype="float64"), pictures(3), [0, 3, 0], layer, concepts=concepts, random=pictures(12))
        for b in both
    )
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-10, atol=1e-10 * np.abs(torch.values).max())
    for name in ("tcav", "p_value", "set_p_value", "accuracy", "vectors"):
        np.testing.assert_allclose(torch.extras[name], paddle.extras[name], rtol=1e-8, atol=1e-10)


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "named"),
    [
        ({"runs": 1}, "MethodError", "runs=1 leaves nothing"),
        ({"runs": 2.5}, "MethodError", "runs=2.5"),
        ({"seed": -1}, "MethodError", "seed=-1"),
        ({"batch_size": 0}, "InputError", "batch_size=0"),
        ({"of": "margin"}, "InputError", "of='margin'"),
        ({"concepts": {}}, "InputError", "not examples by name"),
        ({"concepts": RANDOM}, "InputError", "not examples by name"),
        ({"concepts": {3: RANDOM}}, "InputError", "not examples by name"),
        ({"concepts": {"one": RANDOM[:1]}}, "InputError", "'one' has one example"),
        ({"concepts": {"wide": np.zeros((3, 7))}}, "InputError", r"samples of the concept 'wide' have shape \(7,\)"),
        ({"concepts": {"nan": np.full((3, 6), np.nan)}}, "InputError", "concept 'nan' does not fit.*NaN"),
        ({"concepts": {"text": "stripes"}}, "InputError", "concept 'text' does not fit"),
        ({"concepts": {"most": RANDOM[:31]}}, "InputError", "60 random examples for the 31 of the concept 'most'"),
        ({"random": RANDOM[:, :5]}, "InputError", r"samples of the random set have shape \(5,\)"),
        ({"random": [RANDOM, RANDOM]}, "InputError", "random set"),
        ({"random": np.full((60, 6), np.inf)}, "InputError", "random set does not fit"),
        ({"layer": "nowhere"}, "LayerError", "no layer 'nowhere'"),
    ],
)
def test_bad_parameters_are_named(backend: Backend, params: dict[str, Any], error: str, named: str) -> None:
    with pytest.raises(getattr(tl.errors, error), match=named) as caught:
        found(tanh_net(backend), inputs(), **params)
    assert caught.value.cure.endswith((".", "?"))


def test_where_nothing_separates_there_is_no_vector(backend: Backend) -> None:
    model, same = tanh_net(backend), np.ones((20, 6))
    with pytest.raises(tl.errors.InputError, match="the same for the concept 'same' and for the random"):
        found(model, inputs(), concepts={"same": same[:4]}, random=same)
    with pytest.raises(tl.errors.InputError, match="the same for one half of them and for the random"):
        found(model, inputs(), concepts={"other": RANDOM[:4]}, random=same)
    one = RANDOM[:2]
    with pytest.raises(tl.errors.InputError, match="nothing separates"):
        # Two thirds of either are the same two rows: the best plane leans nowhere.
        concept_vector(one[[0, 0, 1]], one[[0, 1, 0]], "the same")


def test_a_large_unit_that_never_changes_hides_no_concept() -> None:
    """In float32, where 1e8 has a spacing of 8, the other units keep all their digits."""
    rows, others = (np.hstack([part, np.full((len(part), 1), 1e8)]) for part in (CONCEPTS["up"], RANDOM[:20]))
    whole, single = (concept_vector(rows.astype(kind), others.astype(kind), "") for kind in (np.float64, np.float32))
    np.testing.assert_allclose(single.direction, whole.direction, atol=1e-5)
    assert single.direction[-1] == 0


def test_a_layer_that_says_nothing_of_the_input_has_no_vector(backend: Backend) -> None:
    layers = {"units": step(backend, lambda x: 0 * x + 0.1), "head": linear(backend, 6, 3)}
    model = tl.wrap(native(backend, layers, lambda net, x: net.head(net.units(x) + x)))
    with pytest.raises(tl.errors.InputError, match="The layer returns the same for the concept 'up'"):
        found(model, inputs())


# -- another library -----------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_captum_scores_the_same_vector_the_same(tmp_path: Path) -> None:
    """Given the classifier: its own is another one, of rows in whatever units, by stochastic descent in float32."""
    concept, backend = pytest.importorskip("captum.concept"), need("torch")
    layer_attr = pytest.importorskip("captum.attr")
    import torch

    model, x, rows, random = tanh_net(backend), inputs(7), CONCEPTS["up"], RANDOM[:20]

    class Ours(concept.Classifier):  # type: ignore[misc]
        def __init__(self) -> None:
            self.direction = np.zeros(4)

        def train_and_eval(self, dataloader: Any, **_: Any) -> dict[str, float]:
            seen, labels = (
                np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*dataloader, strict=True)
            )
            vector = concept_vector(seen[labels == 0], seen[labels == 1], "")
            self.direction = vector.direction
            return {"accs": vector.accuracy}

        def weights(self) -> Any:
            return torch.from_numpy(np.stack([self.direction, -self.direction]))

        def classes(self) -> list[int]:
            return [0, 1]

    sets = [
        concept.Concept(number, name, torch.utils.data.DataLoader(backend.asarray(given), batch_size=20))
        for number, (name, given) in enumerate({"up": rows, "random": random}.items())
    ]
    peer = concept.TCAV(
        model.net.eval(),
        ["units"],
        classifier=Ours(),
        layer_attr_method=layer_attr.LayerGradientXActivation(model.net, model.net.units, multiply_by_inputs=False),
        save_path=str(tmp_path),
    )
    theirs = peer.interpret(backend.asarray(x), [sets], target=1)["0-1"]["units"]
    seen = np.tanh(rows @ WEIGHTS.T), np.tanh(random @ WEIGHTS.T)
    y = np.tanh(x @ WEIGHTS.T)
    gradients = (1 - np.tanh(y @ READOUT[:, 1]) ** 2)[:, None] * READOUT[:, 1]
    slopes = gradients @ concept_vector(*seen, "").direction
    assert float(theirs["sign_count"][0]) == pytest.approx((slopes > 0).mean(), abs=1e-6)
    # Captum rounds vectors and gradients to float32.
    assert float(theirs["magnitude"][0]) == pytest.approx(slopes.mean(), rel=1e-5)
