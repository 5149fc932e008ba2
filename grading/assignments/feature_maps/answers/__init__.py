"""Right and wrong answers of the assignment on feature maps. Never given to students."""

from __future__ import annotations

from twinlens.grading.protocol import Mistake

from .cases import LAYERS, cases, weights
from .right import expected
from .wrong_captures import WRONG_CAPTURES
from .wrong_edits import WRONG_EDITS, WRONG_REMOVALS
from .wrong_visualisations import WRONG_VISUALISATIONS

__all__ = ["LAYERS", "MISTAKES", "cases", "expected", "weights"]

MISTAKES: dict[str, list[Mistake]] = {
    "capture_features": WRONG_CAPTURES,
    "edit_features": WRONG_EDITS,
    "remove_hook": WRONG_REMOVALS,
    "filter_visualisation": WRONG_VISUALISATIONS,
}
