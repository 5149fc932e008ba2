"""LIME on one text: the package's own numbers, and the truth where it is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from lime.lime_text import LimeTextExplainer

from twinlens.datasets.planted_texts import planted_texts
from twinlens.datasets.texts import Texts
from twinlens.errors import ConfigError, DataError, InputError, TargetError
from twinlens.tasks.studies.lime_text.classifier import fit_classifier
from twinlens.tasks.studies.lime_text.removal import agreement, removal_effects
from twinlens.tasks.studies.lime_text.truth import recovery
from twinlens.tasks.studies.lime_text.words import distinct_words, explain_text

from ...random_states import random_states

TEXT = "good bad, fine good: plain poor words (other words)."
WEIGHTS = {"good": 0.2, "bad": -0.1, "fine": 0.05, "poor": -0.02}


def linear(texts: Sequence[str]) -> np.ndarray:
    """The probability of class 1 is a sum over the words that are present."""
    present = [set(re.findall(r"\w+", text)) for text in texts]
    p = np.array([0.5 + sum(weight for word, weight in WEIGHTS.items() if word in words) for words in present])
    return np.stack([1 - p, p, 0 * p], axis=1)


# -- LIME ------------------------------------------------------------------------------------------------------------


def test_the_words_and_weights_are_those_of_the_package() -> None:
    corpus = planted_texts(120, 8, seed=4)
    predict_proba = fit_classifier(corpus).predict_proba
    text = corpus.test.texts[3]
    ours = explain_text(text, predict_proba, [2, 0], words=8, samples=300, repeats=1, seed=42)
    theirs = LimeTextExplainer(random_state=42).explain_instance(
        text, predict_proba, labels=[2, 0], num_features=8, num_samples=300
    )
    for label in (2, 0):
        assert ours.ranking(label) == [(word, pytest.approx(weight)) for word, weight in theirs.as_list(label)]
    np.testing.assert_allclose(ours.intercepts, [theirs.intercept[2], theirs.intercept[0]])
    np.testing.assert_allclose(ours.probabilities, predict_proba([text])[0])


def test_every_class_has_its_own_score_and_local_prediction() -> None:
    """The package keeps those of the last class alone."""
    corpus = planted_texts(120, 8, seed=4)
    predict_proba = fit_classifier(corpus).predict_proba
    text = corpus.test.texts[3]
    together = explain_text(text, predict_proba, [2, 0], samples=300, repeats=1, seed=7)
    for number, label in enumerate((2, 0)):
        alone = LimeTextExplainer(random_state=7).explain_instance(
            text, predict_proba, labels=[label], num_features=10, num_samples=300
        )
        assert together.scores[number] == pytest.approx(alone.score)
        assert together.local_predictions[number] == pytest.approx(float(np.ravel(alone.local_pred)[0]))


def test_a_sum_over_words_is_found_word_by_word() -> None:
    found = explain_text(TEXT, linear, [1, 0], words=100, samples=3000, repeats=3)
    assert found.words == ("good", "bad", "fine", "plain", "poor", "words", "other")
    truth = np.array([WEIGHTS.get(word, 0.0) for word in found.words])
    np.testing.assert_allclose(found.weights[0], truth, atol=2e-3)
    np.testing.assert_allclose(found.weights[1], -truth, atol=2e-3)
    np.testing.assert_allclose(found.scores, 1, atol=1e-3)
    np.testing.assert_allclose(found.local_predictions, [0.63, 0.37], atol=2e-3)
    assert [word for word, _ in found.ranking(1)][:4] == ["good", "bad", "fine", "poor"]
    assert (found.weights_std < 2e-3).all()


def test_a_word_that_was_not_chosen_has_no_weight() -> None:
    found = explain_text(TEXT, linear, [1], words=2, samples=500, repeats=4)
    assert [word for word, _ in found.ranking(1)] == ["good", "bad"]
    assert found.chosen[0].tolist() == [4, 4, 0, 0, 0, 0, 0]
    assert found.weights[0, 2:].tolist() == [0.0] * 5


def test_the_spread_is_that_of_separate_draws() -> None:
    found = explain_text(TEXT, linear, [1], words=3, samples=100, repeats=3, seed=5)
    seeds = [5, *map(int, np.random.SeedSequence(5).generate_state(2))]
    alone = [explain_text(TEXT, linear, [1], words=3, samples=100, repeats=1, seed=seed) for seed in seeds]
    np.testing.assert_array_equal(found.weights, alone[0].weights)
    np.testing.assert_allclose(found.weights_std, np.std([one.weights for one in alone], axis=0, ddof=1))
    np.testing.assert_array_equal(found.chosen, sum((one.weights != 0).astype(int) for one in alone))


def test_one_draw_has_no_spread() -> None:
    assert not explain_text(TEXT, linear, [1], samples=100, repeats=1).weights_std.any()


def test_global_random_numbers_stay_where_they_are() -> None:
    before = random_states()
    explain_text(TEXT, linear, [1], samples=100, repeats=2)
    assert random_states() == before


def test_few_samples_for_many_words_are_noticed() -> None:
    text = " ".join(f"word{i}" for i in range(11))
    assert explain_text(text, linear, [1], samples=109, repeats=1).too_many_words
    assert not explain_text(text, linear, [1], samples=110, repeats=1).too_many_words


@pytest.mark.parametrize("text", ["good", "good bad"])
def test_the_penalty_shrinks_the_weights_of_a_text_of_one_or_two_words(text: str) -> None:
    """Nearly all neighbours of such a text are far from it: LIME's regression has next to nothing to go by."""
    found = explain_text(text, linear, [1], samples=1000, repeats=1)
    assert found.too_few_words
    assert 0 < found.weights[0, 0] < 0.18
    assert removal_effects(text, linear)[0, 1] == pytest.approx(0.2)
    assert not explain_text("good bad fine", linear, [1], samples=1000, repeats=1).too_few_words


