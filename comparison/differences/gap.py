"""How far apart two arrays are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backends.protocol import Array


@dataclass(frozen=True)
class Gap:
    """The distance of an array from its reference.

    Attributes
    ----------
    max_abs : float
        Largest absolute difference; infinite where the shapes differ or one side is not finite where the other is.
    relative_l2 : float
        ``‖a - b‖ / max(‖a‖, ‖b‖)``: 0 is equality, 1 is one side that is zero.
    """

    max_abs: float
    relative_l2: float


_FEW = 64
NO_GAP = Gap(0.0, 0.0)


def gap(a: Array | None, b: Array | None) -> Gap:
    """Compare two arrays; None is what no gradient reaches, and equals zeros."""
    relative = relative_l2(a, b)
    if a is None or b is None:
        present = a if a is not None else b
        return NO_GAP if present is None or not relative else Gap(float(np.abs(present).max()), relative)
    if relative == 0 or not np.isfinite(relative):
        return Gap(relative, relative)
    with np.errstate(invalid="ignore"):
        difference = np.subtract(a, b, dtype=np.result_type(a, b, np.float32))
    return Gap(float(np.nanmax(np.abs(difference))), relative)


def relative_l2(a: Array | None, b: Array | None) -> float:
    """The same, without the largest difference, which takes longer."""
    if a is None or b is None:
        present = a if a is not None else b
        return 0.0 if present is None or not np.any(present) else 1.0
    if a.shape != b.shape:
        return float("inf")
    # Most layers agree to the bit or nowhere: a few numbers tell which, and equality is the faster test.
    if np.array_equal(a.ravel()[:_FEW], b.ravel()[:_FEW]) and np.array_equal(a, b):
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        apart = norm(np.subtract(a, b, dtype=np.result_type(a, b, np.float32)))
    if apart == 0:
        return 0.0
    if not np.isfinite(apart):
        return _beside_non_finite(a, b)
    scale = norm(a)
    if apart > 1e-3 * scale:
        scale = max(scale, norm(b))
    return apart / scale


def norm(values: Array) -> float:
    """Euclidean norm, free of the overflow and underflow of squares."""
    flat = np.ravel(values)
    if flat.dtype.kind != "f":
        flat = flat.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        square = float(np.dot(flat, flat))
    if 1e-30 < square < 1e30:
        return float(np.sqrt(square))
    largest = float(np.abs(flat).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest  # NaN where there is one
    scaled = flat.astype(np.float64) / largest
    return largest * float(np.sqrt(np.dot(scaled, scaled)))


def _beside_non_finite(a: Array, b: Array) -> float:
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    return relative_l2(np.where(finite, a, 0), np.where(finite, b, 0)) if (same | finite).all() else float("inf")
