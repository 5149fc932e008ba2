"""The score whose gradient is compared: settled by the first run, the same in all."""

from __future__ import annotations

from typing import Any

from ...backends import get_backend
from ...backends.objective import Target, class_targets
from ...backends.protocol import Array, Tensor


class Chosen:
    """The target of a comparison; None is settled by the scores that are seen first.

    Parameters
    ----------
    target : as for `Model.gradient`
        None means the predicted class, or the sum of the scores where they are not those of classes.
    """

    def __init__(self, target: Target) -> None:
        self._target: Any = target

    def __call__(self, scores: Array) -> Target:
        """The target, for these scores."""
        if self._target is None:
            self._target = class_targets(None, len(scores), scores).tolist() if scores.ndim == 2 else _total
        return self._target


def _total(scores: Tensor) -> Tensor:
    backend = get_backend(scores)
    samples = backend.shape(scores)[0]
    return backend.sum(backend.reshape(scores, (samples, -1)), axis=1)
