"""Settings of the study ``lime_text``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic import model_validator as validator

from ....errors import ConfigError
from ...strict import Strict
from ..base import StudySettings

LECTURE_DOCUMENT, LECTURE_LABELS = 1340, (0, 15)
"""The letter of the 20 newsgroups' test part that the course looks at: atheism (0) or Christianity (15)?"""


class TextNetworkSettings(Strict):
    """A small network that is explained on the same texts, on every framework of the run."""

    hidden: PositiveInt = 16
    words: PositiveInt = 2000
    texts: PositiveInt = 2000


class LimeText(StudySettings):
    """LIME on texts: which words made a naive Bayes classifier decide.

    ``documents`` are numbers of test texts, ``texts`` are texts of one's own. ``labels`` are the explained classes, by
    number or name; left out: the two that the classifier finds likeliest.
    """

    source: Literal["planted", "newsgroups", "folder"] = "planted"
    path: Path | None = None
    train_texts: PositiveInt | None = None
    test_texts: PositiveInt | None = None
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    documents: list[NonNegativeInt] | None = None
    texts: list[str] = []
    labels: Annotated[list[NonNegativeInt | str], Field(min_length=1)] | None = None
    alpha: PositiveFloat = 0.01
    words: PositiveInt = 10
    samples: Annotated[int, Field(ge=100)] = 5000
    repeats: PositiveInt = 5
    recovery_texts: NonNegativeInt = 20
    network: TextNetworkSettings | None = TextNetworkSettings()

    @property
    def needs_networks(self) -> bool:
        """Whether a network is explained beside naive Bayes."""
        return self.network is not None

    @validator(mode="after")
    def _has_its_source(self) -> LimeText:
        if self.source == "folder" and self.path is None:
            raise ConfigError("The source 'folder' needs a path.", "Set lime_text.path.")
        if self.source == "planted" and self.path is not None:
            raise ConfigError("The planted texts are written, not read from a path.", "Set lime_text.source: folder.")
        if self.documents == [] and not self.texts:
            raise ConfigError("lime_text has no text to explain.", "Set lime_text.documents or lime_text.texts.")
        return self

    @validator(mode="after")
    def _explains_the_courses_letter(self) -> LimeText:
        if self.documents is None:
            if self.source == "newsgroups" and not self.texts:
                self.documents, self.labels = [LECTURE_DOCUMENT], self.labels or list(LECTURE_LABELS)
            else:
                self.documents = [] if self.texts else [0]
        return self
