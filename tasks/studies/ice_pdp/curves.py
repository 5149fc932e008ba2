"""How a model's answer changes when one feature is set to other values: row by row, and on average."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....errors import ConfigError
from ..table_encoding import Array

Answer = Callable[[Array], Array]
"""Rows (N, D) to one number each (N,)."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The answers for every row with one feature set to each value of a grid.

    Attributes
    ----------
    grid : (G,) float64
        Values of the feature.
    ice : (N, G) float64
        Individual conditional expectation: a curve for each row.
    categorical : bool
        Whether the values are codes of categories, which have no order.
    """

    grid: Array
    ice: Array
    categorical: bool = False

    @property
    def average(self) -> Array:
        """The partial dependence (G,): the mean of all curves."""
        return self.ice.mean(axis=0)

    @property
    def standard_error(self) -> Array:
        """Of the average (G,), taking the rows for a sample of many more."""
        return self.ice.std(axis=0, ddof=1) / np.sqrt(len(self.ice))

    def centred(self) -> Curves:
        """Let every curve begin at zero, so that slopes can be compared."""
        return Curves(self.grid, self.ice - self.ice[:, :1], self.categorical)

    @property
    def differences(self) -> Array:
        """Last answer minus first one, row by row (N,); for categories those of the highest and the lowest average."""
        first, last = (self.average.argmin(), self.average.argmax()) if self.categorical else (0, -1)
        return np.asarray(self.ice[:, last] - self.ice[:, first])

    @property
    def change(self) -> float:
        """Of the average: the mean of the differences."""
        return float(self.differences.mean())

    @property
    def change_error(self) -> float:
        """Standard error of the change."""
        return float(self.differences.std(ddof=1)) / len(self.ice) ** 0.5

    @property
    def disagreement(self) -> float:
        """Share of the curves' movement that their average does not show, from 0 to 1.

        Each curve is taken around its own mean. Parallel curves, as those of an additive model, give 0; the average
        tells all. Where rows move in opposite directions the average can be flat although nothing else is, and the
        share comes near 1.
        """
        moves = self.ice - self.ice.mean(axis=1, keepdims=True)
        total = float(np.square(moves).sum())
        return float(np.square(moves - moves.mean(axis=0)).sum()) / total if total > 0 else 0.0

    @property
    def against(self) -> float:
        """Share of the rows whose answer changes in the other direction than the average."""
        return float((self.differences * self.change < 0).mean())

    @property
    def slope_spread(self) -> float | None:
        """Standard deviation of the slope over rows, averaged over the grid."""
        if self.categorical:
            return None
        return float((np.diff(self.ice, axis=1) / np.diff(self.grid)).std(axis=0, ddof=1).mean())


@dataclass(frozen=True, eq=False)
class Surface:
    """The average answer with two features set to the values of two grids.

    Attributes
    ----------
    grids : pair of (G,) and (H,) float64
    average : (G, H) float64
    supported : (G, H) bool
        Whether there is a row within one step of the grid in both directions. Where there is none, the model has
        never seen anything alike.
    """

    grids: tuple[Array, Array]
    average: Array
    supported: Array


def curves(
    answer: Answer, rows: Array, feature: int, *, grid: int, percentiles: tuple[float, float], categorical: bool = False
) -> Curves:
    """Compute ICE and PDP of one feature with scikit-learn.

    Parameters
    ----------
    answer : callable
        Rows (N, D) to one number each.
    rows : (N, D) float64
        The feature is set to each value in all of them.
    feature : int
        Number of the column.
    grid : int
        How many values; a feature with fewer different ones keeps those.
    percentiles : pair of float
        Of the rows, where the values begin and end.
    categorical : bool
        Take every category instead.

    Raises
    ------
    ConfigError
        The percentiles fall on one value.

    References
    ----------
    A. Goldstein et al., "Peeking inside the black box", Journal of Computational and Graphical Statistics 24 (2015).
    J. H. Friedman, "Greedy function approximation", Annals of Statistics 29 (2001).
    """
    found = _partial_dependence(answer, rows, [feature], "both", grid, percentiles, [feature] if categorical else None)
    return Curves(np.asarray(found["grid_values"][0], dtype=np.float64), found["individual"][0], categorical)


def surface(
    answer: Answer, rows: Array, pair: tuple[int, int], *, grid: int, percentiles: tuple[float, float]
) -> Surface:
    """Compute the partial dependence on two features; see `curves`."""
    found = _partial_dependence(answer, rows, [pair], "average", grid, percentiles, None)
    first, second = (np.asarray(values, dtype=np.float64) for values in found["grid_values"])
    near = [
        np.abs(rows[:, column, np.newaxis] - values) <= np.diff(values).max()
        for column, values in zip(pair, (first, second), strict=True)
    ]
    return Surface((first, second), found["average"][0], np.einsum("ng,nh->gh", *(n.astype(int) for n in near)) > 0)


def interaction_strength(answer: Answer, rows: Array, pair: tuple[int, int]) -> float:
    """Friedman and Popescu's H²: share of the pair's joint effect that is not the sum of the two single ones.

    Parameters
    ----------
    answer : callable
        Rows (N, D) to one number each.
    rows : (N, D) float64
        Effects are averaged over and compared at these rows: 3 N² answers.
    pair : two int
        Numbers of the columns.

    Returns
    -------
    float
        0 for effects that add up; above 1 where the single effects cancel out more than the joint one.

    References
    ----------
    J. H. Friedman and B. E. Popescu, "Predictive learning via rule ensembles", Annals of Applied Statistics 2 (2008).
    """
    joint, first, second = (_effect(answer, rows, columns) for columns in (pair, pair[:1], pair[1:]))
    total = float(np.square(joint).sum())
    return float(np.square(joint - first - second).sum()) / total if total > 0 else 0.0


def _effect(answer: Answer, rows: Array, columns: tuple[int, ...]) -> Array:
    """Centred partial dependence at the rows' own values (N,)."""
    mixed = np.tile(rows, (len(rows), 1, 1))
    for column in columns:
        mixed[:, :, column] = rows[:, column, np.newaxis]
    effect = answer(mixed.reshape(-1, rows.shape[1])).reshape(len(rows), -1).mean(axis=1)
    return np.asarray(effect - effect.mean())


def _partial_dependence(
    answer: Answer,
    rows: Array,
    features: list[Any],
    kind: str,
    grid: int,
    percentiles: tuple[float, float],
    categorical: list[int] | None,
) -> Any:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.inspection import partial_dependence

    class Asked(RegressorMixin, BaseEstimator):
        """Whatever answers with one number a row is a regressor to scikit-learn."""

        def fit(self, data: Any, target: Any) -> Asked:
            """Do nothing: the model is trained."""
            return self

        def predict(self, data: Any) -> Array:
            return answer(data)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    try:
        return partial_dependence(
            Asked(),
            rows,
            features,
            kind=kind,
            grid_resolution=grid,
            percentiles=percentiles,
            categorical_features=categorical,
            method="brute",
        )
    except ValueError as error:
        if "percentiles" not in str(error):
            raise
        raise ConfigError(
            f"The percentiles {percentiles[0]:g} and {percentiles[1]:g} of a feature are the same value.",
            "Widen ice_pdp.percentiles, for instance to [0, 1].",
        ) from error
