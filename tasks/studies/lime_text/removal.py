"""What a classifier says when a word is really taken out: the fact that LIME's weights are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .classifier import PredictProba
from .words import distinct_words, indexed


def removal_effects(text: str, predict_proba: PredictProba) -> np.ndarray:
    """How much the probabilities fall when all occurrences of one word are removed, for each word in turn.

    Parameters
    ----------
    text : str
    predict_proba : callable
        A list of N texts to probabilities (N, classes).

    Returns
    -------
    ndarray (words, classes)
        Exact; the words are those of `distinct_words`.
    """
    index = indexed(text)
    count = len(distinct_words(text))
    answers = np.asarray(predict_proba([text, *(index.inverse_removing([i]) for i in range(count))]))
    return answers[0] - answers[1:]


@dataclass(frozen=True)
class Agreement:
    """How well one list of word weights agrees with another.

    Attributes
    ----------
    words : int
        How many words were compared.
    spearman : float or None
        Rank correlation; None for fewer than three words, or where one list is constant.
    same_sign : float
        Share of the words that both give the same sign.
    top_shared : float
        Share of the words with the largest first weights that are also among as many with the largest second weights.
    """

    words: int
    spearman: float | None
    same_sign: float
    top_shared: float


def agreement(weights: np.ndarray, effects: np.ndarray) -> Agreement:
    """Compare weights with effects over the words that have a weight.

    Parameters
    ----------
    weights : ndarray (words,)
        0 for words that are not compared.
    effects : ndarray (words,)
    """
    from scipy.stats import spearmanr

    listed = np.flatnonzero(weights)
    ours, theirs = weights[listed], effects[listed]
    comparable = len(listed) > 2 and np.ptp(ours) > 0 and np.ptp(theirs) > 0
    top = np.argsort(-np.abs(effects), kind="stable")[: len(listed)]
    return Agreement(
        words=len(listed),
        spearman=float(spearmanr(ours, theirs).statistic) if comparable else None,
        same_sign=float((np.sign(ours) == np.sign(theirs)).mean()) if len(listed) else 0.0,
        top_shared=float(np.isin(listed, top).mean()) if len(listed) else 0.0,
    )
