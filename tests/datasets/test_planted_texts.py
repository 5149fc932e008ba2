"""Planted letters: their words are drawn as promised, so that the importance of each is known."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from twinlens.datasets.planted_texts import planted_texts, planted_truth
from twinlens.datasets.planted_words import (
    CLOSINGS,
    FILLERS,
    GREETINGS,
    HOSTS,
    LEAK,
    PLAIN_SENTENCES,
    STRENGTHS,
    TOPIC_SENTENCES,
    TOPICS,
    UNIVERSITIES,
)
from twinlens.datasets.texts import Corpus, without_header
from twinlens.errors import DataError

SUBJECTS = list(TOPICS)
TELLING = [{word for words in TOPICS.values() for word in words}, set(HOSTS), set(UNIVERSITIES)]


def words_of(text: str) -> list[str]:
    return re.split(r"\W+", text)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return planted_texts(train=3000, test=40, seed=5)


def test_every_letter_has_three_drawn_words_a_host_and_a_university(corpus: Corpus) -> None:
    for text in corpus.train.texts[:300]:
        assert [sum(word in kind for word in words_of(text)) for kind in TELLING] == [3, 1, 1]


def test_nothing_is_left_to_fill_in(corpus: Corpus) -> None:
    assert not any("{" in text or "}" in text for text in corpus.train.texts)


def test_a_telling_word_is_used_nowhere_else() -> None:
    plain = [
        *TOPIC_SENTENCES,
        *PLAIN_SENTENCES,
        *GREETINGS,
        *CLOSINGS,
        *(w for words in FILLERS.values() for w in words),
    ]
    others = {word.lower() for sentence in plain for word in words_of(sentence)}
    telling = set().union(*TELLING)
    assert len(telling) == sum(map(len, TELLING)) == 28
    assert not {word.lower() for word in telling} & others


@pytest.mark.parametrize("kind", range(3))
def test_words_are_drawn_with_the_odds_that_the_truth_names(corpus: Corpus, kind: int) -> None:
    truth = planted_truth()
    for label in range(len(SUBJECTS)):
        drawn = Counter(
            word
            for text, one in zip(corpus.train.texts, corpus.train.labels, strict=True)
            if one == label
            for word in words_of(text)
            if word in TELLING[kind]
        )
        shares = {word: np.exp(truth.evidence[word][label]) for word in TELLING[kind]}
        total, draws = sum(shares.values()), sum(drawn.values())
        for word, share in shares.items():
            p = share / total
            assert drawn[word] / draws == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / draws))


def test_other_words_say_nothing_of_the_subject(corpus: Corpus) -> None:
    counts = np.zeros((len(SUBJECTS), 2))
    for text, label in zip(corpus.train.texts, corpus.train.labels, strict=True):
        body = words_of(without_header(text))
        counts[label] += [body.count("letter"), len(body)]
    shares = counts[:, 0] / counts[:, 1]
    assert np.abs(shares - shares.mean()).max() < 5 * np.sqrt(shares.mean() / counts[:, 1].min())


def test_a_word_adds_its_strength_to_the_log_odds_of_its_subject() -> None:
    truth = planted_truth()
    text = "the comet and the comet met a nebula from quillnet"
    strengths = dict(zip(TOPICS["astronomy"], STRENGTHS, strict=True))
    assert truth.effects(text, 0) == pytest.approx(
        {"comet": 2 * strengths["comet"], "nebula": strengths["nebula"], "quillnet": LEAK}
    )


def test_the_effect_of_a_word_is_what_bayes_rule_says_without_it() -> None:
    truth = planted_truth()
    text, target = "comet oven dough Ashdown mast letter", 2

    def log_odds(text: str) -> float:
        likelihood = np.ones(len(SUBJECTS))
        for word in words_of(text):
            if word in truth.evidence:
                likelihood *= np.exp(truth.evidence[word])
        p = likelihood[target] / likelihood.sum()
        np.testing.assert_allclose(truth.posterior(text), likelihood / likelihood.sum())
        return float(np.log(p / (1 - p)))

    expected = {w: log_odds(text) - log_odds(text.replace(w, "")) for w in text.split() if w != "letter"}
    effects = truth.effects(text, target)
    assert effects == pytest.approx(expected)
    assert [abs(effect) for effect in effects.values()] == sorted(map(abs, effects.values()), reverse=True)
    assert effects["oven"] > 0 > effects["comet"]


def test_a_text_without_telling_words_leaves_every_subject_as_likely() -> None:
    truth = planted_truth()
    assert truth.effects("a plain letter", 1) == {}
    np.testing.assert_allclose(truth.posterior("a plain letter"), 0.25)


def test_what_bayes_rule_says_comes_true_as_often_as_it_says(corpus: Corpus) -> None:
    truth = planted_truth()
    posteriors = np.array([truth.posterior(text) for text in corpus.train.texts])
    right = posteriors.argmax(axis=1) == corpus.train.labels
    assert right.mean() == pytest.approx(posteriors.max(axis=1).mean(), abs=0.015)


def test_only_host_and_university_leak() -> None:
    assert planted_truth().leaks == TELLING[1] | TELLING[2]


def test_the_header_ends_where_the_letter_begins(corpus: Corpus) -> None:
    body = without_header(corpus.train.texts[0])
    assert body.startswith(GREETINGS)
    assert not set(words_of(body)) & planted_truth().leaks


def test_the_seed_writes_the_letters() -> None:
    first, again, other = (planted_texts(8, 4, seed) for seed in (1, 1, 2))
    assert first.train.texts == again.train.texts
    assert first.test.texts == again.test.texts
    assert first.train.texts != other.train.texts


def test_four_letters_in_a_row_are_on_four_subjects(corpus: Corpus) -> None:
    assert all(set(corpus.train.labels[i : i + 4].tolist()) == {0, 1, 2, 3} for i in range(0, 100, 4))


def test_too_few_letters_for_every_subject_are_an_error() -> None:
    with pytest.raises(DataError, match="No training text"):
        planted_texts(train=3, test=4)
