"""Rollout and relevance beside loops over the matrices of the same network in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import ANY, need
from .nets import SPELLINGS, Naive, vision_transformer

X = np.random.default_rng(4).random((3, 3, 8, 12))
GRID = (2, 3)
# Paddle keeps the epsilon of a layer norm in single precision, off by 3e-8 of 1e-5, beside variances of some 0.1.
ROUNDING = 1e-11
# Central differences with a step of 1e-5: its square, and rounding divided by it.
DIFFERENCES = 1e-8


def rolled_out(matrices: list[np.ndarray]) -> np.ndarray:
    """The whole product, entry by entry."""
    tokens = matrices[0].shape[-1]
    product = np.eye(tokens)
    for attention in matrices:
        mixed = np.zeros((tokens, tokens))
        for i in range(tokens):
            for j in range(tokens):
                mixed[i, j] = 0.5 * sum(head[i, j] for head in attention) / len(attention) + 0.5 * (i == j)
            mixed[i] /= mixed[i].sum()
        product = np.array([[sum(mixed[i, k] * product[k, j] for k in range(tokens)) for j in range(tokens)]
                            for i in range(tokens)])  # fmt: skip
    return product


def relevance(matrices: list[np.ndarray], gradients: list[np.ndarray]) -> np.ndarray:
    """The paper's update of a whole matrix, layer by layer."""
    found = np.eye(matrices[0].shape[-1])
    for attention, gradient in zip(matrices, gradients, strict=True):
        found = found + np.maximum(gradient * attention, 0).mean(axis=0) @ found
    return found


def view(matrix: np.ndarray, leading: int) -> np.ndarray:
    """The map of the first token, or of all patches where there is none before them."""
    row = matrix[0] if leading else matrix.mean(axis=0)
    return row[leading:].reshape(1, *GRID)


@pytest.mark.parametrize("leading", [0, 1, 3])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_rollout_is_the_product_of_the_networks_own_matrices(backend: Backend, spelling: str, leading: int) -> None:
    model = vision_transformer(backend, leading, spelling)
    found = tl.explain(model, X, "attention_rollout", upsample=False)
    naive = Naive(model, spelling)
    for i, picture in enumerate(X):
        np.testing.assert_allclose(naive.scores(picture), found.scores[i], rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(found.values[i], view(rolled_out(naive.matrices), leading), rtol=0, atol=ROUNDING)
    assert found.extras["leading"] == leading
    assert found.target is None


@pytest.mark.parametrize("leading", [0, 1, 3])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_relevance_is_that_of_gradients_by_differences(backend: Backend, spelling: str, leading: int) -> None:
    model = vision_transformer(backend, leading, spelling)
    x, targets = X[:2], [3, 0]
    found = tl.explain(model, x, "attention_relevance", targets, upsample=False)
    naive = Naive(model, spelling)
    for i, (picture, target) in enumerate(zip(x, targets, strict=True)):
        gradients = naive.gradients(picture, target)
        expected = view(relevance(naive.matrices, gradients), leading)
        np.testing.assert_allclose(found.values[i], expected, rtol=0, atol=DIFFERENCES)
        products = np.array([g * a for g, a in zip(gradients, naive.matrices, strict=True)])
        share = -products[products < 0].sum() / np.abs(products).sum()
        assert found.error is not None
        assert found.error.values[i] == pytest.approx(share, abs=1e-6)
    assert found.target is not None
    assert found.target.tolist() == targets


def test_the_small_map_is_kept_beside_the_large_one(backend: Backend) -> None:
    for method in ("attention_rollout", "attention_relevance"):
        small, large = (
            tl.explain(vision_transformer(backend), X, method, 1, upsample=upsample) for upsample in (False, True)
        )
        assert large.values.shape == (3, 1, 8, 12)
        assert small.values.shape == (3, 1, *GRID)
        np.testing.assert_array_equal(large.extras["map"], small.values)
        assert "map" not in small.extras
        assert large.values.max() <= small.values.max()


# -- what the values promise -----------------------------------------------------------------------------------------


def test_a_rollouts_map_and_what_it_leaves_out_sum_to_one(backend: Backend) -> None:
    calls: list[dict[str, Any]] = [{}, {"heads": "max"}, {"heads": "min", "discard": 0.5}, {"token": "mean"}]
    for leading in (0, 1, 3):
        for params in calls:
            found = tl.explain(vision_transformer(backend, leading), X, "attention_rollout", upsample=False, **params)
            assert found.error is not None
            total = found.values.sum(axis=(1, 2, 3)) + found.error.values
            np.testing.assert_allclose(total, 1, rtol=0, atol=ROUNDING)
            assert (found.values >= 0).all()
            # Half of every layer's token is itself.
            least = 0 if not leading or "token" in params else 0.5**3
            assert (found.error.values >= least).all()


def test_a_network_that_looks_nowhere_in_particular_has_the_rollout_of_a_formula(backend: Backend) -> None:
    model = vision_transformer(backend)
    state = model.state()
    for place in range(3):
        state[f"block{place}.q.weight"][:] = state[f"block{place}.q.bias"][:] = 0
    model.load_state(state)
    found = tl.explain(model, X, "attention_rollout", upsample=False)
    # With J/T for every attention, (½ J/T + ½ I)³ = (1 - ⅛) J/T + ⅛ I.
    np.testing.assert_allclose(found.values, 7 / 8 / 7, rtol=0, atol=ROUNDING)
    assert found.error is not None
    np.testing.assert_allclose(found.error.values, 1 / 8 + 7 / 8 / 7, rtol=0, atol=ROUNDING)


def test_relevance_grows_with_the_gradient_and_no_relevance_is_negative(backend: Backend) -> None:
    model = vision_transformer(backend)
    for of in ("logit", "probability", "log_probability", "loss"):
        found = tl.explain(model, X, "attention_relevance", 1, of=of)
        assert (found.values >= 0).all()
        assert found.error is not None
        assert ((found.error.values >= 0) & (found.error.values <= 1)).all()
    # What speaks for the class in a log-probability speaks against it in the loss.
    one, other = (tl.explain(model, X, "attention_relevance", 1, of=of).error for of in ("log_probability", "loss"))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.values + other.values, 1, rtol=0, atol=1e-12)


