"""Exact Shapley values of boosted trees on a table, and the pairwise interactions they are made of."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.packages import require
from ..errors import ConfigError, MethodError, TargetError, suggest
from .tables_split import Split, check_row, check_table, split_rows

if TYPE_CHECKING:
    from ..datasets import Table

MODELS = ("regressor", "classifier")


@dataclass(frozen=True, eq=False)
class TreeShap:
    """Shapley values of every row of a table, with the checks they passed.

    Attributes
    ----------
    row : int
        The row shown on its own.
    model : str
        ``"regressor"`` or ``"classifier"``.
    target : int or None
        The explained class of a classifier.
    output : str
        What the values add up to, in words: the predicted target, or the log-odds of a class.
    data, values : (n, d) float64
        The table, and each feature's Shapley value in the unit of ``output``.
    interactions : (n, d, d) float64
        Symmetric; off the diagonal half of a pair's interaction, on it the main effect. Rows add up to ``values``.
    base : float
        The expected output: the mean over the rows trained on, weighted as the trees weigh them.
    predictions : (n,) float64
        The model's output, which is ``base`` plus the sum of ``values``.
    importance : (d,) float64
        XGBoost's own feature importance (share of the gain), non-negative, adds up to 1.
    additivity_error, interaction_error : float
        Largest deviation from the two sums just named.
    score, score_name : float or None, str
        Root mean squared error or accuracy on the held-out rows; None if no row was held out.
    split : Split
        Which rows were trained on.
    seed : int
        Seed of the split and of the model.
    feature_names : tuple of str
        Names of the columns.
    booster : xgboost.XGBModel
        The trained model.
    """

    row: int
    model: str
    target: int | None
    output: str
    data: np.ndarray
    values: np.ndarray
    interactions: np.ndarray
    base: float
    predictions: np.ndarray
    importance: np.ndarray
    additivity_error: float
    interaction_error: float
    score: float | None
    score_name: str
    split: Split
    seed: int
    feature_names: tuple[str, ...]
    booster: Any = field(repr=False)

    def ranking(self) -> np.ndarray:
        """Feature numbers (d,), the one with the largest mean |value| first."""
        return np.argsort(-np.abs(self.values).mean(axis=0), kind="stable")

    def partner(self, feature: int) -> int:
        """Return the other feature with the largest mean |interaction| with this one."""
        strength = np.abs(self.interactions[:, feature]).mean(axis=0)
        strength[feature] = -1.0
        return int(strength.argmax())


def explain_with_tree_shap(
    table: Table,
    row: int = 30,
    *,
    model: str = "regressor",
    target: int | None = None,
    seed: int = 0,
    split: str = "stratified",
    test_rows: int = 30,
    max_depth: int = 4,
    learning_rate: float = 0.05,
    trees: int = 150,
    tolerance: float = 1e-3,
) -> TreeShap:
    """Train XGBoost on a table and split each of its answers into exact Shapley values.

    Parameters
    ----------
    table : Table
        ``data`` (n, d), ``target`` (n,).
    row : int
        The row to show on its own, from 0.
    model : {"regressor", "classifier"}
        The regressor learns class numbers as if they were amounts, the classifier learns log-odds.
    target : int, optional
        The class that is explained for a classifier; the predicted one of `row` if left out.
    seed : int
        Seed of the split and of the model.
    split, test_rows
        See `split_rows`. All rows are explained, whichever part they are in.
    max_depth, learning_rate, trees
        XGBoost's ``max_depth``, ``learning_rate`` and ``n_estimators``.
    tolerance : float
        Largest accepted deviation of the sums, relative to the largest output where that exceeds 1.

    Returns
    -------
    TreeShap
        Path-dependent values: an absent feature follows both branches, weighted by the rows trained on in each.

    Raises
    ------
    DataError
        The table or the row cannot be used.
    TargetError
        There is no such class, or a class was given for the regressor.
    ConfigError
        Unknown model or split.
    MethodError
        The values do not add up.
    MissingPackageError
        shap or xgboost is not installed.

    References
    ----------
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees.
    """
    with warnings.catch_warnings():
        # shap sets its colour maps in a way that Matplotlib is going to retire.
        warnings.filterwarnings("ignore", r"The set_(bad|over|under) function", PendingDeprecationWarning)
        shap = require("shap", "shap", "split the answers of trees")
    xgboost = require("xgboost", "xgboost", "grow the trees that SHAP explains")
    if model not in MODELS:
        raise ConfigError(f"There is no model '{model}' for SHAP on tables.", suggest(model, MODELS))
    classifies = model == "classifier"
    check_table(table, classes=classifies)
    row = check_row(table, row)
    if target is not None and not (classifies and 0 <= target < len(table.class_names)):
        raise TargetError(
            f"The {model} on the table '{table.name}' has no class {target}.",
            f"Choose from 0 to {len(table.class_names) - 1}." if classifies else "Leave the target out.",
        )
    if min(max_depth, trees) < 1 or learning_rate <= 0:
        raise ConfigError(
            f"XGBoost got max_depth {max_depth}, trees {trees} and learning_rate {learning_rate}.",
            "Give positive numbers.",
        )

    parts = split_rows(table, split, test_rows, seed)
    data, labels = np.asarray(table.data, dtype=np.float64), np.asarray(table.target)
    settings = {"max_depth": max_depth, "learning_rate": learning_rate, "n_estimators": trees, "random_state": seed}
    # One thread: tables of this size gain nothing from more, and other libraries' thread pools stay undisturbed.
    constructor = xgboost.XGBClassifier if classifies else xgboost.XGBRegressor
    booster = constructor(n_jobs=1, **settings).fit(data[parts.train], labels[parts.train])
    explainer = shap.TreeExplainer(booster)
    values = np.asarray(explainer.shap_values(data), dtype=np.float64)
    interactions = np.asarray(explainer.shap_interaction_values(data), dtype=np.float64)
    base = np.ravel(np.asarray(explainer.expected_value, dtype=np.float64))
    predictions = np.asarray(booster.predict(data, output_margin=True), dtype=np.float64)
    output = f"predicted {table.name} target"
    if classifies:
        target = int(booster.predict(data[[row]])[0]) if target is None else target
        output = f"log-odds of {table.class_names[target]}"
        if predictions.ndim == 1:
            # Two classes share one margin, that of class 1; class 0 is its mirror image.
            sign = 1.0 if target == 1 else -1.0
            values, interactions, base, predictions = (sign * a for a in (values, interactions, base, predictions))
        else:
            values, interactions = values[..., target], interactions[..., target]
            base, predictions = base[[target]], predictions[:, target]

    limit = tolerance * max(1.0, float(np.abs(predictions).max()))
    return TreeShap(
        row=row,
        model=model,
        target=target,
        output=output,
        data=data,
        values=values,
        interactions=interactions,
        base=float(base[0]),
        predictions=predictions,
        importance=np.asarray(booster.feature_importances_, dtype=np.float64),
        additivity_error=_checked(base[0] + values.sum(axis=1) - predictions, limit, "base and SHAP values"),
        interaction_error=_checked(interactions.sum(axis=2) - values, limit, "interaction values"),
        score=_held_out_score(booster, data[parts.test], labels[parts.test], classifies),
        score_name="accuracy" if classifies else "root mean squared error",
        split=parts,
        seed=seed,
        feature_names=tuple(table.feature_names),
        booster=booster,
    )


def _held_out_score(booster: Any, data: np.ndarray, labels: np.ndarray, classifies: bool) -> float | None:
    if not len(data):
        return None
    # Not R²: it means nothing where the held-out targets are all alike, as at the end of a sorted table.
    answers = booster.predict(data)
    return float((answers == labels).mean() if classifies else np.sqrt(np.square(answers - labels).mean()))


def _checked(deviation: np.ndarray, limit: float, what: str) -> float:
    """Return the largest deviation, or raise if it exceeds the limit (NaN does)."""
    largest = float(np.abs(deviation).max())
    if not largest <= limit:
        raise MethodError(
            f"The {what} miss their sum by {largest:.3g}, more than the tolerance {limit:.3g}.",
            "Check that the installed shap supports this version of xgboost.",
        )
    return largest
