"""LIME's local R² from its definition: scikit-learn's ridge, fitted anew for each pair of neighbours left out."""

from __future__ import annotations

from typing import Any

import numpy as np


def left_out_r_squared(ridge: Any, rows: np.ndarray, worth: np.ndarray, nearness: np.ndarray) -> float:
    """1 - residuals over variation, where the first row is in every fit and each pair after it in every other's."""
    left = worth - ridge.fit(rows, worth, sample_weight=nearness).predict(rows)
    for start in range(1, len(rows), 2):
        out = np.isin(np.arange(len(rows)), [start, start + 1])
        ridge.fit(rows[~out], worth[~out], sample_weight=nearness[~out])
        left[out] = worth[out] - ridge.predict(rows[out])
    mean = np.average(worth, weights=nearness)
    return float(1 - nearness @ left**2 / (nearness @ (worth - mean) ** 2))
