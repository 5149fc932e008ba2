"""Settings of the study ``glass_box``."""

from __future__ import annotations

from .base import StudySettings


class GlassBox(StudySettings):
    """TODO."""
