"""Settings of the study ``tables``."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from ..base import StudySettings


class Tables(StudySettings):
    """Task 3 on tables: iris, gradient boosting with LIME, XGBoost with exact SHAP values."""

    lime_row: NonNegativeInt = 81
    lime_target: NonNegativeInt | None = None
    shap_row: NonNegativeInt = 30
    shap_model: Literal["regressor", "classifier"] = "regressor"
    shap_target: NonNegativeInt | None = None
    samples: PositiveInt = 5000
    repeats: PositiveInt = 5
    split: Literal["stratified", "ordered", "none"] = "stratified"
    test_rows: PositiveInt = 30
    dependence: str | None = None
    interaction: str | None = None
