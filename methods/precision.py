"""Many gradients in less precision, and what that costs: measured at the inputs themselves."""

from __future__ import annotations

import numpy as np

from ..backends.chunks import BatchSize
from ..backends.model import Model
from ..backends.objective import Of
from .evaluation import Scored, gradients_at
from .explanation import Array


def working_model(model: Model, x: Array, evaluations: int, precision: str | None) -> Model:
    """The model that the many gradients are taken of: the fastest exact one, or one of less precision.

    Parameters
    ----------
    model : Model
    x : ndarray (N, ...)
    evaluations : int
        How many inputs are going to be run.
    precision : {"bfloat16"} or None

    Raises
    ------
    DeviceError, InputError
        If this precision is not to be had.
    """
    return model.streamlined(x, evaluations, gradients=True) if precision is None else model.rough(x, precision)


def precision_error(
    model: Model, rough: Model, x: Array, scored: Scored, of: Of, batch_size: BatchSize, precision: str | None
) -> dict[str, Array]:
    """``{"precision_error": (N,)}``: relative L2 difference of the gradients at the inputs; empty in full precision."""
    if precision is None:
        return {}

    def gradients(one: Model) -> Array:
        found = gradients_at(
            one, lambda sample, _: x[sample][None], range(len(x)), 1, x.shape[1:], scored.resolved, of, batch_size
        )
        return np.stack([gradient[0] for _, _, gradient in found]).reshape(len(x), -1).astype(np.float64)

    exact = gradients(model)
    difference, norm = np.linalg.norm(gradients(rough) - exact, axis=1), np.linalg.norm(exact, axis=1)
    return {"precision_error": np.divide(difference, norm, out=np.where(difference > 0, np.inf, 0.0), where=norm > 0)}
