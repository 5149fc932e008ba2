"""Settings of the study ``lime_text``."""

from __future__ import annotations

from .base import StudySettings


class LimeText(StudySettings):
    """TODO."""
