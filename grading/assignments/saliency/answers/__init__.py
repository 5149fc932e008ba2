"""The answers: for the grader only, never for students."""

from __future__ import annotations

from twinlens.grading.protocol import Mistake

from .cases import TASKS, cases, weights
from .right import expected
from .wrong_integrated_gradients import WRONG_INTEGRATED_GRADIENTS
from .wrong_saliency_maps import WRONG_SALIENCY_MAPS
from .wrong_smooth_grads import WRONG_SMOOTH_GRADS

__all__ = ["MISTAKES", "cases", "expected", "weights"]

MISTAKES: dict[str, list[Mistake]] = dict(
    zip(TASKS, (WRONG_SALIENCY_MAPS, WRONG_SMOOTH_GRADS, WRONG_INTEGRATED_GRADIENTS), strict=True)
)
