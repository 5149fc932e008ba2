"""What all settings of a configuration have in common: unknown keys are errors."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Settings that know all their keys."""

    model_config = ConfigDict(extra="forbid")
