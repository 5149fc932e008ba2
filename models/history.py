"""What a training leaves to look at: losses, accuracies and times."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class History:
    """How a training went, one number an epoch.

    Attributes
    ----------
    training_loss, validation_loss : list of float
        Mean cross entropy; the training's is taken during the epoch, on augmented samples.
    training_accuracy, validation_accuracy : list of float
        Share of right predictions, 0..1.
    seconds : list of float
        Duration, validation included.
    stopped_early : bool
        Whether `patience` ran out.
    """

    training_loss: list[float] = field(default_factory=list)
    training_accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped_early: bool = False

    @property
    def epochs(self) -> int:
        """Epochs that were run."""
        return len(self.seconds)

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, of the highest validation accuracy; of several the one of the lowest loss. 0 if none."""
        ranks = list(zip(self.validation_accuracy, (-loss for loss in self.validation_loss), strict=True))
        return ranks.index(max(ranks)) + 1 if ranks else 0

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for a report."""
        return {**asdict(self), "best_epoch": self.best_epoch}
