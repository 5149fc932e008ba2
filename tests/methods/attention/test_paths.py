"""Methods with the last attention's gradient on a path, beside loops over the same network in NumPy."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...frameworks import ANY, need
from .nets import HEADS, LAYERS, SPELLINGS, Naive, vision_transformer

X = np.random.default_rng(4).random((2, 3, 8, 12))
GRID = (2, 3)
ALL = slice(None)
METHODS = ("attention_transition", "attention_bidirectional")
# Central differences with a step of 1e-5: its square, and rounding divided by it.
DIFFERENCES = 1e-8


def transition(matrices: list[np.ndarray], _gradients: list[np.ndarray], start: int) -> np.ndarray:
    """The paper's state, for every token to begin with: it goes on through a layer, and stays as it is."""
    tokens = matrices[0].shape[-1]
    means = [sum(head for head in attention) / len(attention) for attention in matrices]
    states = np.zeros((tokens, tokens))
    for token in range(tokens):
        state = means[-1][token]
        for mean in reversed(means[start:-1]):
            state = np.array([sum(state[i] * mean[i, j] for i in range(tokens)) + state[j] for j in range(tokens)])
        states[token] = state
    return states


def perception(matrices: list[np.ndarray], gradients: list[np.ndarray], start: int) -> np.ndarray:
    """The paper's head-wise attention perception of all tokens."""
    tokens = matrices[0].shape[-1]
    found = np.eye(tokens)
    for attention, gradient in list(zip(matrices, gradients, strict=True))[start:]:
        importance = [np.abs(a.T @ g).sum() / tokens**2 for a, g in zip(attention, gradient, strict=True)]
        fused = sum(i * a for i, a in zip(importance, attention, strict=True)) / sum(importance)
        found = found + fused @ found
    return found


FIRST = {"attention_transition": transition, "attention_bidirectional": perception}


def integrated(naive: Naive, picture: np.ndarray, target: int, steps: int, start: Any = 0.0) -> np.ndarray:
    """Gauss's rule over the gradient by the last attention, (heads, T, T)."""
    total: Any = 0.0
    for node, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):
        point = start + (node + 1) / 2 * (picture - start)
        total = total + weight / 2 * naive.gradients(point, target, places=[LAYERS - 1])[0]
    return np.array(total)


def expected(
    model: Model, picture: np.ndarray, target: int, method: str, layer: int, pooled: slice | None = None
) -> np.ndarray:
    """``first factor ⊙ feedback`` of all tokens, (T, T), with 4 steps."""
    naive = Naive(model, pooled=pooled)
    gradients = naive.gradients(picture, target)
    factor = FIRST[method](naive.matrices, gradients, layer)
    return factor * np.maximum(integrated(naive, picture, target, 4), 0).mean(axis=0)


def view(matrix: np.ndarray, leading: int) -> np.ndarray:
    """The map of the first token, or of all patches where there is none before them."""
    row = matrix[0] if leading else matrix.mean(axis=0)
    return row[leading:].reshape(1, *GRID)


@pytest.mark.parametrize("leading", [0, 1, 3])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_maps_are_those_of_gradients_by_differences(backend: Backend, spelling: str, leading: int) -> None:
    model = vision_transformer(backend, leading, spelling)
    targets = [3, 0]
    found = {
        method: tl.explain(model, X, method, targets, steps=4, start_layer=1, upsample=False) for method in METHODS
    }
    for i, (picture, target) in enumerate(zip(X, targets, strict=True)):
        naive = Naive(model, spelling)
        gradients = naive.gradients(picture, target)
        matrices = naive.matrices
        integrals = [integrated(naive, picture, target, steps) for steps in (4, 2)]
        rows = integrals[0][:, :1] if leading else integrals[0]
        share = -np.minimum(rows[..., leading:], 0).sum() / np.abs(rows[..., leading:]).sum()
        for method, made in found.items():
            factor = FIRST[method](matrices, gradients, 1)
            fine, coarse = (view(factor * np.maximum(each, 0).mean(axis=0), leading) for each in integrals)
            np.testing.assert_allclose(made.values[i], fine, rtol=0, atol=DIFFERENCES)
            assert made.error is not None
            assert made.error.scale is not None
            np.testing.assert_allclose(made.error.values[i], np.linalg.norm(fine - coarse), rtol=0, atol=DIFFERENCES)
            np.testing.assert_allclose(made.error.scale[i], np.linalg.norm(fine), rtol=0, atol=DIFFERENCES)
            np.testing.assert_allclose(made.extras["share_clipped"][i], share, rtol=0, atol=1e-6)
            assert made.extras["leading"] == leading
            assert made.target is not None
            assert made.target.tolist() == targets


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("token", [0, 2, 8, "mean"])
def test_a_token_of_ones_own_choice_is_looked_from(backend: Backend, method: str, token: Any) -> None:
    model = vision_transformer(backend, leading=3, pooled=ALL)
    found = tl.explain(model, X[:1], method, 2, steps=4, start_layer=0, token=token, upsample=False).values
    matrix = expected(model, X[0], 2, method, 0, pooled=ALL)
    row = matrix[3:].mean(axis=0) if token == "mean" else matrix[token]
    assert np.ptp(row[3:]) > 1e4 * DIFFERENCES
    np.testing.assert_allclose(found.ravel(), row[3:], rtol=0, atol=DIFFERENCES)


