"""LIME on one row of a table: a boosted forest's answer, explained by a weighted linear model around the row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.packages import require
from ..errors import ConfigError, TargetError
from .tables_split import Split, check_row, check_table, split_rows

if TYPE_CHECKING:
    from ..datasets import Table


@dataclass(frozen=True, eq=False)
class LimeRow:
    """LIME's explanation of one row for one class, with what is known about its error.

    Attributes
    ----------
    row, target : int
        The explained row of the table and the explained class.
    rules : tuple of str
        One interval a feature, such as ``"4.35 < petal length (cm) <= 5.10"``, in the order of the features.
    weights : (d,) float64
        How much it adds to the probability of the class that the feature lies in its interval.
    weights_std : (d,) float64
        Standard deviation of the weights over repeated draws of the neighbourhood: LIME's sampling error.
    values : (d,) float64
        The row itself.
    probabilities : (c,) float64
        The model's answer for the row.
    intercept, local_prediction : float
        The linear model's intercept and its answer for the row, to be held against ``probabilities[target]``.
    score : float
        The linear model's weighted R² on the neighbourhood, at most 1. Low: do not trust the weights.
    accuracy : float or None
        Share of the held-out rows that the model gets right; None if no row was held out.
    split : Split
        Which rows were trained on.
    seed, samples, repeats : int
        How the neighbourhood was drawn.
    feature_names, class_names : tuple of str
        Names of the table.
    explanation : lime.explanation.Explanation
        LIME's own object, for its HTML page.
    """

    row: int
    target: int
    rules: tuple[str, ...]
    weights: np.ndarray
    weights_std: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray
    intercept: float
    local_prediction: float
    score: float
    accuracy: float | None
    split: Split
    seed: int
    samples: int
    repeats: int
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    explanation: Any = field(repr=False)

    @property
    def error(self) -> float:
        """Distance between the linear model's answer for the row and the model's own."""
        return abs(self.local_prediction - float(self.probabilities[self.target]))

    def ranking(self) -> list[tuple[str, float]]:
        """List (rule, weight), the heaviest first, as LIME's ``as_list`` does."""
        order = np.argsort(-np.abs(self.weights), kind="stable")
        return [(self.rules[i], float(self.weights[i])) for i in order]


def explain_row_with_lime(
    table: Table,
    row: int = 81,
    *,
    target: int | None = None,
    seed: int = 0,
    samples: int = 5000,
    repeats: int = 5,
    split: str = "stratified",
    test_rows: int = 30,
) -> LimeRow:
    """Train gradient boosting on a table and explain one of its answers with LIME.

    Parameters
    ----------
    table : Table
        ``data`` (n, d) and class numbers in ``target`` (n,).
    row : int
        The row to explain, from 0.
    target : int, optional
        The class to explain; the predicted one if left out.
    seed : int
        Seed of the split, of the model and of the neighbourhood. NumPy's global generator is neither read nor moved.
    samples : int
        Points drawn around the row, at least 100.
    repeats : int
        Draws of the neighbourhood; the first gives the weights, all of them their spread. At least 1.
    split, test_rows
        See `split_rows`. LIME's intervals are the quartiles of the rows trained on.

    Returns
    -------
    LimeRow
        Weights of all features.

    Raises
    ------
    DataError
        The table or the row cannot be used.
    TargetError
        There is no such class.
    ConfigError
        Too few samples or repeats, or a split that does not work.
    MissingPackageError
        LIME is not installed.

    References
    ----------
    Ribeiro, Singh, Guestrin (2016), "Why Should I Trust You?": Explaining the Predictions of Any Classifier.
    """
    lime_tabular = require("lime.lime_tabular", "lime", "explain a row of a table")
    from sklearn.ensemble import GradientBoostingClassifier

    check_table(table, classes=True)
    row = check_row(table, row)
    classes = len(table.class_names)
    if target is not None and not 0 <= target < classes:
        raise TargetError(f"The table '{table.name}' has no class {target}.", f"Choose from 0 to {classes - 1}.")
    if samples < 100 or repeats < 1:
        raise ConfigError(f"LIME got samples {samples} and repeats {repeats}.", "Give at least 100 and at least 1.")

    parts = split_rows(table, split, test_rows, seed)
    data = np.asarray(table.data, dtype=np.float64)
    labels = np.asarray(table.target).astype(np.int64)
    model = GradientBoostingClassifier(random_state=seed).fit(data[parts.train], labels[parts.train])
    probabilities = model.predict_proba(data[[row]])[0]
    target = int(probabilities.argmax()) if target is None else target

    def draw(draw_seed: int) -> tuple[Any, dict[int, float]]:
        explainer = lime_tabular.LimeTabularExplainer(
            data[parts.train],
            feature_names=list(table.feature_names),
            class_names=list(table.class_names),
            # All features are asked for, so there is nothing to select; LIME's search would only cost time.
            feature_selection="none",
            random_state=draw_seed,
        )
        drawn = explainer.explain_instance(
            data[row], model.predict_proba, labels=(target,), num_features=data.shape[1], num_samples=samples
        )
        return drawn, dict(drawn.as_map()[target])

    explanation, weights = draw(seed)
    others = np.random.SeedSequence(seed).generate_state(repeats - 1)
    spread = [weights, *(draw(int(other))[1] for other in others)]
    # `as_map` and `as_list` list the same features in the same order; only the first knows their numbers.
    numbers = [number for number, _ in explanation.as_map()[target]]
    rules = dict(zip(numbers, (rule for rule, _ in explanation.as_list(target)), strict=True))
    features = range(data.shape[1])
    return LimeRow(
        row=row,
        target=target,
        rules=tuple(rules[i] for i in features),
        weights=np.array([weights[i] for i in features]),
        weights_std=np.array([[one[i] for i in features] for one in spread]).std(axis=0, ddof=min(repeats - 1, 1)),
        values=data[row].copy(),
        probabilities=probabilities,
        intercept=float(explanation.intercept[target]),
        local_prediction=float(np.ravel(explanation.local_pred)[0]),
        score=float(explanation.score),
        accuracy=float(model.score(data[parts.test], labels[parts.test])) if len(parts.test) else None,
        split=parts,
        seed=seed,
        samples=samples,
        repeats=repeats,
        feature_names=tuple(table.feature_names),
        class_names=tuple(table.class_names),
        explanation=explanation,
    )
