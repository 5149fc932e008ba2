"""Every model and every way to its Shapley values on the same rows: who agrees with whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....comparison.agreement import agreement
from ....methods import Explanation
from .networks import Explained, NetworkValues
from .questions import Question
from .trees import Trees

NETWORK = "network"
TREE_SHAP = "TreeSHAP, "


@dataclass(frozen=True, eq=False)
class Series:
    """One model explained in one way on the compared rows.

    Attributes
    ----------
    model, method, unit : str
        In words.
    values : (m, d) float64
        Attributions in that unit.
    base : float
        Output where every feature is absent.
    error_name : str
        The estimate that the method gives of its own error.
    error : float
        Its largest value, as a share of the furthest that an output lies from the base value (of the values
        themselves for a standard error).
    spread : (m, d) float64 or None
        Standard error of each value, where the method gives one.
    standard_error : float or None
        The largest standard error of a row's values as a share of their norm.
    truth : float or None
        How far a network's values are from its exact Shapley values for the same background: relative L2 over all
        rows.
    """

    model: str
    method: str
    unit: str
    values: np.ndarray
    base: float
    error_name: str
    error: float
    spread: np.ndarray | None = None
    standard_error: float | None = None
    truth: float | None = None

    @property
    def name(self) -> str:
        """Short name for axes."""
        return f"{self.model}: {self.method.removeprefix(TREE_SHAP)}"

    @property
    def means(self) -> np.ndarray:
        """Mean |value| of each feature."""
        return np.abs(self.values).mean(axis=0)

    @property
    def shares(self) -> np.ndarray:
        """Mean |value| of each feature as a share of all: comparable whatever the unit."""
        return self.means / (self.means.sum() or 1.0)


def all_series(question: Question, trees: Sequence[Trees], network: Explained | None) -> list[Series]:
    """Put everything that was computed on the compared rows side by side, trees first."""
    found = []
    for one in trees:
        for absent, values in one.values.items():
            method = TREE_SHAP + absent.replace("_", "-")
            chosen, error = values.values[question.among_rows], values.relative_error
            found.append(Series(one.name, method, one.unit, chosen, values.base, "additivity residual", error))
    several = network is not None and len({one.of for one in network.values}) > 1
    for made in network.values if network else ():
        exact = network.exact(made.of) if network else None
        found.append(_of_network(made, exact, several))
    return found


def _of_network(made: NetworkValues, exact: NetworkValues | None, several: bool) -> Series:
    one = made.first
    values = np.asarray(one.values, dtype=np.float64)
    assert one.error is not None
    scale = None if one.error.scale is None else float(np.abs(one.error.scale).max())
    error = float(np.abs(one.error.values).max()) / (scale or 1.0)
    spread = one.extras.get("standard_error")
    return Series(
        model=NETWORK,
        method=f"{made.method}, {made.of}" if several else made.method,
        unit=made.unit,
        values=values,
        base=made.base,
        error_name=one.error.name,
        error=error,
        spread=None if spread is None else np.asarray(spread, dtype=np.float64),
        standard_error=_standard_error(one, values),
        truth=None if exact is None else _apart(values, np.asarray(exact.first.values, dtype=np.float64)),
    )


def _standard_error(one: Explanation, values: np.ndarray) -> float | None:
    if "relative_standard_error" in one.extras:
        return float(np.max(one.extras["relative_standard_error"]))
    if "standard_error" not in one.extras:
        return None
    norms = np.linalg.norm(values, axis=1)
    return float(np.max(np.linalg.norm(one.extras["standard_error"], axis=1) / np.where(norms > 0, norms, 1.0)))


def _apart(values: np.ndarray, exact: np.ndarray) -> float:
    return float(agreement(values.reshape(1, -1), exact.reshape(1, -1)).relative_l2[0])


def rank_correlations(series: Sequence[Series]) -> tuple[np.ndarray, np.ndarray]:
    """Correlate the ranks of the features between all pairs.

    Returns
    -------
    (s, s) float64, (s, s) float64
        Of the mean |value|; and of the signed values row by row, the mean over the rows.
    """
    size = len(series)
    overall, by_row = np.ones((size, size)), np.ones((size, size))
    for i in range(size):
        for j in range(i):
            means = agreement(series[i].means[None], series[j].means[None])
            rows = agreement(series[i].values, series[j].values)
            overall[i, j] = overall[j, i] = means.spearman[0]
            by_row[i, j] = by_row[j, i] = rows.spearman.mean()
    return overall, by_row


def compare_numbers(series: Sequence[Series], question: Question) -> dict[str, Any]:
    """Give what `results.json` keeps of the comparison."""
    names = question.table.feature_names
    overall, by_row = rank_correlations(series)
    position = int(np.searchsorted(question.compared, question.row))
    return {
        "rows": question.compared,
        "background_rows": question.background,
        "series": [
            {
                "model": one.model,
                "method": one.method,
                "unit": one.unit,
                "base_value": one.base,
                "error": {"name": one.error_name, "relative": one.error},
                "standard_error": one.standard_error,
                "relative_l2_from_exact": one.truth,
                "mean_abs": dict(zip(names, one.means.tolist(), strict=True)),
                "share": dict(zip(names, one.shares.tolist(), strict=True)),
                "row": dict(zip(names, one.values[position].tolist(), strict=True)),
            }
            for one in series
        ],
        "rank_correlation_of_means": overall,
        "mean_rank_correlation_by_row": by_row,
    }
