"""A small network for texts: word frequencies in, one weight vector a word, the same weights on every framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..backends import Model
from ..errors import DataError
from .table_network import TableNetwork, fit_table_networks

_CHUNK = 512


@dataclass(frozen=True, eq=False)
class TextNetwork:
    """A network that reads texts.

    TF-IDF turns a text into one number a known word, normalised to length 1. The first layer adds up one learnt vector
    a word, weighted by these numbers: an embedding bag in matrix form.

    Attributes
    ----------
    table : TableNetwork
        TF-IDF rows (N, words) to logits (N, classes); the wrapped network is ``table.model``.
    vocabulary : mapping of str to int
        The column of each known word.
    """

    table: TableNetwork
    vocabulary: Mapping[str, int]
    _vectorizer: Any = field(repr=False)

    @property
    def model(self) -> Model:
        """The network itself, on TF-IDF rows."""
        return self.table.model

    def rows(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """TF-IDF rows (N, words)."""
        return np.asarray(self._vectorizer.transform(texts).toarray(), dtype=np.float64)

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        """Probabilities (N, classes) of a list of texts."""
        parts = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
        return np.concatenate([self.table.predict_proba(self.rows(part)) for part in parts])


def fit_text_networks(
    texts: Sequence[str],
    labels: Any,
    backends: Sequence[str],
    *,
    class_names: Sequence[str],
    words: int = 2000,
    hidden: int = 16,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, TextNetwork]:
    """Fit one network to texts and put its weights on every named framework.

    Parameters
    ----------
    texts : sequence of str
    labels : ndarray (N,)
        Class numbers from 0.
    backends : sequence of str
        ``"torch"``, ``"paddle"``.
    class_names : sequence of str
        Names by class number.
    words : int
        At most so many words are known, the most frequent ones; upper and lower case differ.
    hidden : int
        Length of a word's vector.
    seed : int
        Of the first weights and of the order of the texts.
    device : str

    Returns
    -------
    dict of str to TextNetwork
        One per framework, all with the same weights.

    Raises
    ------
    DataError
        If the texts hold no word, or are of one class only.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(lowercase=False, max_features=words)
    try:
        rows = vectorizer.fit_transform(texts).toarray()
    except ValueError as error:
        raise DataError("The texts hold no word of two letters or more.", "Give texts with words.") from error
    vocabulary = {str(word): int(column) for word, column in vectorizer.vocabulary_.items()}
    tables = fit_table_networks(
        rows,
        labels,
        backends,
        class_names=class_names,
        hidden=(hidden,),
        seed=seed,
        device=device,
        standardise=False,
    )
    return {name: TextNetwork(table, vocabulary, vectorizer) for name, table in tables.items()}
