"""Settings of the study ``shap_tables``."""

from __future__ import annotations

from .base import StudySettings


class ShapTables(StudySettings):
    """TODO."""