def test_a_score_that_looks_at_no_attention_has_relevance_nowhere(backend: Backend) -> None:
    model = vision_transformer(backend)
    state = model.state()
    for place in range(3):
        state[f"block{place}.v.weight"][:] = 0
    model.load_state(state)
    found = tl.explain(model, X, "attention_relevance", 1)
    # With constant values the sum of a row is all that could count, and no entry is above another.
    assert found.error is not None
    assert np.isfinite(found.error.values).all()
    state = model.state()
    for place in range(3):
        state[f"block{place}.v.bias"][:] = 0
    model.load_state(state)
    nowhere = tl.explain(model, X, "attention_relevance", 1)
    assert not nowhere.values.any()
    assert nowhere.error is not None
    assert not nowhere.error.values.any()


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.0, 0.3, 0.9])
def test_heads_are_fused_and_the_lowest_attentions_left_out(backend: Backend, heads: str, discard: float) -> None:
    model = vision_transformer(backend)
    found = tl.explain(model, X, "attention_rollout", upsample=False, heads=heads, discard=discard)
    naive = Naive(model)
    for i, picture in enumerate(X):
        naive.scores(picture)
        product = np.eye(7)
        for attention in naive.matrices:
            fused = getattr(np, heads)(attention, axis=0)
            lowest = np.sort(fused, axis=None)[: int(discard * 49)]
            kept = fused * (fused > (lowest[-1] if len(lowest) else -1))
            mixed = kept + np.eye(7)
            product = mixed / mixed.sum(axis=1, keepdims=True) @ product
        np.testing.assert_allclose(found.values[i], view(product, 1), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("token", [0, 1, 2, 6, 8, "mean"])
def test_a_token_of_ones_own_choice_is_looked_from(backend: Backend, token: Any) -> None:
    model = vision_transformer(backend, leading=3)
    naive = Naive(model)
    found = {
        method: tl.explain(model, X[:1], method, 1, token=token, upsample=False).values
        for method in ("attention_rollout", "attention_relevance")
    }
    gradients = naive.gradients(X[0], 1)
    matrices = {
        "attention_rollout": rolled_out(naive.matrices),
        "attention_relevance": relevance(naive.matrices, gradients),
    }
    for method, matrix in matrices.items():
        row = matrix[3:].mean(axis=0) if token == "mean" else matrix[token]
        np.testing.assert_allclose(found[method].ravel(), row[3:], rtol=0, atol=DIFFERENCES)


def test_a_class_token_that_the_score_does_not_look_from_has_no_relevance_of_itself(backend: Backend) -> None:
    """As where patches are averaged beside it; what a token of one's own choice has gathered may matter."""
    by_patches = vision_transformer(backend, leading=2, pooled=slice(2, None))
    with pytest.raises(tl.errors.MethodError, match=r'what token 0 looks at in the last attention.*Pass token="mean",'):
        tl.explain(by_patches, X, "attention_relevance", 3)
    for token in ("mean", 0):
        assert tl.explain(by_patches, X, "attention_relevance", 3, token=token).values.any(axis=(1, 2, 3)).all()


def test_patches_that_no_convolution_makes_are_laid_out_as_one_says(backend: Backend) -> None:
    model = vision_transformer(backend, linear_patches=True)
    for method in ("attention_rollout", "attention_relevance"):
        with pytest.raises(tl.errors.MethodError, match=r"No convolution.*7 tokens.*grid=\(14, 14\)"):
            tl.explain(model, X, method, 1)
        found = tl.explain(model, X, method, 1, grid=(2, 3), upsample=False)
        turned = tl.explain(model, X, method, 1, grid=(3, 2), upsample=False)
        assert found.values.shape == (3, 1, 2, 3)
        assert found.extras["leading"] == 1
        np.testing.assert_array_equal(turned.values.ravel(), found.values.ravel())
    # A list comes from a file of settings.
    listed = tl.explain(model, X, "attention_rollout", grid=[2, 3], upsample=False)
    assert listed.values.shape == (3, 1, 2, 3)


def test_a_grid_of_ones_own_choice_goes_before_the_convolutions(backend: Backend) -> None:
    model = vision_transformer(backend)
    found = tl.explain(model, X, "attention_rollout", grid=(1, 3), upsample=False)
    usual = tl.explain(model, X, "attention_rollout", upsample=False)
    assert found.extras["leading"] == 4
    np.testing.assert_array_equal(found.values, usual.values[:, :, 1:])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"heads": "median"}, r"heads='median' is not known"),
        ({"discard": 1}, r"discard=1 leaves nothing"),
        ({"discard": -0.1}, r"discard=-0.1 is below 0"),
        ({"discard": "half"}, r"discard='half' is not a finite number"),
        ({"grid": 7}, r"grid=7 is not a number of rows and one of columns"),
        ({"grid": (2, 3, 1)}, r"grid=\(2, 3, 1\) is not"),
        ({"grid": (0, 3)}, r"grid=0 is not a positive whole number"),
        ({"grid": (2.0, 3)}, r"grid=2.0 is not a positive whole number"),
        ({"grid": (3, 3)}, r"grid=\(3, 3\) is 9 patches, and the network has 7 tokens"),
        ({"token": 7}, r"no token 7: the network has 7"),
        ({"token": -1}, r"token=-1 is not a token"),
        ({"token": "class"}, r"token='class' is not a token"),
        ({"token": True}, r"token=True is not a token"),
        ({"token": 0.0}, r"token=0.0 is not a token"),
        ({"upsample": "yes"}, r"upsample='yes' is neither True nor False"),
    ],
)
def test_parameters_that_cannot_be_are_named(params: dict[str, Any], message: str) -> None:
    model = vision_transformer(need(ANY))
    methods = (
        ["attention_rollout"] if set(params) & {"heads", "discard"} else ["attention_rollout", "attention_relevance"]
    )
    for method in methods:
        with pytest.raises(tl.errors.MethodError, match=message):
            tl.explain(model, X, method, 1, **params)
