"""How close a student's arrays are to others: within tolerance, or how much alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from .protocol import Array, Arrays

LEAST = 1e-5
"""The tolerance relative to the largest value where float32 does no worse."""
GAPS = 10
"""Otherwise so many times the gap between the reference in float32 and in float64."""

_TINY = float(np.finfo(np.float64).tiny)
_FEW = 8
_GUESSED = 0.95
_Numbers = npt.NDArray[np.float64]


def largest(values: Array) -> float:
    """Largest absolute value."""
    return float(np.abs(as_numbers(values)).max(initial=0.0))


def as_numbers(values: Array) -> _Numbers:
    """The array in float64, without any subclass of ndarray."""
    with np.errstate(all="ignore"):
        return np.array(values, dtype=np.float64, subok=False)


def tolerance(values: Array, gap: float, scale: float = 0.0) -> float:
    """Largest difference that counts as none.

    Parameters
    ----------
    values : ndarray
        What is compared with.
    gap : float
        Of the reference between float32 and float64, relative to its largest value.
    scale : float
        Stands in for the largest value where all values are zero.

    Returns
    -------
    float
    """
    return max(max(LEAST, GAPS * gap) * (largest(values) or scale or 1.0), _TINY)


def distance(ours: Array, theirs: Array, allowed: float) -> float:
    """Largest difference in units of what is allowed: up to 1 is a match.

    Arrays of other shapes, or that hold NaN or infinite values, are infinitely far. Whole numbers and truth values
    match where they are equal.
    """
    if ours.shape != theirs.shape or ours.size == 0:
        return math.inf
    if ours.dtype.kind in "iub" and theirs.dtype.kind in "iub":
        return 0.0 if np.array_equal(ours, theirs) else math.inf
    with np.errstate(all="ignore"):
        furthest = float(np.abs(as_numbers(ours) - as_numbers(theirs)).max()) / allowed
    return furthest if math.isfinite(furthest) else math.inf


def furthest(outputs: Arrays, others: Arrays, gap: Mapping[str, float], scales: Arrays | None = None) -> float:
    """Largest `distance` over all arrays of `others`; infinite where one of them is missing."""
    if not others or any(name not in outputs for name in others):
        return math.inf
    return max(
        distance(
            outputs[name],
            values,
            tolerance(values, gap.get(name, 0.0), largest(scales[name]) if scales and name in scales else 0.0),
        )
        for name, values in others.items()
    )


def correlation(ours: Array, theirs: Array) -> float:
    """Pearson's correlation, the lower one of that over all values and the mean of those of each sample.

    So it is earned neither by the scales of the samples alone, nor by getting each of them right up to a scale of its
    own. An array whose values are all alike correlates with nothing.
    """
    over_all = _pearson(as_numbers(ours).ravel(), as_numbers(theirs).ravel())
    if theirs.ndim < 2 or len(theirs) < 2 or theirs[0].size < _FEW:
        return over_all
    samples = [
        _pearson(our, their) for our, their in zip(_rows(ours), _rows(theirs), strict=True) if not is_constant(their)
    ]
    return min(over_all, float(np.mean(samples))) if samples else over_all


def baseline(reference: Array, inputs: Arrays) -> float:
    """The best correlation that can be had without doing the task: by handing back the inputs or their size."""
    found = [correlation(candidate, reference) for candidate in _trivial(reference.shape, inputs)]
    return max([0.0, *found])


def resemblance(ours: Array, reference: Array, inputs: Arrays) -> float | None:
    """Correlation with the reference, of which 0 is the baseline and 1 a perfect one.

    Returns
    -------
    float or None
        None where the baseline is as good as the reference, so that resembling it shows nothing.
    """
    lowest = baseline(reference, inputs)
    if is_constant(reference) or lowest > _GUESSED:
        return None
    if reference.size < _FEW:
        return 0.0
    return max(0.0, (correlation(ours, reference) - lowest) / (1 - lowest))


def is_constant(values: Array) -> bool:
    """Whether the values are all alike up to rounding."""
    numbers = as_numbers(values)
    return float(np.ptp(numbers)) <= 1e-9 * float(np.abs(numbers).max()) if numbers.size else True


def factor(ours: Array, reference: Array, allowed: float) -> float | None:
    """The number that the reference has to be multiplied with to give our array, or None."""
    if ours.shape != reference.shape or ours.dtype.kind != "f" or is_constant(reference):
        return None
    scale = largest(reference)
    a, b = as_numbers(ours).ravel() / scale, as_numbers(reference).ravel() / scale
    times = float(a @ b) / float(b @ b)
    if not math.isfinite(times) or abs(times) < 1e-6:
        return None
    return times if distance(a / times, b, allowed / scale) <= 1 else None


def reordered(ours: Array, reference: Array, allowed: float) -> bool:
    """Whether each sample, or the whole, holds the reference's values in another order."""
    if ours.shape != reference.shape or is_constant(reference) or distance(ours, reference, allowed) <= 1:
        return False
    a, b = as_numbers(ours), as_numbers(reference)
    return distance(np.sort(a, axis=None), np.sort(b, axis=None), allowed) <= 1


def _rows(values: Array) -> _Numbers:
    return as_numbers(values).reshape(len(values), -1)


def _pearson(a: _Numbers, b: _Numbers) -> float:
    if is_constant(a) or is_constant(b):
        return 0.0
    # Scaled before anything is squared, so that neither huge nor tiny values overflow.
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    a, b = a - a.mean(), b - b.mean()
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    found = float(a @ b) / norms if norms > 0 else 0.0
    return min(1.0, max(-1.0, found)) if math.isfinite(found) else 0.0


def _trivial(shape: tuple[int, ...], inputs: Arrays) -> Iterator[_Numbers]:
    """What can be made of the inputs without the network: themselves, or reduced over one axis."""
    for values in inputs.values():
        if values.dtype.kind not in "fiub" or values.size == 0:
            continue
        x = as_numbers(values)
        if x.shape == shape:
            yield x
            yield np.abs(x)
        for axis in range(x.ndim):
            if x.shape[:axis] + x.shape[axis + 1 :] == shape:
                yield np.abs(x).max(axis)
                yield np.abs(x).mean(axis)
                yield x.max(axis)
                yield x.mean(axis)
