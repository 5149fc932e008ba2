"""Retraining without columns: what its Shapley values say beside permutation importance and SHAP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.importance import Panel, importance_panels
from ....figures.lattice import MOST, coalition_lattice
from ....figures.report import FigureItem, Row, Section, TableItem, TextItem
from ....methods.perturbation.shapley_game import Floats
from ..base import Context, Findings
from .retrained import Draw, RetrainedGames, retrain
from .settings import Retrained

if TYPE_CHECKING:
    from ....datasets import Table


def columns_section(
    settings: Retrained, table: Table, draws: Sequence[Draw], context: Context
) -> tuple[Findings, RetrainedGames]:
    """Retrain a model on every subset of a table's columns and report both games."""
    names, row = list(table.feature_names), settings.row
    subsets = 1 << len(names)
    context.say(f"shapley_game: {table.name}: {settings.repeats} × {subsets} models, one per subset of the columns")
    games = retrain(table, settings, draws)
    score = "accuracy" if table.class_names else "R²"
    answer = (
        f"P({table.class_names[int(table.target[row])]})" if table.class_names else table.target_name or "prediction"
    )
    shares = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, _mean(games.score_values), strict=True))
    context.say(f"shapley_game: held-out {score} {_mean(games.score_worth)[-1]:.3f} is shared out as {shares}")

    rows = [Row(_figures(settings, table, games, score, answer, context))]
    if len(names) <= MOST:
        title = f"{table.name}: held-out {score} of a {settings.model} on each subset of columns"
        picture = context.output.figure(
            coalition_lattice(names, _mean(games.score_worth), title), "shapley_game_retrained_lattice"
        )
        rows.append(Row([FigureItem(picture, "All models", f"Mean over {settings.repeats} repeats.")]))
    rows += [Row([_table(settings, table, games, score, answer)]), Row([TextItem(_DIFFERENCE)])]
    text = (
        f"The players are columns of the table '{table.name}'. For each of the {subsets} subsets, a {settings.model} "
        f"was fitted with the same settings on the same rows; without any column it says the "
        f"{'shares of the classes' if table.class_names else 'mean of the target'}. Two games: what a subset is worth "
        f"is its {score} on {settings.test_rows} held-out rows, or what it predicts for row {row}, which no model was "
        f"trained on ({_truth(table, row)}). Everything is repeated {settings.repeats} times with other rows held out "
        "and another seed; ± is the standard deviation over the repeats."
    )
    kinds = {
        "score_shapley": games.score_values,
        "permutation_importance": games.permutation,
        "row_shapley": games.row_values,
        "row_shap_interventional": games.marginal,
    }
    numbers: dict[str, Any] = {
        "table": table.name,
        "model": settings.model,
        "row": row,
        "score": score,
        "models_fitted": settings.repeats * subsets,
        "score_worth": {"nobody": float(_mean(games.score_worth)[0]), "everybody": float(_mean(games.score_worth)[-1])},
        "row_worth": {"nobody": float(_mean(games.row_worth)[0]), "everybody": float(_mean(games.row_worth)[-1])},
        **{kind: dict(zip(names, _mean(values).tolist(), strict=True)) for kind, values in kinds.items()},
        "standard_deviation": {
            kind: dict(zip(names, _spread(values).tolist(), strict=True)) for kind, values in kinds.items()
        },
        "efficiency_residual": _residual(games),
    }
    return ([Section(f"Shapley values: {table.name}, retrained without columns", text, rows)], numbers), games


_DIFFERENCE = (
    "Three questions, three answers. Retraining asks what a column tells that can be learnt: columns that tell the "
    "same share it, and a column that the full model leaves aside can still earn. Permutation importance asks how much "
    "one fitted model suffers when a column is shuffled; its numbers do not add up to the score. SHAP asks how one "
    "fitted model's answer for one row is made up, absent columns coming from other rows, whether or not such rows "
    "exist; its values add up to the answer, and a column that the model does not use gets nothing."
)


def _figures(
    settings: Retrained, table: Table, games: RetrainedGames, score: str, answer: str, context: Context
) -> list[FigureItem]:
    names = list(table.feature_names)
    globally = importance_panels(
        names,
        [
            Panel("Shapley, retrained", f"share of {score}", _mean(games.score_values), _spread(games.score_values)),
            Panel("permutation importance", f"fall of {score}", _mean(games.permutation), _spread(games.permutation)),
        ],
        f"{table.name}: what columns are worth to the score",
    )
    locally = importance_panels(
        names,
        [
            Panel("Shapley, retrained", answer, _mean(games.row_values), _spread(games.row_values)),
            Panel("SHAP, interventional", answer, _mean(games.marginal), _spread(games.marginal)),
        ],
        f"{table.name}, row {settings.row}: what columns add to the prediction",
    )
    return [
        FigureItem(context.output.figure(globally, "shapley_game_retrained_score"), "The score"),
        FigureItem(
            context.output.figure(locally, "shapley_game_retrained_row"), f"The prediction of row {settings.row}"
        ),
    ]


def _table(settings: Retrained, table: Table, games: RetrainedGames, score: str, answer: str) -> TableItem:
    kinds = (games.score_values, games.permutation, games.row_values, games.marginal)
    rows: list[list[Any]] = [
        [name, *(_pm(_mean(values)[j], _spread(values)[j]) for values in kinds)]
        for j, name in enumerate(table.feature_names)
    ]
    rows.append(["sum", *(f"{_mean(values).sum():.3g}" for values in kinds)])
    columns = [
        "column",
        f"Shapley of the {score}, retrained",
        f"permutation importance ({score})",
        f"Shapley of {answer}, row {settings.row}, retrained",
        f"SHAP of {answer}, row {settings.row}, one model",
    ]
    ends = [
        f"{_mean(worth)[0]:.3g} to {_mean(worth)[-1]:.3g}".replace("-", "−")
        for worth in (games.score_worth, games.row_worth)
    ]
    caption = (
        f"From nobody to everybody, the {score} goes from {ends[0]} and the prediction from {ends[1]}; the Shapley "
        f"values of each repeat add up to that difference up to {_residual(games):.1g}."
    )
    return TableItem("Columns as players", columns, rows, caption)


def _pm(mean: float, spread: float) -> str:
    return f"{mean:.3g} ± {spread:.2g}".replace("-", "−")


def _truth(table: Table, row: int) -> str:
    value = table.target[row]
    return f"in truth {table.class_names[int(value)]}" if table.class_names else f"in truth {value:g}"


def _mean(values: Floats) -> Floats:
    mean: Floats = values.mean(axis=0)
    return mean


def _spread(values: Floats) -> Floats:
    spread: Floats = values.std(axis=0, ddof=1)
    return spread


def _residual(games: RetrainedGames) -> float:
    pairs = ((games.score_values, games.score_worth), (games.row_values, games.row_worth))
    return max(float(np.abs(values.sum(axis=1) - (worth[:, -1] - worth[:, 0])).max()) for values, worth in pairs)