def test_weights_that_are_rounding_errors_are_none() -> None:
    def certain(texts: Sequence[str]) -> np.ndarray:
        return np.tile([0.3, 0.7], (len(texts), 1))

    found = explain_text(TEXT, certain, [1], samples=200, repeats=1)
    assert found.ranking(1) == []
    assert not found.weights.any()


@pytest.mark.parametrize("text", ["日本 語", "naïve café", "a_b", "x" * 5000])
def test_words_of_any_language_are_words(text: str) -> None:
    assert distinct_words(text) == tuple(text.split())


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", DataError, "The text is empty"),
        (" \n\t", DataError, "The text is empty"),
        ("...!?", DataError, "no words"),
        (None, InputError, "a NoneType"),
        (["a", "list"], InputError, "a list"),
        (b"bytes", InputError, "a bytes"),
    ],
)
def test_what_is_no_text_is_named(text: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        explain_text(text, linear, [1], samples=100)


@pytest.mark.parametrize("labels", [[3], [-1], []])
def test_a_class_that_there_is_not_is_named(labels: list[int]) -> None:
    with pytest.raises(TargetError, match=r"no class"):
        explain_text(TEXT, linear, labels, samples=100)


@pytest.mark.parametrize("changes", [{"samples": 99}, {"repeats": 0}, {"words": 0}])
def test_too_little_to_draw_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="LIME got"):
        explain_text(TEXT, linear, [1], **changes)


# -- removal ---------------------------------------------------------------------------------------------------------


def test_removal_takes_all_occurrences_of_one_word_away() -> None:
    effects = removal_effects(TEXT, linear)
    truth = [WEIGHTS.get(word, 0.0) for word in distinct_words(TEXT)]
    np.testing.assert_allclose(effects, np.array([[-w, w, 0] for w in truth]), atol=1e-12)


def test_removal_from_naive_bayes_is_the_loss_without_the_word() -> None:
    corpus = planted_texts(120, 8, seed=4)
    predict_proba = fit_classifier(corpus).predict_proba
    text = corpus.test.texts[0]
    effects = removal_effects(text, predict_proba)
    for word, effect in zip(distinct_words(text), effects, strict=True):
        without = re.sub(rf"(?<!\w){word}(?!\w)", "", text)
        np.testing.assert_allclose(effect, predict_proba([text])[0] - predict_proba([without])[0], atol=1e-12)


def test_agreement_of_a_list_with_itself_and_with_its_opposite() -> None:
    weights = np.array([3.0, -2.0, 1.0, 0.5, 0.0])
    same, opposite = agreement(weights, 7 * weights), agreement(weights, -weights)
    assert (same.words, same.spearman, same.same_sign, same.top_shared) == (4, pytest.approx(1), 1, 1)
    assert (opposite.spearman, opposite.same_sign, opposite.top_shared) == (pytest.approx(-1), 0, 1)


def test_agreement_counts_the_words_that_both_find_heavy() -> None:
    found = agreement(np.array([3.0, 2.0, 0.0, 0.0]), np.array([0.1, 2.0, -5.0, 0.0]))
    assert (found.words, found.spearman, found.same_sign, found.top_shared) == (2, None, 1, 0.5)


def test_agreement_is_not_defined_for_constant_lists_or_none() -> None:
    assert agreement(np.ones(4), np.arange(4.0)).spearman is None
    nothing = agreement(np.zeros(4), np.arange(4.0))
    assert (nothing.words, nothing.spearman, nothing.same_sign, nothing.top_shared) == (0, None, 0, 0)


# -- planted words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_three_planted_words_are_limes_first_three(seed: int) -> None:
    corpus = planted_texts(600, 40, seed)
    assert corpus.truth is not None
    predict_proba = fit_classifier(corpus).predict_proba
    found = recovery(corpus.truth, corpus.test, predict_proba, headers=False, texts=2, samples=1000, seed=seed)
    assert found is not None
    assert (found.texts, found.telling_words) == (2, 3)
    assert (found.recall, found.worst) == (1.0, 1.0)


def test_a_classifier_that_looks_elsewhere_does_not_recover_the_words() -> None:
    corpus = planted_texts(40, 40, seed=0)
    assert corpus.truth is not None

    def reads_the_greeting(texts: Sequence[str]) -> np.ndarray:
        p = np.array([0.9 if "the" in text.split() else 0.1 for text in texts])
        return np.stack([p, *[(1 - p) / 3] * 3], axis=1)

    found = recovery(corpus.truth, corpus.test, reads_the_greeting, headers=False, texts=3, samples=200)
    assert found is not None
    assert found.recall < 0.5
    assert found.classifier < 0.5


def test_texts_without_planted_words_leave_nothing_to_recover() -> None:
    corpus = planted_texts(40, 8, seed=0)
    assert corpus.truth is not None
    plain = Texts(["a plain letter"], np.array([0]))
    assert recovery(corpus.truth, plain, linear, headers=False, texts=3) is None