@pytest.mark.parametrize("method", METHODS)
def test_a_token_that_the_score_does_not_look_from_has_no_map(backend: Backend, method: str) -> None:
    """A score may be that of the class token, or of the patches with a class token beside them."""
    by_class = vision_transformer(backend, leading=2)
    by_patches = vision_transformer(backend, leading=2, pooled=slice(2, None))
    for token in (1, 4, "mean"):
        with pytest.raises(tl.errors.MethodError, match=r"does not depend on what .* look.*Pass token=0,"):
            tl.explain(by_class, X, method, 3, steps=4, token=token)
    for chosen in (None, 1):
        with pytest.raises(tl.errors.MethodError, match=rf'what token {chosen or 0} looks at.*Pass token="mean",'):
            tl.explain(by_patches, X, method, 3, steps=4, token=chosen)
    assert tl.explain(by_class, X, method, 3, steps=4, token=0).values.any(axis=(1, 2, 3)).all()
    found = tl.explain(by_patches, X[:1], method, 3, steps=4, start_layer=0, token="mean", upsample=False).values
    row = expected(by_patches, X[0], 3, method, 0, pooled=slice(2, None))[2:].mean(axis=0)
    np.testing.assert_allclose(found.ravel(), row[2:], rtol=0, atol=DIFFERENCES)


