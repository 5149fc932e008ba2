"""Settings of the study ``lime_tables``."""

from __future__ import annotations

from .base import StudySettings


class LimeTables(StudySettings):
    """TODO."""
