"""Settings of the study ``ice_pdp``."""

from __future__ import annotations

from .base import StudySettings


class IcePdp(StudySettings):
    """TODO."""
