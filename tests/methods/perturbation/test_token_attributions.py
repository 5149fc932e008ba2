"""Input tokens behind output tokens, of any function: exact against brute force, estimates against exact, and shap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.errors import InputError, MethodError, ModelError, NonFiniteError
from twinlens.methods.perturbation.token_attributions import still_there, token_attributions
from twinlens.methods.randomness import global_numpy_seed

METHODS = ("exact", "sampling", "kernel", "partition")
TEXT = ["the", "big", "dog", "sees", "a", "cat"]


class Translator:
    """Says three words; their scores depend on which words it reads, and on pairs of them."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.places = {token: place for place, token in enumerate(TEXT)}
        self.single = rng.normal(size=(len(TEXT), 3))
        self.pairs = rng.normal(size=(len(TEXT), len(TEXT), 3))
        self.read: list[list[str]] = []

    def generate(self, tokens: Sequence[str]) -> list[str]:
        return ["le", "chien", "voit"]

    def scores(self, inputs: Sequence[Sequence[str]], output: Sequence[str]) -> np.ndarray:
        assert list(output) == ["le", "chien", "voit"]
        self.read += [list(tokens) for tokens in inputs]
        there = np.array([[token in tokens for token in TEXT] for tokens in inputs], float)
        return 0.5 + there @ self.single + np.einsum("mi,mj,ijt->mt", there, there, self.pairs) ** 2 / 10


def brute_force(model: Translator) -> np.ndarray:
    values = np.zeros((len(TEXT), 3))
    every = list(permutations(range(len(TEXT))))
    known: dict[frozenset[int], np.ndarray] = {}

    def worth(players: Sequence[int]) -> np.ndarray:
        key = frozenset(players)
        if key not in known:
            known[key] = model.scores([[TEXT[place] for place in sorted(key)]], model.generate([]))[0]
        return known[key]

    for order in every:
        for step, player in enumerate(order):
            values[player] += worth(order[: step + 1]) - worth(order[:step])
    return values / len(every)


def explained(model: Translator, **options: Any) -> Any:
    return token_attributions(TEXT, model.generate, model.scores, **options)


def test_exact_values_are_the_mean_over_all_orders() -> None:
    model = Translator()
    found = explained(model)
    assert (found.method, found.evaluations, found.values.shape) == ("exact", 64, (6, 3))
    np.testing.assert_allclose(found.values, brute_force(model), rtol=1e-10)
    assert not found.standard_error.any()


@pytest.mark.parametrize("method", METHODS)
def test_the_values_of_each_output_token_add_up(method: Any) -> None:
    model = Translator()
    found = explained(model, method=method, max_evaluations=62 if method == "exact" else 40)
    np.testing.assert_allclose(found.residual, 0, atol=1e-10)
    np.testing.assert_allclose(found.base, model.scores([[]], found.output)[0])
    np.testing.assert_allclose(found.scores, model.scores([TEXT], found.output)[0])


@pytest.mark.parametrize("method", METHODS)
def test_no_input_is_run_twice_and_no_more_than_allowed(method: Any) -> None:
    model = Translator()
    found = explained(model, method=method, max_evaluations=62)
    assert len({tuple(tokens) for tokens in model.read}) == len(model.read) == found.evaluations <= 62 + 2


def test_of_a_sum_every_method_gives_each_token_its_own_term() -> None:
    model = Translator()
    model.pairs[:] = 0
    for method in METHODS:
        found = explained(model, method=method, max_evaluations=100)
        np.testing.assert_allclose(found.values, model.single, atol=1e-9)


def test_the_standard_errors_are_as_large_as_the_errors_are() -> None:
    model = Translator()
    exact = explained(model).values
    runs = [explained(model, method="sampling", max_evaluations=60, seed=seed) for seed in range(60)]
    errors = np.array([run.values - exact for run in runs])
    promised = np.array([run.standard_error for run in runs])
    # Squares have honest means, whatever the distribution of six draws.
    assert 0.85 < np.sqrt((errors**2).mean() / (promised**2).mean()) < 1.15


