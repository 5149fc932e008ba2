"""Whether LIME finds the words that were planted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ....datasets.planted_texts import WordTruth
from ....datasets.texts import Texts, without_header
from .classifier import PredictProba
from .removal import removal_effects
from .words import explain_text


@dataclass(frozen=True)
class Recovery:
    """How many of the words that decide a text are the first that LIME names.

    Attributes
    ----------
    texts : int
        How many texts were explained, each with a seed of its own.
    recall : float
        Mean share of a text's n telling words among LIME's n heaviest.
    worst : float
        The smallest share.
    classifier : float
        Mean share of a text's n telling words among the n whose removal moves the classifier most: what the classifier
        itself has not learnt, LIME cannot find.
    telling_words : float
        Mean n.
    """

    texts: int
    recall: float
    worst: float
    classifier: float
    telling_words: float


def recovery(
    truth: WordTruth,
    test: Texts,
    predict_proba: PredictProba,
    *,
    headers: bool,
    texts: int = 20,
    samples: int = 1000,
    seed: int = 0,
) -> Recovery | None:
    """Explain test texts whose every telling word tells their own class, and count the words that LIME finds.

    Parameters
    ----------
    truth : WordTruth
    test : Texts
    predict_proba : callable
    headers : bool
        Whether the texts keep their headers, whose words tell the class too.
    texts : int
        At most so many texts.
    samples : int
        Of each explanation.
    seed : int
        The seeds of the explanations come from it.

    Returns
    -------
    Recovery or None
        None if no test text is fit for it.
    """
    shares, learnt, counts = [], [], []
    seeds = np.random.SeedSequence(seed).generate_state(texts)
    for (text, label, words), one in zip(_clear_cases(truth, test, headers), seeds, strict=False):
        lime = explain_text(text, predict_proba, [label], words=10, samples=samples, repeats=1, seed=int(one))
        first = {word for word, _ in lime.ranking(label)[: len(words)]}
        shares.append(len(first & words) / len(words))
        effects = removal_effects(text, predict_proba)[:, label]
        strongest = {lime.words[i] for i in np.argsort(-np.abs(effects), kind="stable")[: len(words)]}
        learnt.append(len(strongest & words) / len(words))
        counts.append(len(words))
    if not shares:
        return None
    return Recovery(len(shares), float(np.mean(shares)), min(shares), float(np.mean(learnt)), float(np.mean(counts)))


def _clear_cases(truth: WordTruth, test: Texts, headers: bool) -> Iterator[tuple[str, int, set[str]]]:
    """Texts with at least three telling words, all of them for their own class."""
    for whole, label in zip(test.texts, test.labels, strict=True):
        text = whole if headers else without_header(whole)
        effects = truth.effects(text, int(label))
        if len(effects) >= 3 and min(effects.values()) > 0:
            yield text, int(label), set(effects)
