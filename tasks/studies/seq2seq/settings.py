"""Settings of the study ``seq2seq``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from pydantic import model_validator as validator

from ....errors import ConfigError
from ...strict import Strict
from ..base import StudySettings

TokenMethod = Literal["auto", "exact", "sampling", "kernel", "partition"]


class Texts(Strict):
    """Texts for a translation or summary model of the package transformers.

    ``model`` is a folder that ``save_pretrained`` wrote, or a name on the Hugging Face hub.
    """

    model: Annotated[str, Field(min_length=1)]
    texts: Annotated[list[str], Field(min_length=1, max_length=10)]
    prefix: str = ""
    mask: Literal["remove", "mask", "unknown", "padding"] = "remove"
    method: TokenMethod = "partition"
    max_evaluations: Annotated[int, Field(ge=16)] = 500
    max_new_tokens: PositiveInt = 60
    beams: PositiveInt = 1


class Seq2Seq(StudySettings):
    """Which tokens of the input make which token of the output."""

    words: Annotated[list[str], Field(max_length=20)] = ["activation", "explainable", "saliency"]
    mask: Literal["remove", "unknown", "padding"] = "remove"
    method: TokenMethod = "auto"
    max_evaluations: Annotated[int, Field(ge=16)] = 2048
    known_sounds: bool = True
    texts: Texts | None = None

    @property
    def needs_networks(self) -> bool:
        """The network that says words runs on every framework of the run; a model of texts brings its own."""
        return bool(self.words)

    @validator(mode="after")
    def _words_or_texts(self) -> Seq2Seq:
        if not self.words and self.texts is None:
            raise ConfigError("seq2seq has no words and no texts.", "List words, or set texts.")
        # A word names its files.
        words = [word.strip().lower() for word in self.words]
        twice = next((word for word in words if words.count(word) > 1), None)
        if twice is not None:
            raise ConfigError(f"The word '{twice}' is listed twice.", "List each word once.")
        return self
