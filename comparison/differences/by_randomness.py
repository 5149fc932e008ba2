"""Experiments with dropout that is at work although nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import Case, Trial


def active_dropout(case: Case) -> Iterator[Trial]:
    """B's output is the input, a random share of it zero and the rest enlarged accordingly."""
    y = case.b.output
    for x in case.inputs:
        if x.shape != y.shape or not np.any(y):
            continue
        dropped = (y == 0) & (x != 0)
        kept = y != 0
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 1 - 1 / float(np.median(y[kept] / x[kept]))
        among = int((x != 0).sum())
        if not 0 < p < 1 or abs(dropped.sum() - p * among) > 5 * np.sqrt(p * (1 - p) * among) + 1:
            continue
        text = f"{case.b.title} drops {dropped.sum() / among:.0%} of the values, as in training (p={p:.3g})"
        yield Trial("dropout active", text, x, np.where(dropped, 0, x / (1 - p)))
