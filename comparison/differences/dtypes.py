"""Rounding to the floating-point types that networks compute in."""

from __future__ import annotations

import numpy as np

from ...backends.protocol import Array

DTYPES = {"bfloat16": 2.0**-8, "float16": 2.0**-11, "float32": 2.0**-24}
"""Each type's relative rounding error; those that round most come first."""


def rounded(values: Array, dtype: str) -> Array:
    """The nearest numbers of a type, in the type of `values`."""
    if dtype != "bfloat16":
        with np.errstate(over="ignore"):
            return values.astype(dtype).astype(values.dtype)
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    # Half of what is cut off is added first, and to an odd number a little more: ties go to even.
    kept = (bits + (0x7FFF + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    return kept.astype(np.uint32).view(np.float32).astype(values.dtype)


def is_of(values: Array, dtype: str) -> bool:
    """Whether every value is a number of a type."""
    return bool(np.array_equal(rounded(values, dtype), values))
