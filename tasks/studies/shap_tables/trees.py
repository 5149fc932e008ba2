"""A random forest and XGBoost on a table, and their exact Shapley values under both notions of an absent feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....comparison.agreement import agreement
from ....datasets.packages import require
from ...tables_shap import held_out_score, margin_of
from ...tables_tree_values import Absent, TreeValues, partner, ranking, tree_interactions, tree_values
from .questions import Question

if TYPE_CHECKING:
    from .settings import ShapTables

FOREST, BOOSTING = "random forest", "XGBoost"


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees and their values on the rows of a question.

    Attributes
    ----------
    name : str
        `FOREST` or `BOOSTING`.
    unit : str
        What the values add up to, in words.
    score : float or None
        Accuracy or root mean squared error on held-out rows.
    absent : {"path_dependent", "interventional"}
        Which values the figures show.
    values : dict of str to TreeValues
        Both kinds.
    interactions : (n, d, d) float64
        Of the path-dependent values: nothing else is defined in shap.
    interaction_error : float
        Largest deviation of their sums from the values, as a share of what there is to share out.
    """

    name: str
    unit: str
    score: float | None
    absent: Absent
    values: dict[Absent, TreeValues]
    interactions: np.ndarray
    interaction_error: float

    @property
    def drawn(self) -> TreeValues:
        """The values that the figures show."""
        return self.values[self.absent]

    def features(self, question: Question) -> tuple[int, int]:
        """Return the features on the axes and in the colour of the dependence plot."""
        feature, other = question.dependence, question.interaction
        if feature is None:
            first, second, *_ = ranking(self.drawn.values)
            feature = int(second if first == other else first)
        return feature, partner(self.interactions, feature) if other is None else other

    def kinds_apart(self) -> dict[str, float]:
        """Return how far the two kinds of values are apart: relative L2 over all, Spearman of the mean |value|."""
        both = [self.values["interventional"].values, self.values["path_dependent"].values]
        whole = agreement(*(values.reshape(1, -1) for values in both))
        means = agreement(*(np.abs(values).mean(axis=0, keepdims=True) for values in both))
        return {"relative_l2": float(whole.relative_l2[0]), "spearman_of_means": float(means.spearman[0])}


def require_trees() -> None:
    """Import what the study cannot do without, before anything takes long.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    require("sklearn.ensemble", "scikit-learn", "grow a random forest")
    require("xgboost", "xgboost", "grow boosted trees")


def explained_trees(question: Question, settings: ShapTables, seed: int) -> list[Trees]:
    """Grow both kinds of trees on a table and explain them.

    Raises
    ------
    MethodError
        If values do not add up.
    """
    table, label = question.table, question.label
    data, target = np.asarray(table.data, dtype=np.float64), np.asarray(table.target)
    train, test = question.split.train, question.split.test
    if label is None:
        units = dict.fromkeys((FOREST, BOOSTING), value_unit(question))
    else:
        units = {FOREST: probability_unit(question), BOOSTING: margin_of(table.class_names, label)}
    found = []
    for name, model in _models(settings, label is not None, seed).items():
        model.fit(data[train], target[train])
        rows = data[question.rows]
        values: dict[Absent, TreeValues] = {
            "path_dependent": tree_values(model, rows, label),
            "interventional": tree_values(model, rows, label, data[question.background]),
        }
        interactions, error = tree_interactions(model, rows, values["path_dependent"], label)
        score = held_out_score(model, data[test], target[test], label is not None)
        share = error / values["path_dependent"].reach
        found.append(Trees(name, units[name], score, settings.absent, values, interactions, share))
    return found


def value_unit(question: Question) -> str:
    """Name what a regression predicts."""
    return question.table.target_name or f"predicted {question.table.name} target"


def probability_unit(question: Question) -> str:
    """Name the probability of the explained class."""
    return f"probability of {question.label_name}"


def _models(settings: ShapTables, classifies: bool, seed: int) -> dict[str, Any]:
    import xgboost
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest, boosting = settings.forest, settings.boosting
    # One thread: tables of this size gain nothing from more, and other libraries' thread pools stay undisturbed.
    common = {"random_state": seed, "n_jobs": 1}
    return {
        FOREST: (RandomForestClassifier if classifies else RandomForestRegressor)(
            n_estimators=forest.trees, max_depth=forest.max_depth, **common
        ),
        BOOSTING: (xgboost.XGBClassifier if classifies else xgboost.XGBRegressor)(
            n_estimators=boosting.trees,
            max_depth=boosting.max_depth,
            learning_rate=boosting.learning_rate,
            **common,
        ),
    }
