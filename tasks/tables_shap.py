"""Exact Shapley values of boosted trees on a table, and the pairwise interactions they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.packages import require
from ..errors import ConfigError, TargetError, suggest
from .tables_split import Split, check_row, check_table, split_rows
from .tables_tree_values import TOLERANCE, partner, ranking, tree_interactions, tree_values

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
        What the values add up to, in words: the predicted target, or the margin of a class.
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
        return ranking(self.values)

    def partner(self, feature: int) -> int:
        """Return the other feature with the largest mean |interaction| with this one."""
        return partner(self.interactions, feature)


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
    tolerance: float = TOLERANCE,
) -> TreeShap:
    """Train XGBoost on a table and split each of its answers into exact Shapley values.

    Parameters
    ----------
    table : Table
        ``data`` (n, d), ``target`` (n,).
    row : int
        The row to show on its own, from 0.
    model : {"regressor", "classifier"}
        The regressor learns class numbers as if they were amounts, the classifier learns margins: log-odds where there
        are two classes.
    target : int, optional
        The class that is explained for a classifier; the predicted one of `row` if left out.
    seed : int
        Seed of the split and of the model.
    split, test_rows
        See `split_rows`. All rows are explained, whichever part they are in.
    max_depth, learning_rate, trees
        XGBoost's ``max_depth``, ``learning_rate`` and ``n_estimators``.
    tolerance : float
        See `TOLERANCE`.

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
    output = f"predicted {table.name} target"
    if classifies:
        target = int(booster.predict(data[[row]])[0]) if target is None else target
        output = margin_of(table.class_names, target)
    found = tree_values(booster, data, target, tolerance=tolerance)
    interactions, interaction_error = tree_interactions(booster, data, found, target, tolerance)
    return TreeShap(
        row=row,
        model=model,
        target=target,
        output=output,
        data=data,
        values=found.values,
        interactions=interactions,
        base=found.base,
        predictions=found.predictions,
        importance=np.asarray(booster.feature_importances_, dtype=np.float64),
        additivity_error=found.additivity_error,
        interaction_error=interaction_error,
        score=held_out_score(booster, data[parts.test], labels[parts.test], classifies),
        score_name="accuracy" if classifies else "root mean squared error",
        split=parts,
        seed=seed,
        feature_names=tuple(table.feature_names),
        booster=booster,
    )


def margin_of(class_names: Sequence[str], target: int) -> str:
    """Name what XGBoost's classifier adds up to: log-odds for two classes, scores before a softmax for more."""
    kind = "log-odds" if len(class_names) == 2 else "margin (score before the softmax)"
    return f"{kind} of {class_names[target]}"


def held_out_score(model: Any, data: np.ndarray, labels: np.ndarray, classifies: bool) -> float | None:
    """Give the accuracy or the root mean squared error on rows that a model has not seen; None without such rows."""
    if not len(data):
        return None
    # Not R²: it means nothing where the held-out targets are all alike, as at the end of a sorted table.
    answers = model.predict(data)
    return float((answers == labels).mean() if classifies else np.sqrt(np.square(answers - labels).mean()))
