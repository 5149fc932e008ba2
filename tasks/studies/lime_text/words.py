"""LIME on one text: a weighted linear model of what happens to a classifier's answer when words are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....datasets.packages import require
from ....errors import ConfigError, DataError, InputError, TargetError
from .classifier import PredictProba

SAMPLES_A_WORD = 10
"""Fewer samples than this for each distinct word leave LIME's regression little to go by."""
FEWEST_WORDS = 3
"""A text of one or two words has hardly a neighbour that LIME's kernel finds near: the penalty shrinks the weights."""
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class TextLime:
    """LIME's explanation of one text for some classes, with what is known about its error.

    Attributes
    ----------
    words : tuple of str
        The distinct words of the text, in order of appearance.
    labels : tuple of int
        The L explained classes.
    probabilities : ndarray (classes,)
        The classifier's answer for the whole text.
    weights : ndarray (L, words)
        How much each word adds to the probability of the class; 0 for words that LIME did not choose.
    weights_std : ndarray (L, words)
        Standard deviation of the weights over repeated draws of the neighbourhood: LIME's sampling error.
    chosen : ndarray of int (L, words)
        In how many of the draws LIME chose the word.
    scores, intercepts, local_predictions : ndarray (L,)
        The linear model's weighted R² on the neighbourhood, its intercept, and its answer for the whole text.
    samples, repeats, seed : int
        How the neighbourhoods were drawn.
    """

    words: tuple[str, ...]
    labels: tuple[int, ...]
    probabilities: np.ndarray
    weights: np.ndarray
    weights_std: np.ndarray
    chosen: np.ndarray
    scores: np.ndarray
    intercepts: np.ndarray
    local_predictions: np.ndarray
    samples: int
    repeats: int
    seed: int

    def ranking(self, label: int) -> list[tuple[str, float]]:
        """(word, weight) of the words that LIME chose for a class, the heaviest first."""
        weights = self.weights[self.labels.index(label)]
        order = np.argsort(-np.abs(weights), kind="stable")
        return [(self.words[i], float(weights[i])) for i in order if weights[i] != 0]

    @property
    def too_many_words(self) -> bool:
        """Whether there are fewer than `SAMPLES_A_WORD` samples for each distinct word."""
        return self.samples < SAMPLES_A_WORD * len(self.words)

    @property
    def too_few_words(self) -> bool:
        """Whether there are fewer than `FEWEST_WORDS` distinct words."""
        return len(self.words) < FEWEST_WORDS


def explain_text(
    text: str,
    predict_proba: PredictProba,
    labels: Sequence[int],
    *,
    words: int = 10,
    samples: int = 5000,
    repeats: int = 5,
    seed: int = 0,
) -> TextLime:
    """Explain a classifier's answer for a text with LIME.

    Parameters
    ----------
    text : str
        A word is what stands between characters that are no letters, digits or underscores; all its occurrences are
        removed together.
    predict_proba : callable
        A list of N texts to probabilities (N, classes).
    labels : sequence of int
        The classes to explain.
    words : int
        How many words LIME chooses for its linear model.
    samples : int
        Texts in the neighbourhood, the whole one included; at least 100.
    repeats : int
        Draws of the neighbourhood; the first gives the weights, all of them their spread. At least 1.
    seed : int
        Seed of the first draw, as in ``LimeTextExplainer(random_state=seed)``. NumPy's global generator is neither read
        nor moved.

    Raises
    ------
    InputError, DataError
        If the text is no string, or has no words.
    TargetError
        If there is no such class.
    ConfigError
        If words, samples or repeats are too few.
    MissingPackageError
        If LIME is not installed.

    References
    ----------
    Ribeiro, Singh, Guestrin (2016), "Why Should I Trust You?": Explaining the Predictions of Any Classifier.
    """
    lime_text = require("lime.lime_text", "lime", "explain a text")
    if samples < 100 or repeats < 1 or words < 1:
        raise ConfigError(
            f"LIME got samples {samples}, repeats {repeats} and words {words}.", "Give at least 100, 1 and 1."
        )
    found = distinct_words(text)
    probabilities = np.asarray(predict_proba([text]))[0]
    for label in labels:
        if not 0 <= label < len(probabilities):
            raise TargetError(f"The classifier has no class {label}.", f"Choose from 0 to {len(probabilities) - 1}.")
    if not labels:
        raise TargetError("There is no class to explain.", "Give at least one.")
    seeds = [seed, *(int(other) for other in np.random.SeedSequence(seed).generate_state(repeats - 1))]
    draws = [_Draw(lime_text, text, predict_proba, labels, words, samples, one) for one in seeds]
    weights = np.stack([draw.weights(len(found)) for draw in draws])
    return TextLime(
        words=found,
        labels=tuple(labels),
        probabilities=probabilities,
        weights=weights[0],
        weights_std=weights.std(axis=0, ddof=min(repeats - 1, 1)),
        chosen=(weights != 0).sum(axis=0),
        scores=draws[0].numbers("score"),
        intercepts=draws[0].numbers("intercept"),
        local_predictions=draws[0].numbers("local_prediction"),
        samples=samples,
        repeats=repeats,
        seed=seed,
    )


def distinct_words(text: str) -> tuple[str, ...]:
    """The words of a text as LIME reads them, each once, in order of appearance.

    Raises
    ------
    InputError, DataError
        If the text is no string, or has no words.
    """
    if not isinstance(text, str):
        raise InputError(f"The text is a {type(text).__name__}.", "Give a string.")
    found = tuple(indexed(text).inverse_vocab)
    if not found:
        raise DataError("The text has no words." if text.strip() else "The text is empty.", "Write something.")
    return tuple(map(str, found))


def indexed(text: str) -> Any:
    """LIME's own index of a text: which words there are, and the text without some of them."""
    return require("lime.lime_text", "lime", "explain a text").IndexedString(text)


class _Draw:
    """One neighbourhood and LIME's linear models of it; stands between LIME and its regression to see all of them.

    LIME's own explanation keeps R² and local prediction of the last class alone.
    """

    def __init__(
        self,
        lime_text: Any,
        text: str,
        predict_proba: PredictProba,
        labels: Sequence[int],
        words: int,
        samples: int,
        seed: int,
    ) -> None:
        self.found: dict[int, dict[str, Any]] = {}
        explainer = lime_text.LimeTextExplainer(random_state=seed)
        self.regression, explainer.base = explainer.base, self
        explainer.explain_instance(text, predict_proba, labels=tuple(labels), num_features=words, num_samples=samples)

    def explain_instance_with_data(
        self, data: Any, answers: Any, distances: Any, label: int, *args: Any, **kw: Any
    ) -> Any:
        """Fit as LIME does, and keep the result."""
        result = self.regression.explain_instance_with_data(data, answers, distances, label, *args, **kw)
        intercept, weights, score, local_prediction = result
        self.found[label] = {
            "intercept": intercept,
            "weights": weights,
            "score": score,
            "local_prediction": np.ravel(local_prediction)[0],
        }
        return result

    def numbers(self, key: str) -> np.ndarray:
        """One number for each class."""
        return np.array([float(one[key]) for one in self.found.values()])

    def weights(self, words: int) -> np.ndarray:
        """Weights (classes, words)."""
        table = np.zeros((len(self.found), words))
        for row, one in zip(table, self.found.values(), strict=True):
            for number, weight in one["weights"]:
                row[number] = weight
        # Rounding errors are no weights: alone in a text they would be drawn as the heaviest.
        return np.where(np.abs(table) > _ROUNDING, table, 0.0)
