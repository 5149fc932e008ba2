"""A small corpus that needs no network, written so that the importance of every word is known exactly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .base import Array
from .planted_words import (
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
from .texts import Corpus, Texts, check_corpus

_CLASSES = list(TOPICS)
_TOPIC_SENTENCES, _PLAIN_SENTENCES = 3, 3
_PIECES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, eq=False)
class WordTruth:
    """What each word says of each class in texts whose words are drawn independently given the class.

    Attributes
    ----------
    evidence : mapping of str to ndarray (classes,)
        For each word that tells something, the logarithm of how likely each class uses it, up to a constant. All other
        words are as likely in every class.
    leaks : frozenset of str
        Those of them that have nothing to do with the subject: hosts and universities of the header.
    """

    evidence: Mapping[str, Array]
    leaks: frozenset[str]

    def posterior(self, text: str) -> Array:
        """Probabilities of the classes given the words of the text: no classifier can know better."""
        total = self._total(self._counts(text))
        powers = np.exp(total - total.max())
        return np.asarray(powers / powers.sum())

    def effects(self, text: str, target: int) -> dict[str, float]:
        """How much each telling word of the text adds to the log-odds of a class: exactly what its removal takes away.

        Parameters
        ----------
        text : str
        target : int
            Class number.

        Returns
        -------
        dict of str to float
            The strongest first; words that are not named have the effect 0.
        """
        counts = self._counts(text)
        whole = _log_odds(self._total(counts), target)
        found = {
            word: whole - _log_odds(self._total(counts - Counter({word: n})), target) for word, n in counts.items()
        }
        return dict(sorted(found.items(), key=lambda pair: -abs(pair[1])))

    def _counts(self, text: str) -> Counter[str]:
        return Counter(word for word in re.split(r"\W+", text) if word in self.evidence)

    def _total(self, counts: Counter[str]) -> Array:
        return np.sum([n * self.evidence[word] for word, n in counts.items()] or [np.zeros(len(_CLASSES))], axis=0)


def planted_texts(train: int = 600, test: int = 200, seed: int = 0) -> Corpus:
    """Write letters on four subjects, from a seed.

    A letter draws its subject first. Three of its sentences name one word each that was drawn from the subject's own
    distribution: a word of strength s is e^s times as likely under its own subject as under any other, so that it adds
    exactly s to the log-odds of its subject against each of the others. The other words do not depend on the subject.
    The header's mail host and university leak it in the same way, as newsgroup headers do: they help on such letters,
    and say nothing of the subject itself.

    Parameters
    ----------
    train, test : int
        How many letters; each four in a row are on four subjects.
    seed : int

    Returns
    -------
    Corpus
        With its `truth`.

    Raises
    ------
    DataError
        If there are too few letters for one of every subject to learn from.
    """
    rng = np.random.default_rng(seed)
    labels = np.concatenate([_labels(count, rng) for count in (train, test)])
    letters = [_letter(int(label), rng) for label in labels]
    corpus = Corpus(
        train=Texts(letters[:train], labels[:train]),
        test=Texts(letters[train:], labels[train:]),
        class_names=list(_CLASSES),
        name="planted letters",
        description=f"{train} invented letters on {len(_CLASSES)} subjects to learn from and {test} for testing. In "
        "each, three drawn words tell the subject with known strength; host and university in the header leak it.",
        truth=planted_truth(),
    )
    return check_corpus(corpus)


def planted_truth() -> WordTruth:
    """What the words of `planted_texts` say of each subject."""
    evidence = {
        word: strength * np.eye(len(_CLASSES))[number]
        for number, words in enumerate(TOPICS.values())
        for word, strength in zip(words, STRENGTHS, strict=True)
    }
    leaks = {word: LEAK * np.eye(len(_CLASSES))[i] for words in (HOSTS, UNIVERSITIES) for i, word in enumerate(words)}
    return WordTruth(evidence | leaks, frozenset(leaks))


def _labels(count: int, rng: np.random.Generator) -> Array:
    """Class numbers in random order; each round of four has every class once."""
    rounds = [rng.permutation(len(_CLASSES)) for _ in range(-(-count // len(_CLASSES)))]
    return np.concatenate(rounds)[:count].astype(np.int64)


def _letter(label: int, rng: np.random.Generator) -> str:
    topics = [word for words in TOPICS.values() for word in words]
    strengths = np.concatenate([np.array(STRENGTHS) * (number == label) for number in range(len(_CLASSES))])
    sentences = [
        _filled(_any(TOPIC_SENTENCES, rng), rng, topic=_drawn(topics, strengths, rng)) for _ in range(_TOPIC_SENTENCES)
    ]
    sentences += [_filled(_any(PLAIN_SENTENCES, rng), rng) for _ in range(_PLAIN_SENTENCES)]
    leak = LEAK * np.eye(len(_CLASSES))[label]
    host, university = (_drawn(words, leak, rng) for words in (HOSTS, UNIVERSITIES))
    writer = _any(FILLERS["name"], rng)
    subject = _filled("the {adjective} {noun}", rng)
    return (
        f"From: {writer.lower()}@{host}.example ({writer})\n"
        f"Subject: {subject}\n"
        f"Organization: {university} University\n\n"
        f"{_any(GREETINGS, rng)}\n"
        f"{' '.join(sentences[i] for i in rng.permutation(len(sentences)))}\n"
        f"{_any(CLOSINGS, rng)} {writer}\n"
    )


def _drawn(words: Sequence[str], strengths: Array, rng: np.random.Generator) -> str:
    """One word; each is e^strength times as likely as a word of strength 0."""
    shares = np.cumsum(np.exp(strengths))
    return words[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]


def _any(words: Sequence[str], rng: np.random.Generator) -> str:
    """One of the words, all as likely."""
    return words[int(rng.integers(len(words)))]


def _filled(sentence: str, rng: np.random.Generator, topic: str = "") -> str:
    """The sentence with a word in every gap."""
    return _PIECES.sub(lambda gap: topic if gap[1] == "topic" else _any(FILLERS[gap[1]], rng), sentence)


def _log_odds(total: Array, target: int) -> float:
    others = np.delete(total, target)
    return float(total[target] - others.max() - np.log(np.exp(others - others.max()).sum()))
