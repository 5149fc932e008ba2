"""What every right answer of `shap_values` has: it may be exact or estimated."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, Arrays, Property, Verdict


def _additive(inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    ours, right = outputs["values"], reference["values"]
    missing = np.abs(ours.sum(1) - right.sum(1))
    row = int(missing.argmax())
    holds = missing.mean() <= 0.002 * np.abs(right).sum(1).mean()
    return Verdict(bool(holds), {"row": row, "total": float(ours[row].sum())})


def _dummy(inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    ours, right = np.abs(outputs["values"]), np.abs(reference["values"])
    unused = right.max(0) <= 1e-9 * right.max()
    found = float(ours[:, unused].max(initial=0.0))
    return Verdict(found <= 0.01 * float(right.max()), {"value": found})


def _ordered(inputs: Arrays, outputs: Arrays, reference: Arrays) -> Verdict:
    pairs = list(zip(outputs["values"], reference["values"], strict=True))
    found = np.array([_rank_correlation(ours, right) for ours, right in pairs])
    return Verdict(float(found.mean()) >= 0.9, {"row": int(found.argmin()), "correlation": float(found.mean())})


def _rank_correlation(ours: Array, right: Array) -> float:
    if np.ptp(ours) == 0:
        return 0.0
    a, b = (np.argsort(np.argsort(values)).astype(np.float64) for values in (ours, right))
    return float(np.corrcoef(a, b)[0, 1])


SHAP_PROPERTIES: list[Property] = [
    Property(
        "additivity",
        "The values of row {row:d} sum to {total:.2f}, which is not its score minus the mean score of the "
        "background: call eval(), and average the scores over all rows of the background.",
        0.4,
        _additive,
    ),
    Property(
        "dummy",
        "A column that the network does not use gets {value:.2g} and not 0: call eval(), and compare the same row "
        "with and without the column.",
        0.25,
        _dummy,
    ),
    Property(
        "order",
        "The values are not in the order of the exact ones, least so in row {row:d} (rank correlation "
        "{correlation:.2f} on average): average over more orders, or over all coalitions.",
        0.35,
        _ordered,
    ),
]
