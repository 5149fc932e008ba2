"""LIME on one row of a table: a model's answer, explained by a weighted linear model around the row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..datasets.packages import require
from ..errors import ConfigError, ModelError, TargetError
from .tables_neighbours import Neighbours, Rule
from .tables_split import Split, check_row, check_table, split_rows

if TYPE_CHECKING:
    from ..datasets import Table

Answer: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Rows (n, d) of a table to probabilities (n, c)."""

FEWEST_SAMPLES = 100


@dataclass(frozen=True, eq=False)
class LimeWeights:
    """LIME's explanation of one answer for one class, with what is known about its error.

    Attributes
    ----------
    target : int
        The explained class.
    rules : tuple of str
        One interval or category a feature, such as ``"4.35 < petal length (cm) <= 5.10"`` or ``"odor=foul"``, in the
        order of the features.
    weights : (d,) float64
        How much it adds to the probability of the class that the feature obeys its rule.
    weights_std : (d,) float64
        Standard deviation of the weights over repeated draws of the neighbourhood: LIME's sampling error.
    shares : (d,) float64
        The share of neighbours drawn so that they obey the rule. Near 0, the weight rests on the row itself and on
        next to no neighbour, and its deviation over the draws does not show that.
    others : tuple of tuple of Rule
        For each feature the rules that could have held instead.
    values : (d,) float64
        The row itself.
    probabilities : (c,) float64
        The model's answer for the row.
    intercept, local_prediction : float
        The linear model's intercept and its answer for the row, to be held against ``probabilities[target]``.
    score : float
        The linear model's weighted R² on the neighbourhood, at most 1. Low: do not trust the weights.
    scores : (repeats,) float64
        The same for each draw; the first is `score`.
    seed, samples, repeats : int
        How the neighbourhood was drawn.
    feature_names, class_names : tuple of str
        Names of the table.
    explanation : lime.explanation.Explanation
        LIME's own object, for its HTML page.
    """

    target: int
    rules: tuple[str, ...]
    weights: np.ndarray
    weights_std: np.ndarray
    shares: np.ndarray
    others: tuple[tuple[Rule, ...], ...]
    values: np.ndarray
    probabilities: np.ndarray
    intercept: float
    local_prediction: float
    score: float
    scores: np.ndarray
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

    @property
    def order(self) -> np.ndarray:
        """Numbers of the features, the heaviest first."""
        return np.argsort(-np.abs(self.weights), kind="stable")

    def ranking(self) -> list[tuple[str, float]]:
        """List (rule, weight), the heaviest first, as LIME's ``as_list`` does."""
        return [(self.rules[i], float(self.weights[i])) for i in self.order]


@dataclass(frozen=True, eq=False)
class LimeRow(LimeWeights):
    """LIME's explanation of a row of a table.

    Attributes
    ----------
    row : int
        The explained row of the table.
    accuracy : float or None
        Share of the held-out rows that the model gets right; None if no row was held out.
    split : Split
        Which rows were trained on.
    """

    row: int
    accuracy: float | None
    split: Split


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
        ``data`` (n, d) and class numbers in ``target`` (n,). Gradient boosting takes codes of categories as numbers.
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
    require("lime.lime_tabular", "lime", "explain a row of a table")
    from sklearn.ensemble import GradientBoostingClassifier

    check_table(table, classes=True)
    row = check_row(table, row)
    _check_draws(table, target, samples, repeats)
    parts = split_rows(table, split, test_rows, seed)
    data = np.asarray(table.data, dtype=np.float64)
    labels = np.asarray(table.target).astype(np.int64)
    model = GradientBoostingClassifier(random_state=seed).fit(data[parts.train], labels[parts.train])
    found = explain_answer_with_lime(
        Neighbours(table, data[parts.train]),
        table,
        data[row],
        model.predict_proba,
        target=target,
        seed=seed,
        samples=samples,
        repeats=repeats,
    )
    accuracy = float(model.score(data[parts.test], labels[parts.test])) if len(parts.test) else None
    return LimeRow(**vars(found), row=row, accuracy=accuracy, split=parts)


def explain_answer_with_lime(
    neighbours: Neighbours,
    table: Table,
    values: np.ndarray,
    answer: Answer,
    *,
    target: int | None = None,
    seed: int = 0,
    samples: int = 5000,
    repeats: int = 5,
) -> LimeWeights:
    """Explain the answer of any model for any row, in the table or not.

    Parameters
    ----------
    neighbours : Neighbours
        Of the same table.
    table : Table
        Names of features and classes.
    values : (d,) float64
        The row.
    answer : callable
        Rows (n, d) to probabilities (n, c).
    target, seed, samples, repeats
        As in `explain_row_with_lime`.

    Returns
    -------
    LimeWeights
        Weights of all features.

    Raises
    ------
    TargetError, ConfigError
        As `explain_row_with_lime`.
    ModelError
        The model does not answer with probabilities.
    """
    _check_draws(table, target, samples, repeats)
    values = np.array(values, dtype=np.float64)
    probabilities = np.asarray(answer(values[None]), dtype=np.float64)
    if probabilities.shape != (1, len(table.class_names)) or not np.isclose(probabilities.sum(), 1, atol=1e-4):
        raise ModelError(
            f"For one row the model answers an array of shape {probabilities.shape}, sum {probabilities.sum():.4g}.",
            f"Give a function that returns {len(table.class_names)} probabilities a row.",
        )
    target = int(probabilities[0].argmax()) if target is None else target
    seeds = [seed, *map(int, np.random.SeedSequence(seed).generate_state(repeats - 1))]
    drawn = [neighbours.draw(values, answer, target, samples, one) for one in seeds]
    features = range(len(values))
    weights = np.array([[dict(one.as_map()[target])[i] for i in features] for one in drawn])
    # `as_map` and `as_list` list the same features in the same order; only the first knows their numbers.
    numbers = [number for number, _ in drawn[0].as_map()[target]]
    texts = dict(zip(numbers, (rule for rule, _ in drawn[0].as_list(target)), strict=True))
    rules = neighbours.rules(values)
    return LimeWeights(
        target=target,
        rules=tuple(texts[i] for i in features),
        weights=weights[0],
        weights_std=weights.std(axis=0, ddof=min(repeats - 1, 1)),
        shares=np.array([0.0 if own is None else own.share for own, _ in rules]),
        others=tuple(tuple(others) for _, others in rules),
        values=values,
        probabilities=probabilities[0],
        intercept=float(drawn[0].intercept[target]),
        local_prediction=float(np.ravel(drawn[0].local_pred)[0]),
        score=float(drawn[0].score),
        scores=np.array([float(one.score) for one in drawn]),
        seed=seed,
        samples=samples,
        repeats=repeats,
        feature_names=tuple(table.feature_names),
        class_names=tuple(table.class_names),
        explanation=drawn[0],
    )


def _check_draws(table: Table, target: int | None, samples: int, repeats: int) -> None:
    classes = len(table.class_names)
    if target is not None and not 0 <= target < classes:
        raise TargetError(f"The table '{table.name}' has no class {target}.", f"Choose from 0 to {classes - 1}.")
    if samples < FEWEST_SAMPLES or repeats < 1:
        raise ConfigError(
            f"LIME got samples {samples} and repeats {repeats}.", f"Give at least {FEWEST_SAMPLES} and at least 1."
        )
