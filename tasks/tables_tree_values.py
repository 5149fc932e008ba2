"""Exact Shapley values of trees, whatever grew them, and the proof that they add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..datasets.packages import require_shap
from ..errors import MethodError

_PURPOSE = "split the answers of trees"
TOLERANCE = 1e-4
"""Largest accepted deviation of a sum, as a share of the furthest that a prediction lies from the base value."""

Absent = Literal["path_dependent", "interventional"]


@dataclass(frozen=True, eq=False)
class TreeValues:
    """Shapley values of some rows, and how well they add up.

    Attributes
    ----------
    values : (n, d) float64
        In the unit of `predictions`.
    base : float
        What the trees say where every feature is absent.
    predictions : (n,) float64
        The trees' output for the explained class or value, as they compute it themselves.
    absent : {"path_dependent", "interventional"}
        What stands for an absent feature: both branches, weighted by the rows trained on in each; or the values of
        background rows, one after the other.
    additivity_error : float
        Largest ``|base + sum of values - prediction|`` over the rows.
    relative_error : float
        The same as a share of the largest ``|prediction - base|``.
    """

    values: np.ndarray
    base: float
    predictions: np.ndarray
    absent: Absent
    additivity_error: float
    relative_error: float

    @property
    def reach(self) -> float:
        """How far the prediction of a row lies from the base value at most: what there is to be shared out."""
        return reach(self.predictions, self.base)


def tree_values(
    model: Any,
    data: np.ndarray,
    target: int | None = None,
    background: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
) -> TreeValues:
    """Split what trees say of each row into exact Shapley values.

    Parameters
    ----------
    model : fitted random forest of scikit-learn or XGBoost model
        XGBoost's classifier is explained by its margins, scikit-learn's by its probabilities.
    data : (n, d) float
    target : int, optional
        The explained class of a classifier.
    background : (b, d) float, optional
        Rows that stand for absent features. Left out, the values are path-dependent.
    tolerance : float
        See `TOLERANCE`.

    Raises
    ------
    MethodError
        The values do not add up to the predictions or, with a background, the base value is not its mean prediction.
    MissingPackageError
        shap is not installed.
    """
    rows, explainer = _as_trees_read(data), _explainer(model, background)
    predictions = of_class(_output(model, rows), target, 1)
    values = of_class(_added_up(explainer, rows), target, 2)
    base = float(of_class(np.ravel(np.asarray(explainer.expected_value, dtype=np.float64)), target, 0))
    far = reach(predictions, base)
    if background is not None:
        mean = of_class(_output(model, _as_trees_read(background)), target, 1).mean()
        deviation("base value and the background's mean prediction", np.array([base - mean]), far, tolerance, base)
    error = deviation("base and SHAP values", base + values.sum(axis=1) - predictions, far, tolerance, base)
    absent: Absent = "path_dependent" if background is None else "interventional"
    return TreeValues(values, base, predictions, absent, error, error / far)


def tree_interactions(
    model: Any, data: np.ndarray, found: TreeValues, target: int | None = None, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, float]:
    """Split path-dependent Shapley values into main effects and interactions of pairs.

    Parameters
    ----------
    model, data, target, tolerance
        As for `tree_values`.
    found : TreeValues
        Path-dependent values of the same rows.

    Returns
    -------
    (n, d, d) float64, float
        Symmetric; off the diagonal half of a pair's interaction, on it the main effect. And the largest deviation of
        a row's sum from its Shapley value.
    """
    explainer = require_shap(_PURPOSE).TreeExplainer(model)
    interactions = of_class(explainer.shap_interaction_values(_as_trees_read(data)), target, 3)
    missed = interactions.sum(axis=2) - found.values
    return interactions, deviation("interaction values", missed, found.reach, tolerance, found.base)


def ranking(values: np.ndarray) -> np.ndarray:
    """Feature numbers (d,), the one with the largest mean |value| first."""
    return np.argsort(-np.abs(values).mean(axis=0), kind="stable")


def partner(interactions: np.ndarray, feature: int) -> int:
    """Return the other feature with the largest mean |interaction| with this one."""
    strength = np.abs(interactions[:, feature]).mean(axis=0)
    strength[feature] = -1.0
    return int(strength.argmax())


def reach(predictions: np.ndarray, base: float) -> float:
    """Give the largest distance of a prediction from the base value; 1 where there is none to share out."""
    return float(np.abs(predictions - base).max()) or 1.0


def deviation(what: str, missed: np.ndarray, far: float, tolerance: float, base: float) -> float:
    """Return the largest of some deviations.

    Raises
    ------
    MethodError
        It is more than the tolerance allows, or NaN.
    """
    largest = float(np.abs(missed).max())
    # XGBoost adds in single precision: a large base value leaves less of what is added to it.
    limit = tolerance * far + 100 * float(np.finfo(np.float32).eps) * abs(base)
    if not largest <= limit:
        raise MethodError(
            f"The {what} miss their sum by {largest:.3g}, more than the tolerance {limit:.3g}.",
            "Check that the installed shap supports this version of the library that grew the trees.",
        )
    return largest


def of_class(found: Any, target: int | None, before: int) -> np.ndarray:
    """Pick one class of an array whose last axis, after `before` others, holds them.

    XGBoost has one margin for two classes, that of class 1; class 0 is its mirror image.
    """
    array = np.asarray(found, dtype=np.float64)
    if array.ndim > before and array.shape[-1] > 1 and target is not None:
        return array[..., target]
    if array.ndim > before:
        array = array[..., 0]
    return -array if target == 0 else array


def _explainer(model: Any, background: np.ndarray | None) -> Any:
    shap = require_shap(_PURPOSE)
    if background is None:
        return shap.TreeExplainer(model)
    rows = _as_trees_read(background)
    # Left to itself, shap takes no more than a hundred rows.
    masker = shap.maskers.Independent(rows, max_samples=len(rows))
    explainer = shap.TreeExplainer(model, masker, feature_perturbation="interventional")
    # Here shap rounds thresholds to single precision, upwards too, and rows beside them change sides.
    explainer.model.thresholds = _rounded_down(explainer.model.thresholds)
    return explainer


def _output(model: Any, rows: np.ndarray) -> np.ndarray:
    """Give what TreeSHAP explains: margins of XGBoost, probabilities of a forest, or values."""
    if hasattr(model, "get_booster"):
        return np.asarray(model.predict(rows, output_margin=True))
    return np.asarray(model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows))


def _as_trees_read(rows: np.ndarray) -> np.ndarray:
    """Round to single precision, as both libraries do: a value beside a threshold must not change sides."""
    return np.asarray(rows, dtype=np.float32).astype(np.float64)


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest numbers of single precision that are not above: rows in it stay on their side of those."""
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest).astype(thresholds.dtype)


def _added_up(explainer: Any, rows: np.ndarray) -> np.ndarray:
    from shap.utils._exceptions import ExplainerError

    try:
        return np.asarray(explainer.shap_values(rows), dtype=np.float64)
    except ExplainerError as error:
        raise MethodError(
            "The SHAP values of the trees do not add up, says shap itself.",
            "Check that the installed shap supports this version of the library that grew the trees.",
        ) from error