def test_the_seed_alone_decides_the_sample() -> None:
    first, again, other = (explained(Translator(), method="sampling", max_evaluations=30, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


def test_what_is_not_enumerated_is_sampled_and_what_is_long_is_divided() -> None:
    words = [f"w{number}" for number in range(40)]

    def scores(inputs: Sequence[Sequence[str]], output: Sequence[str]) -> np.ndarray:
        return np.array([[float("w3" in tokens and "w30" in tokens)] for tokens in inputs])

    chosen = {}
    for allowed in (300, 400):
        found = token_attributions(words, lambda tokens: ["x"], scores, max_evaluations=allowed)
        chosen[allowed] = found.method
        assert sorted(np.argsort(found.values[:, 0])[-2:].tolist()) == [3, 30]
        np.testing.assert_allclose(found.residual, 0, atol=1e-12)
    assert chosen == {300: "partition", 400: "sampling"}


@pytest.mark.parametrize("name", ["ExactExplainer", "PermutationExplainer"])
def test_shap_finds_the_same(name: str) -> None:
    shap = pytest.importorskip("shap", reason="shap is the second opinion")
    model = Translator()
    model.pairs[:, :, 1:] = 0  # of products of pairs, permutations of either kind are exact
    found = explained(model)

    def worth(present: np.ndarray) -> np.ndarray:
        inputs = [[token for token, there in zip(TEXT, row, strict=True) if there] for row in np.asarray(present)]
        return model.scores(inputs, found.output)

    with global_numpy_seed(0):
        explainer = getattr(shap, name)(worth, shap.maskers.Independent(np.zeros((1, len(TEXT)))))
        options = {"silent": True, "max_evals": 13 * 200} if name == "PermutationExplainer" else {"silent": True}
        values = explainer(np.ones((1, len(TEXT))), **options).values[0]
    np.testing.assert_allclose(values[:, 1:], found.values[:, 1:], atol=1e-9)
    tolerance = 1e-9 if name == "ExactExplainer" else 0.15 * np.abs(found.values).max()
    np.testing.assert_allclose(values[:, 0], found.values[:, 0], atol=tolerance)


def test_hidden_tokens_are_left_out_or_replaced() -> None:
    left_out, replaced = Translator(), Translator()
    first, second = explained(left_out), explained(replaced, mask="<pad>")
    assert {len(tokens) for tokens in left_out.read} == set(range(7))
    assert {len(tokens) for tokens in replaced.read} == {6}
    assert ["the", *["<pad>"] * 5] in replaced.read
    assert (first.mask, second.mask) == (None, "<pad>")


def test_a_model_without_probabilities_is_judged_by_what_still_appears() -> None:
    found = token_attributions(["a", "b"], lambda tokens: [token.upper() for token in tokens])
    np.testing.assert_allclose(found.values, np.eye(2))
    assert found.output == ("A", "B")


def test_the_second_of_two_equal_tokens_needs_two() -> None:
    scores = still_there(lambda tokens: list(tokens))
    assert scores([["x", "y"], ["x", "x"], []], ["x", "y", "x"]).tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 0]]


def test_an_output_of_ones_own_can_be_explained() -> None:
    scores = Translator().scores
    found = token_attributions(TEXT, lambda tokens: [], scores, output=["le", "chien", "voit"])
    assert found.output == ("le", "chien", "voit")


def test_everything_is_saved(tmp_path: Path) -> None:
    found = explained(Translator(), method="sampling", max_evaluations=30, seed=4)
    with np.load(found.save(tmp_path / "found.npz"), allow_pickle=False) as file:
        assert file["tokens"].tolist() == TEXT
        assert np.array_equal(file["values"], found.values)
        assert (str(file["method"]), int(file["seed"])) == ("sampling", 4)
        assert "mask" not in file


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"tokens": []}, InputError, "no input token"),
        ({"output": []}, ModelError, "generates nothing"),
        ({"method": "gradient"}, MethodError, "not known"),
        ({"method": "exact", "max_evaluations": 61}, MethodError, "too few"),
        ({"method": "sampling", "max_evaluations": 19}, MethodError, "20 or more"),
        ({"max_evaluations": 0}, MethodError, "max_evaluations"),
        ({"tokens": ["w"] * 40, "method": "exact"}, MethodError, r"2\*\*40"),
        ({"scores": lambda inputs, output: np.zeros(3)}, ModelError, r"have shape \(3,\)"),
        ({"scores": lambda inputs, output: np.full((len(inputs), 3), np.nan)}, NonFiniteError, "NaN"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    change: dict[str, Any], error: type[Exception], says: str
) -> None:
    model = Translator()
    call = {"tokens": TEXT, "generate": model.generate, "scores": model.scores} | change
    with pytest.raises(error, match=says) as caught:
        token_attributions(**call)
    assert "\n" not in str(caught.value)
