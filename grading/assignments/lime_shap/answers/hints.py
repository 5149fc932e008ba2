"""The numbers in hints, measured on a student's own arrays."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Arrays, Numbers


def rows_and_columns(inputs: Arrays, outputs: Arrays) -> Numbers:
    """What the first picture's row and the first class's column sum to, and the range of all values."""
    found = outputs["of_floats"]
    return {
        "total": float(found[0].sum()),
        "down": float(found[:, 0].sum()),
        "lowest": float(found.min()),
        "highest": float(found.max()),
    }


def alone_and_together(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The first picture's largest probability, in the batch and alone."""
    together, alone = outputs["of_floats"][0], outputs["alone"][0]
    return {"together": float(together.max()), "alone": float(alone[together.argmax()])}


def sureness(inputs: Arrays, outputs: Arrays) -> Numbers:
    """How sure the network is of pictures of bytes and of the others."""
    return {name: float(outputs[f"of_{name}"].max(1).mean()) for name in ("bytes", "floats")}


def spread(inputs: Arrays, outputs: Arrays) -> Numbers:
    """Size and order of the weights."""
    found = outputs["weights"]
    return {
        "largest": float(np.abs(found).max()),
        "total": float(found[0].sum()),
        "first": float(found[0, 0]),
        "last": float(found[0, -1]),
    }


def labels(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The first label and the one after it."""
    return {"label": float(inputs["labels"][0]), "next": float(inputs["labels"][0]) + 1}


def row_total(inputs: Arrays, outputs: Arrays) -> Numbers:
    """What the first row sums to, and the largest value."""
    return {"total": float(outputs["values"][0].sum()), "largest": float(np.abs(outputs["values"]).max())}
