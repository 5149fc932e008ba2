"""Labelled texts for learning and for testing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from .base import Array

if TYPE_CHECKING:
    from .planted_texts import WordTruth

_HEADER_LINE = re.compile(r"[\w-]+:")


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts and their classes.

    Attributes
    ----------
    texts : list of str
    labels : ndarray
        Shape (N,), int64 class numbers from 0.
    """

    texts: list[str]
    labels: Array

    def __len__(self) -> int:
        return len(self.texts)

    def first(self, count: int | None) -> Texts:
        """The first `count` texts; all of them for None."""
        return Texts(self.texts[:count], self.labels[:count])


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts to learn from, and others to test on.

    Attributes
    ----------
    train, test : Texts
    class_names : list of str
        Names by class number.
    name : str
        Short name of the corpus.
    description : str
        What it is and where it is from, in a sentence or two.
    truth : WordTruth or None
        How much each word says of each class, where the texts were written that way.
    """

    train: Texts
    test: Texts
    class_names: list[str]
    name: str
    description: str
    truth: WordTruth | None = None

    def limited(self, train: int | None, test: int | None) -> Corpus:
        """The corpus with at most so many texts of each kind."""
        return replace(self, train=self.train.first(train), test=self.test.first(test))


def check_corpus(corpus: Corpus) -> Corpus:
    """Return the corpus if a classifier can be learnt from it and tested on it.

    Raises
    ------
    DataError
        If it has no texts, a text that is empty or no text at all, a label without a name, a class
        without training texts, or only one class.
    """
    name, count = corpus.name, len(corpus.class_names)
    for part, found in (("training", corpus.train), ("test", corpus.test)):
        if not len(found):
            raise DataError(f"The corpus '{name}' has no {part} texts.", "Give it at least one of every class.")
        if len(found) != len(found.labels):
            raise DataError(
                f"The corpus '{name}' has {len(found)} {part} texts and {len(found.labels)} labels.",
                "Give every text one label.",
            )
        for number, text in enumerate(found.texts):
            if not isinstance(text, str):
                raise DataError(
                    f"The {part} text {number} of the corpus '{name}' is a {type(text).__name__}.", "Give strings."
                )
            if not text.strip():
                raise DataError(
                    f"The {part} text {number} of the corpus '{name}' is empty.", "Leave it out or write something."
                )
        if not np.isin(found.labels, np.arange(count)).all():
            raise DataError(
                f"The corpus '{name}' has {count} class names, but its {part} labels go from {found.labels.min()} to "
                f"{found.labels.max()}.",
                f"Number the classes from 0 to {count - 1}.",
            )
    present = np.unique(corpus.train.labels)
    if len(present) < 2:
        raise DataError(
            f"All {len(corpus.train)} training texts of the corpus '{name}' are of the class "
            f"'{corpus.class_names[int(corpus.train.labels[0])]}'.",
            "Give texts of at least two classes: there is nothing to tell apart otherwise.",
        )
    for number in range(count):
        if number not in present:
            raise DataError(
                f"No training text of the corpus '{name}' is of the class '{corpus.class_names[number]}'.",
                "Give more training texts, or leave the class out.",
            )
    return corpus


def without_header(text: str) -> str:
    """The text below the header of a letter: ``Key: value`` lines that end with an empty line.

    A text that does not begin with such a line, or has nothing below it, is returned as it is.
    """
    header, _, body = text.partition("\n\n")
    return body if _HEADER_LINE.match(header) and body.strip() else text


def shortened_names(names: Sequence[str]) -> list[str]:
    """Short class names: what stands behind the last dot, and before it whatever is needed to tell two apart.

    Parameters
    ----------
    names : sequence of str
        Such as ``"comp.sys.ibm.pc.hardware"``, which becomes ``"pc.hardware"`` beside ``"comp.sys.mac.hardware"``.
        ``misc`` alone says nothing, so it keeps the word before it.
    """

    def last(name: str, count: int) -> str:
        return ".".join(name.split(".")[-count:])

    ends = [last(name, 1) for name in names]
    return [
        last(name, 2 if end == "misc" or "misc" in name or ends.count(end) > 1 else 1)
        for name, end in zip(names, ends, strict=True)
    ]
