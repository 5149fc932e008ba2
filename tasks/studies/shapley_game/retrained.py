"""Columns as players: a model is fitted anew without those that are absent, as the definition wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets.columns import without_columns
from ....datasets.packages import require
from ....errors import DataError
from ....methods.perturbation.exact_shapley import shapley_values
from ....methods.perturbation.function_games import exact_game, marginal_game
from ....methods.perturbation.shapley_game import Floats
from ...tables_split import split_rows
from ..table_choice import NO_OTHER_SPLIT
from ..table_encoding import Encoding
from .settings import Retrained

if TYPE_CHECKING:
    from ....datasets import Table

_TREES = 30
_SHUFFLES = 10


@dataclass(frozen=True, eq=False)
class Draw:
    """Rows to train on and to test on, and the seed of the model."""

    train: np.ndarray
    test: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class RetrainedGames:
    """Two games of the same columns, over R repeats, each with rows held out and a seed of its own.

    Attributes
    ----------
    score_worth, row_worth : ndarray (R, 2**K)
        By coalition, in the order of its bits: the held-out score of a model fitted on these columns (R² or accuracy),
        and what it predicts for the row (for a classifier, the probability of the row's class).
    score_values, row_values : ndarray (R, K)
        Their Shapley values.
    permutation : ndarray (R, K)
        Permutation importance of the model on all columns: how far its held-out score falls.
    marginal : ndarray (R, K)
        Shapley values of the row for that one model, absent columns taken from rows of the background.
    """

    score_worth: Floats
    row_worth: Floats
    score_values: Floats
    row_values: Floats
    permutation: Floats
    marginal: Floats


def draw_repeats(table: Table, settings: Retrained, seed: int) -> list[Draw]:
    """Hold out rows for every repeat; the explained row is never trained on.

    Raises
    ------
    ConfigError, DataError
        If the rows cannot be held out.
    MissingPackageError
        If scikit-learn is not installed.
    """
    require("sklearn", "scikit-learn", "fit a model on every subset of the columns")
    draws = []
    for number in np.random.SeedSequence(seed).generate_state(settings.repeats) % 2**31:
        parts = split_rows(table, "stratified", settings.test_rows, int(number), NO_OTHER_SPLIT)
        train = parts.train[parts.train != settings.row]
        for label, name in enumerate(table.class_names):
            if not (table.target[train] == label).any():
                raise DataError(
                    f"Without row {settings.row}, no row of the class '{name}' is left for training.",
                    "Explain another row, or hold back fewer rows.",
                )
        draws.append(Draw(train, parts.test, int(number)))
    return draws


def retrain(table: Table, settings: Retrained, draws: Sequence[Draw]) -> RetrainedGames:
    """Fit a model on every subset of the columns, and share out what it scores and what it predicts.

    Without any column, the model predicts the mean of the target, or the shares of the classes.
    """
    places = range(1 << table.data.shape[1])
    # One after the other: threads wait for each other here, and processes take as long to start as they save.
    found = [_played(table, settings, draw, place) for draw in draws for place in places]
    worth = np.array(found).reshape(len(draws), len(places), 2)
    whole = [_judged(table, settings, draw) for draw in draws]
    return RetrainedGames(
        worth[..., 0],
        worth[..., 1],
        *(np.stack([shapley_values(one) for one in worth[..., kind]]) for kind in (0, 1)),
        *(np.stack([each[kind] for each in whole]) for kind in (0, 1)),
    )


def _played(table: Table, settings: Retrained, draw: Draw, place: int) -> tuple[float, float]:
    """Held-out score and prediction of the row, of a model on the columns whose bits are set."""
    columns = [j for j in range(table.data.shape[1]) if place >> j & 1]
    model = _model(table, columns, settings.model, draw)
    score = model.score(table.data[draw.test][:, columns], table.target[draw.test])
    return float(score), float(_predict(model, table, settings.row)(table.data[[settings.row]][:, columns])[0])


def _judged(table: Table, settings: Retrained, draw: Draw) -> tuple[Floats, Floats]:
    """Permutation importance and interventional Shapley values of the model on all columns."""
    from sklearn.inspection import permutation_importance

    every = list(range(table.data.shape[1]))
    model = _model(table, every, settings.model, draw)
    test, answers = table.data[draw.test], table.target[draw.test]
    falls = permutation_importance(model, test, answers, n_repeats=_SHUFFLES, random_state=draw.seed).importances_mean
    rng = np.random.default_rng(draw.seed)
    background = table.data[rng.choice(draw.train, min(settings.background, len(draw.train)), replace=False)]
    game = marginal_game(_predict(model, table, settings.row), table.data[settings.row], background)
    return falls, exact_game(game, len(every)).values


def _model(table: Table, columns: list[int], kind: str, draw: Draw) -> Any:
    """A fitted model on some columns."""
    rows, wanted = table.data[draw.train][:, columns], table.target[draw.train]
    if not columns:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        constant = DummyClassifier(strategy="prior") if table.class_names else DummyRegressor()
        return constant.fit(np.zeros((len(rows), 1)), wanted)
    names = [name for j, name in enumerate(table.feature_names) if j not in columns]
    return Encoding.of(without_columns(table, names)).before(_estimator(table, kind, draw.seed)).fit(rows, wanted)


def _estimator(table: Table, kind: str, seed: int) -> Any:
    from sklearn import ensemble, linear_model, pipeline, preprocessing

    classifies = bool(table.class_names)
    if kind == "linear":
        line = linear_model.LogisticRegression(max_iter=1000) if classifies else linear_model.LinearRegression()
        return pipeline.make_pipeline(preprocessing.StandardScaler(), line)
    names = {"forest": "RandomForest", "boosting": "GradientBoosting"}
    return getattr(ensemble, names[kind] + ("Classifier" if classifies else "Regressor"))(
        n_estimators=_TREES, max_depth=4, random_state=seed
    )


def _predict(model: Any, table: Table, row: int) -> Any:
    """What the row's game is about: the predicted value, or the probability of the row's own class."""
    if not table.class_names:
        return model.predict
    column = list(model.classes_).index(table.target[row])
    return lambda rows: model.predict_proba(rows)[:, column]
