"""What users pass in becomes one NumPy array that the network can take, or an error that says what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BackendError, InputError
from .finite import all_finite
from .protocol import Array, Backend
from .registry import owner


def checked_input(x: Any, backend: Backend, dtype: str, input_shape: tuple[int, ...] | None) -> Array:
    """Return a batch as NumPy, of the network's floating-point type.

    Raises
    ------
    BackendError
        If it is a tensor of the other framework.
    InputError
        If it is not a batch of finite numbers, or does not have as many axes as the network's samples.
    """
    if backend.is_tensor(x):
        x = backend.numpy(x)
    elif (other := owner(x)) is not None:
        raise BackendError(
            f"The input is a {other.name} tensor, the model runs on {backend.name}.", "Pass NumPy: x.numpy()."
        )
    try:
        x = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            "The samples do not make one array: their shapes differ.", "Resize them to one shape first."
        ) from error
    if x.dtype == np.uint8 or x.dtype.kind not in "fiu":
        raise InputError(
            f"The input holds {x.dtype}.", "Pass floating-point numbers; for pictures divide by 255 first."
        )
    if x.ndim < 2 or x.size == 0:
        raise InputError(f"The input has shape {x.shape}.", "Pass a batch, (samples, ...), of at least one sample.")
    if input_shape is not None and x.ndim - 1 != len(input_shape):
        raise InputError(
            f"The input has shape {x.shape}; this model takes (samples, {', '.join(map(str, input_shape))}).",
            "Add or remove an axis: one picture is x[None].",
        )
    if not all_finite(x):
        raise InputError("The input holds NaN or infinite values.", "Remove or replace them first.")
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(x, dtype=dtype)
    if converted.dtype != x.dtype and not all_finite(converted):
        raise InputError(
            f"The input holds values up to {np.abs(x).max():.3g}, too large for {dtype}.",
            "Scale the input down.",
        )
    if x.dtype.kind in "iu" and (converted != x).any():
        raise InputError(
            f"The input holds whole numbers such as {x[converted != x].flat[0]}, which {dtype} rounds to others.",
            'Wrap the network with dtype="float32", where whole numbers are exact up to 16,777,216.',
        )
    return converted
