"""Settings of the study ``seq2seq``."""

from __future__ import annotations

from .base import StudySettings


class Seq2Seq(StudySettings):
    """TODO."""
