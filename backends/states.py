"""Strict comparison of a set of weights with the network that should take them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import WeightsError
from .protocol import Array


def check_state(shapes: Mapping[str, tuple[int, ...]], state: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Return the arrays of `state`, contiguous, if their names and shapes are exactly those of `shapes`.

    Raises
    ------
    WeightsError
        Naming the first missing, superfluous and ill-shaped entries.
    """
    missing = [name for name in shapes if name not in state]
    superfluous = [name for name in state if name not in shapes]
    if missing or superfluous:
        parts = [
            f"{what}: {_some(names)}" for what, names in (("missing", missing), ("not wanted", superfluous)) if names
        ]
        raise WeightsError(
            f"The weights do not fit the network ({'; '.join(parts)}).",
            "Build the architecture that the weights were trained for.",
        )
    arrays = {name: np.ascontiguousarray(array) for name, array in state.items()}
    for name, shape in shapes.items():
        # ascontiguousarray turns a 0-d array into shape (1,)
        found = np.shape(state[name])
        if found != shape:
            raise WeightsError(
                f"'{name}' has shape {found} in the weights and {shape} in the network.",
                "Check the number of classes and the layer sizes.",
            )
        if arrays[name].dtype.kind not in "fiub":
            raise WeightsError(f"'{name}' holds {arrays[name].dtype}, not numbers.", "Save the weights again.")
        arrays[name] = arrays[name].reshape(shape)
    return arrays


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
