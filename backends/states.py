"""Strict comparison of a set of weights with the network that should take them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import WeightsError
from .protocol import Array


def check_state(shapes: Mapping[str, tuple[int, ...]], state: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Return the arrays of `state`, ready for either framework, if names and shapes are exactly those of `shapes`.

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
    arrays = {}
    for name, shape in shapes.items():
        array = np.asarray(state[name])
        if array.shape != shape:
            raise WeightsError(
                f"'{name}' has shape {array.shape} in the weights and {shape} in the network.",
                "Check the number of classes and the layer sizes.",
            )
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise WeightsError(f"'{name}' holds {array.dtype}, which no network takes.", "Save the weights as float32.")
        # torch reads neither foreign byte orders nor negative strides, and warns about read-only arrays.
        arrays[name] = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
    return arrays


def check_shared(tensors: Mapping[str, object], arrays: Mapping[str, Array]) -> None:
    """Make sure that names which share one tensor in the network get one value.

    Raises
    ------
    WeightsError
        Naming the first two that differ: one of them would be lost.
    """
    first: dict[int, str] = {}
    for name, t in tensors.items():
        other = first.setdefault(id(t), name)
        if other != name and not np.array_equal(arrays[other], arrays[name], equal_nan=True):
            raise WeightsError(
                f"'{other}' and '{name}' are one tensor in the network and two different ones in the weights.",
                "Build the architecture that the weights were trained for.",
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