@pytest.mark.parametrize("method", METHODS)
def test_integrals_of_many_samples_are_not_held_together(backend: Backend, method: str) -> None:
    model = vision_transformer(backend, leading=0, size=(32, 32))
    x = np.random.default_rng(0).random((24, 3, 32, 32))
    peaks = []
    for samples in (8, 24):
        tl.explain(model, x[:samples], method, 1, steps=2, batch_size=4)
        tracemalloc.start()
        tl.explain(model, x[:samples], method, 1, steps=2, batch_size=4)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    of_one = 8 * HEADS * 64 * 64
    # Some copies of the input, and what its tokens have of each other, are as much as one integral and three quarters.
    assert (peaks[1] - peaks[0]) / 16 < 2 * of_one


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("of", ["probability", "log_probability", "loss"])
def test_what_is_differentiated_on_the_path_is_what_one_chooses(backend: Backend, method: str, of: str) -> None:
    """The same as the score of a network that ends so."""
    model = vision_transformer(backend)
    ends: dict[str, Callable[[Any], Any]] = {
        "probability": lambda scores: backend.softmax(scores, 1),
        "log_probability": lambda scores: backend.log_softmax(scores, 1),
        "loss": lambda scores: -backend.log_softmax(scores, 1),
    }
    found = tl.explain(model, X, method, [3, 0], of=of, steps=5)
    ended = tl.explain(tl.wrap(model.net, output=ends[of]), X, method, [3, 0], steps=5)
    assert found.values.any(axis=(1, 2, 3)).all()
    np.testing.assert_allclose(found.values, ended.values, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_where_batches_are_cut_does_not_matter(backend: Backend, method: str) -> None:
    """Also in the middle of a path, with a class, a target and a baseline of each sample's own."""
    x = np.concatenate([X, X[:1, ::-1]])
    model = vision_transformer(backend)
    params = {"steps": 5, "baseline": 0.3 * x[::-1]}
    for target in (None, [4, 0, 2]):
        together = tl.explain(model, x, method, target, **params)
        for batch_size in (1, 2, 4, 7):
            cut = tl.explain(model, x, method, target, batch_size=batch_size, **params)
            np.testing.assert_allclose(cut.values, together.values, rtol=1e-10)
            np.testing.assert_allclose(cut.extras["share_clipped"], together.extras["share_clipped"], rtol=1e-10)
        for i in range(3):
            assert together.target is not None
            alone = tl.explain(
                model, x[i : i + 1], method, int(together.target[i]), steps=5, baseline=params["baseline"][i]
            )
            np.testing.assert_allclose(alone.values[0], together.values[i], rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_a_neuron_before_the_last_attention_is_refused_by_name(backend: Backend, method: str) -> None:
    model = vision_transformer(backend)
    assert np.ptp(tl.explain(tl.neuron(model, "block2.out", (0, 1)), X, method, steps=4).values) > 0
    with pytest.raises(tl.errors.NoGradientError, match=r"the last attention.*choose another neuron"):
        tl.explain(tl.neuron(model, "block1", (0, 1)), X, method, steps=4)


def test_a_call_without_gradient_is_refused_by_name(backend: Backend) -> None:
    with backend.no_grad(), pytest.raises(tl.errors.NoGradientError, match=r"around this call for .*no_grad"):
        tl.explain(vision_transformer(backend), X, "attention_transition", 3, steps=4)


@pytest.mark.parametrize(("method", "usual"), [("attention_transition", 1), ("attention_bidirectional", 0)])
def test_layers_before_the_first_that_counts_are_left_out(backend: Backend, method: str, usual: int) -> None:
    model = vision_transformer(backend)
    found = {
        layer: tl.explain(model, X[:1], method, 3, steps=4, start_layer=layer, upsample=False).values
        for layer in (None, 0, 1, 2)
    }
    for layer in (0, 1, 2):
        matrix = expected(model, X[0], 3, method, layer)
        np.testing.assert_allclose(found[layer][0], view(matrix, 1), rtol=0, atol=DIFFERENCES)
    # A third of three layers, and a quarter of them.
    np.testing.assert_array_equal(found[None], found[usual])


@pytest.mark.parametrize("method", METHODS)
def test_the_path_starts_where_one_says(backend: Backend, method: str) -> None:
    model, picture = vision_transformer(backend), X[0]
    naive = Naive(model)
    gradients = naive.gradients(picture, 3)
    factor = FIRST[method](naive.matrices, gradients, 0)
    white, mean = np.ones_like(picture), np.broadcast_to(picture.mean(axis=(1, 2), keepdims=True), picture.shape)
    calls: list[tuple[Any, np.ndarray]] = [(1.0, white), (white, white), ("mean", mean)]
    for baseline, start in calls:
        found = tl.explain(model, X[:1], method, 3, steps=3, start_layer=0, baseline=baseline, upsample=False)
        answer = np.maximum(integrated(naive, picture, 3, 3, start), 0).mean(axis=0)
        np.testing.assert_allclose(found.values[0], view(factor * answer, 1), rtol=0, atol=DIFFERENCES)
    drawn = [
        tl.explain(model, X[:1], method, 3, steps=3, baseline="noise", seed=seed, upsample=False).values
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 0


# -- what the values promise -----------------------------------------------------------------------------------------


def without_queries(backend: Backend) -> Model:
    """All tokens look at all tokens alike: J/T for every attention."""
    model = vision_transformer(backend)
    state = model.state()
    for place in range(LAYERS):
        state[f"block{place}.q.weight"][:] = state[f"block{place}.q.bias"][:] = 0
    model.load_state(state)
    return model


@pytest.mark.parametrize(
    ("method", "factors"),
    [
        # J/T (I + J/T)ⁿ is 2ⁿ J/T, and (I + J/T)ⁿ is I + (2ⁿ - 1) J/T.
        ("attention_transition", {0: 4, 1: 2, 2: 1}),
        ("attention_bidirectional", {0: 7, 1: 3, 2: 1}),
    ],
)
def test_layers_that_look_nowhere_in_particular_count_by_a_formula(
    backend: Backend, method: str, factors: dict[int, int]
) -> None:
    model = without_queries(backend)
    found = {
        layer: tl.explain(model, X, method, 3, steps=4, start_layer=layer, upsample=False).values for layer in factors
    }
    assert np.ptp(found[2]) > 0
    for layer, factor in factors.items():
        np.testing.assert_allclose(found[layer], factor * found[2], rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_the_gap_says_how_far_the_integral_may_be_off(backend: Backend, method: str) -> None:
    model = vision_transformer(backend)
    found = {steps: tl.explain(model, X, method, 3, steps=steps, upsample=False) for steps in (2, 4, 8, 60)}
    worst = []
    for steps in (2, 4, 8):
        error = found[steps].error
        assert error is not None
        missed = np.linalg.norm((found[steps].values - found[60].values).reshape(len(X), -1), axis=1)
        assert (missed <= error.values).all()
        assert (missed > 0).all()
        worst.append(error.worst)
    assert worst[0] > worst[1] > worst[2]
    assert found[60].error is not None
    assert found[60].error.worst < 1e-8


@pytest.mark.parametrize("method", METHODS)
def test_what_speaks_against_a_class_is_not_in_its_map(backend: Backend, method: str) -> None:
    model = vision_transformer(backend)
    shares = []
    for of in ("log_probability", "loss"):
        found = tl.explain(model, X, method, 1, of=of, steps=4)
        assert (found.values >= 0).all()
        shares.append(found.extras["share_clipped"])
    # What speaks for the class in a log-probability speaks against it in the loss.
    np.testing.assert_allclose(shares[0] + shares[1], 1, rtol=0, atol=1e-12)
    # A function of the scores is explained like the score it picks.
    for_class, for_function = (
        tl.explain(model, X, method, target, steps=4).values for target in (1, lambda scores: scores[:, 1])
    )
    np.testing.assert_array_equal(for_class, for_function)


@pytest.mark.parametrize("method", METHODS)
def test_a_score_that_looks_at_no_attention_has_an_empty_map(backend: Backend, method: str) -> None:
    model = vision_transformer(backend)
    state = model.state()
    for place in range(LAYERS):
        state[f"block{place}.v.weight"][:] = state[f"block{place}.v.bias"][:] = 0
    model.load_state(state)
    found = tl.explain(model, X, method, 1, steps=4)
    assert not found.values.any()
    assert found.error is not None
    assert not found.error.values.any()
    assert not found.extras["share_clipped"].any()


def test_a_layer_whose_heads_mean_nothing_passes_its_tokens_on(backend: Backend) -> None:
    model = vision_transformer(backend)
    state = model.state()
    state["block0.v.weight"][:] = state["block0.v.bias"][:] = 0
    model.load_state(state)
    with_it, without = (
        tl.explain(model, X, "attention_bidirectional", 3, steps=4, start_layer=layer).values for layer in (0, 1)
    )
    assert np.ptp(without) > 0
    np.testing.assert_array_equal(with_it, without)


@pytest.mark.parametrize("method", METHODS)
def test_the_small_map_is_kept_beside_the_large_one(backend: Backend, method: str) -> None:
    small, large = (
        tl.explain(vision_transformer(backend), X, method, 3, steps=4, upsample=upsample) for upsample in (False, True)
    )
    assert large.values.shape == (2, 1, 8, 12)
    assert small.values.shape == (2, 1, *GRID)
    np.testing.assert_array_equal(large.extras["map"], small.values)
    assert "map" not in small.extras


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"steps": 1}, r"steps=1 has no half.*steps=2 or more"),
        ({"steps": 0}, r"steps=0 is not a positive whole number"),
        ({"steps": 2.0}, r"steps=2.0 is not a positive whole number"),
        ({"start_layer": 3}, r"start_layer=3 is none of the network's 3 attentions.*start_layer=0 to 2"),
        ({"start_layer": -1}, r"start_layer=-1 is none of"),
        ({"start_layer": 1.0}, r"start_layer=1.0 is none of"),
        ({"start_layer": True}, r"start_layer=True is none of"),
        ({"seed": -1}, r"seed=-1 is not a whole number"),
        ({"grid": (3, 3)}, r"grid=\(3, 3\) is 9 patches, and the network has 7 tokens"),
        ({"token": 7}, r"no token 7: the network has 7"),
        ({"upsample": "yes"}, r"upsample='yes' is neither True nor False"),
    ],
)
def test_parameters_that_cannot_be_are_named(method: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=message):
        tl.explain(vision_transformer(need(ANY)), X, method, 1, **params)


@pytest.mark.parametrize("method", METHODS)
def test_one_output_has_no_probability_to_explain(backend: Backend, method: str) -> None:
    model = tl.wrap(vision_transformer(backend).net, output=lambda scores: scores[:, :1])
    with pytest.raises(tl.errors.NoGradientError, match="one output"):
        tl.explain(model, X, method, 0, of="probability")


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_that_cannot_be_is_named(method: str) -> None:
    model = vision_transformer(need(ANY))
    for baseline, message in (("grey", "'grey' is not known"), ([0.0, 1.0], "2 baselines")):
        with pytest.raises(tl.errors.InputError, match=message):
            tl.explain(model, X, method, 1, baseline=baseline)
