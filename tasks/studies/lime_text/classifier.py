"""Naive Bayes on word frequencies, and how good it is with and without the letters' headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ....datasets.texts import Corpus, Texts, without_header
from ....errors import DataError, InputError

PredictProba: TypeAlias = Callable[[list[str]], np.ndarray]
"""A list of N texts to probabilities (N, classes)."""


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """TF-IDF and multinomial naive Bayes.

    Attributes
    ----------
    vocabulary : frozenset of str
        The words that it knows.
    f1 : float
        Weighted F1 on the test texts.
    f1_without_headers : float or None
        The same with their headers cut off; None where no text has one.
    accuracy : float
        On the test texts.
    """

    vocabulary: frozenset[str]
    f1: float
    f1_without_headers: float | None
    accuracy: float
    _pipeline: Any = field(repr=False)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities (N, classes) of a list of texts."""
        return np.asarray(self._pipeline.predict_proba(texts))

    def known_words(self, text: str) -> set[str]:
        """The words of a text that are in the vocabulary."""
        return set(self._pipeline[0].build_analyzer()(text)) & self.vocabulary

    def check(self, text: object, name: str = "text") -> str:
        """Return the text if it can be explained.

        Raises
        ------
        InputError
            If it is no string.
        DataError
            If it is empty, or holds no word that the classifier knows.
        """
        if not isinstance(text, str):
            raise InputError(f"The {name} is a {type(text).__name__}.", "Give a string.")
        if not text.strip():
            raise DataError(f"The {name} is empty.", "Write something.")
        if not self.known_words(text):
            start = " ".join(text.split())[:40]
            raise DataError(
                f"The classifier knows no word of the {name} ('{start}').",
                "Give a text in the language of the corpus; upper and lower case differ.",
            )
        return text


def fit_classifier(corpus: Corpus, alpha: float = 0.01) -> TextClassifier:
    """Fit TF-IDF and multinomial naive Bayes to the training texts and score them on the test texts.

    Parameters
    ----------
    corpus : Corpus
    alpha : float
        Added to every count, so that no word rules a class out.

    Raises
    ------
    DataError
        If the training texts hold no word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TfidfVectorizer(lowercase=False), MultinomialNB(alpha=alpha))
    try:
        pipeline.fit(corpus.train.texts, corpus.train.labels)
    except ValueError as error:
        raise DataError(
            f"The training texts of the corpus '{corpus.name}' hold no word of two letters or more.",
            "Give texts with words.",
        ) from error
    test = corpus.test
    bodies = [without_header(text) for text in test.texts]
    return TextClassifier(
        vocabulary=frozenset(map(str, pipeline[0].vocabulary_)),
        f1=weighted_f1(pipeline.predict_proba, test),
        f1_without_headers=(
            None if bodies == test.texts else weighted_f1(pipeline.predict_proba, Texts(bodies, test.labels))
        ),
        accuracy=float(pipeline.score(test.texts, test.labels)),
        _pipeline=pipeline,
    )


def weighted_f1(predict_proba: PredictProba, test: Texts) -> float:
    """F1 of every class, averaged by how many texts it has."""
    from sklearn.metrics import f1_score

    predicted = predict_proba(test.texts).argmax(axis=1)
    return float(f1_score(test.labels, predicted, average="weighted"))
