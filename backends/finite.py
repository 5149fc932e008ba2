"""Whether numbers are numbers."""

from __future__ import annotations

import numpy as np

from .protocol import Array

_LARGE = 1 << 14


def all_finite(array: Array) -> bool:
    """Whether an array holds neither NaN nor infinite values.

    Of a large array without a second one of true and false: for that the system may have to make pages anew, which
    takes longer than to look at the numbers.
    """
    if array.size < _LARGE:
        return bool(np.isfinite(array).all())
    # Both are NaN if any number is.
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))
