"""Right and wrong answers of the assignment on LIME and SHAP. Never given to students."""

from __future__ import annotations

from twinlens.grading.protocol import Mistake, Property

from .cases import cases, weights
from .properties import SHAP_PROPERTIES
from .right import expected
from .wrong_classifiers import WRONG_CLASSIFIERS
from .wrong_lime_weights import WRONG_LIME_WEIGHTS
from .wrong_shap_values import WRONG_SHAP_VALUES

__all__ = ["MISTAKES", "PROPERTIES", "cases", "expected", "weights"]

MISTAKES: dict[str, list[Mistake]] = {
    "classifier_function": WRONG_CLASSIFIERS,
    "lime_weights": WRONG_LIME_WEIGHTS,
    "shap_values": WRONG_SHAP_VALUES,
}

PROPERTIES: dict[str, list[Property]] = {"shap_values": SHAP_PROPERTIES}
