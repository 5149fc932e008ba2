"""Which corpus, and which of its texts are explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....datasets.newsgroups import newsgroups
from ....datasets.planted_texts import planted_texts
from ....datasets.text_folders import text_folders
from ....datasets.texts import Corpus, check_corpus
from ....errors import DataError, TargetError, suggest
from .settings import LimeText

_PLANTED_TRAIN, _PLANTED_TEST = 600, 200


@dataclass(frozen=True)
class Document:
    """A text to explain.

    Attributes
    ----------
    text : str
    name : str
        What to call it in the report.
    stem : str
        Begins the names of its files.
    label : int or None
        Its class, where it is known.
    """

    text: str
    name: str
    stem: str
    label: int | None


def read_corpus(settings: LimeText, seed: int) -> Corpus:
    """Read or write the corpus that the settings ask for, with at most as many texts as they allow."""
    train, test = settings.train_texts, settings.test_texts
    if settings.source == "planted":
        return planted_texts(train or _PLANTED_TRAIN, test or _PLANTED_TEST, seed)
    if settings.source == "newsgroups":
        return check_corpus(newsgroups(settings.path).limited(train, test))
    assert settings.path is not None  # the settings do not pass without
    return check_corpus(text_folders(settings.path, settings.test_share, seed).limited(train, test))


def chosen_documents(corpus: Corpus, numbers: Sequence[int], texts: Sequence[str]) -> list[Document]:
    """The test texts of these numbers, and texts of one's own.

    Raises
    ------
    DataError
        If the corpus has no such test text.
    """
    for number in numbers:
        if not 0 <= number < len(corpus.test):
            raise DataError(
                f"The corpus '{corpus.name}' has no test text {number}.",
                f"Choose a number from 0 to {len(corpus.test) - 1}.",
            )
    chosen = [
        Document(corpus.test.texts[i], f"test text {i}", f"document{i}", int(corpus.test.labels[i]))
        for i in dict.fromkeys(numbers)
    ]
    return chosen + [Document(text, f"own text {i}", f"text{i}", None) for i, text in enumerate(texts, 1)]


def class_numbers(labels: Sequence[int | str], names: Sequence[str]) -> list[int]:
    """Class numbers of labels that are numbers or names, each once.

    Raises
    ------
    TargetError
        If there is no such class.
    """
    found = []
    for label in labels:
        if isinstance(label, str):
            if label not in names:
                raise TargetError(f"There is no class '{label}'.", suggest(label, names))
            label = list(names).index(label)
        if not 0 <= label < len(names):
            raise TargetError(
                f"There is no class {label}: the corpus has {len(names)}.", f"Choose from 0 to {len(names) - 1}."
            )
        found.append(label)
    return list(dict.fromkeys(found))
