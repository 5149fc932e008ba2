"""What an answer has to be before it is compared with anything: names, kinds of numbers, shapes, finite values."""

from __future__ import annotations

import numpy as np

from .closeness import as_numbers, largest
from .protocol import Array, Arrays
from .text import one_line

_HUGE = 1e12
_KINDS = {
    "f": "floating-point numbers",
    "i": "whole numbers",
    "u": "whole numbers",
    "b": "truth values",
    "c": "complex numbers",
}


def unusable(outputs: Arrays, reference: Arrays, inputs: Arrays) -> str:
    """Say why an answer cannot be compared with the reference, whatever its shapes.

    Parameters
    ----------
    outputs, reference, inputs : mapping of str to ndarray

    Returns
    -------
    str
        A sentence for the student; empty where nothing is wrong.
    """
    for name in reference:
        if name not in outputs:
            return f"The output '{name}' is missing."
    for name in outputs:
        if name not in reference:
            return f"There is an output '{one_line(name, 40)}' that nobody asked for."
    for name, right in reference.items():
        ours = outputs[name]
        found, wanted = _kind(ours), _kind(right)
        if found != wanted:
            return f"The output '{name}' holds {found} ({one_line(ours.dtype, 40)}); it has to hold {wanted}."
        if ours.size == 0:
            return f"The output '{name}' is empty, of shape {ours.shape}."
        if not np.isfinite(as_numbers(ours)).all():
            return _not_finite(name, ours, inputs)
        if largest(ours) > _HUGE * (largest(right) or 1.0):
            return f"The output '{name}' holds values as large as {largest(ours):.1e}, beyond all measure."
    return ""


def misshapen(outputs: Arrays, reference: Arrays) -> str:
    """Say which output has another shape than the reference.

    Shapes must be exactly the same: NumPy would stretch a single number to any of them.

    Returns
    -------
    str
        A sentence for the student; empty where all shapes are right.
    """
    for name, right in reference.items():
        if outputs[name].shape != right.shape:
            return f"The output '{name}' has shape {outputs[name].shape}; it has to be {right.shape}."
    return ""


def sample_word(values: Array, inputs: Arrays) -> str:
    """What the first axis of an output counts: ``"picture"`` or ``"row"``, or nothing known."""
    if values.ndim == 0:
        return ""
    counted = [x.ndim for x in inputs.values() if x.ndim >= 2 and len(x) == len(values)]
    if not counted or len(values) < 2:
        return ""
    return "picture" if max(counted) > 2 else "row"


def listed(word: str, indices: list[int]) -> str:
    """Name some samples: ``"pictures 0, 1 and 3 (counting from 0)"``."""
    names = [str(index) for index in indices[:5]]
    more = len(indices) - len(names)
    if more:
        names.append(f"{more} more")
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{word}{'s' if len(indices) > 1 else ''} {joined} (counting from 0)"


def _kind(values: Array) -> str:
    return _KINDS.get(values.dtype.kind, "something that is no number")


def _not_finite(name: str, values: Array, inputs: Arrays) -> str:
    bad = ~np.isfinite(as_numbers(values))
    word = sample_word(values, inputs)
    where = f" in {listed(word, np.flatnonzero(bad.reshape(len(values), -1).any(1)).tolist())}" if word else ""
    return (
        f"The output '{name}' holds NaN or infinite values{where}. "
        "Look for a division by zero, such as normalising a map whose values are all the same."
    )
