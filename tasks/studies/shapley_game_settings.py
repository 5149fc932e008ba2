"""Settings of the study ``shapley_game``."""

from __future__ import annotations

from .base import StudySettings


class ShapleyGame(StudySettings):
    """TODO."""
