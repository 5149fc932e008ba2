"""Models that explain themselves, and how much of what they say is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets.packages import require
from ...tables_split import Split
from ..base import Context, Findings
from ..table_choice import hold_out, load_tables
from ..table_encoding import Array, Encoding
from .forest import RandomColumns, forest, impurity_importance, random_columns
from .linear import LinearFit, fit_linear, linear_model
from .permutation import Group, Importance, correlated_groups, permutation
from .settings import GlassBox

if TYPE_CHECKING:
    from ....datasets import Table


@dataclass(frozen=True, eq=False)
class GlassBoxes:
    """All that is found out about one table.

    Attributes
    ----------
    table : Table
    split : Split
        The rows that forests were trained on and those that all scores come from.
    linear : LinearFit
        The coefficients.
    unique : (D,) int64
        Number of different values by column.
    impurity, held_out, linear_held_out : Importance
        The forest's impurity importance, and the permutation importance of the forest and of the linear model.
    noise : RandomColumns
        The same with columns that mean nothing.
    groups : list of Group
        Correlated columns.
    together : Importance
        The forest's permutation importance by group, its columns permuted together.
    scores : mapping of str to float
        R², or accuracy, on the rows trained on and those held out.
    """

    table: Table
    split: Split
    linear: LinearFit
    unique: Array
    impurity: Importance
    held_out: Importance
    linear_held_out: Importance
    noise: RandomColumns
    groups: list[Group]
    together: Importance
    scores: dict[str, float]

    @property
    def score_name(self) -> str:
        """What the scores are."""
        return "accuracy" if self.table.class_names else "R²"


def run(settings: GlassBox, context: Context) -> Findings:
    """Look at each table through a linear model and a forest."""
    from .report import glass_box_numbers, glass_box_section, summary

    require("sklearn", "scikit-learn", "fit linear models and forests")
    tables = load_tables(settings.tables, settings.rows, context.seed)
    splits = [hold_out(table, settings.held_out, context.seed) for table in tables]
    sections, numbers = [], {}
    for table, split in zip(tables, splits, strict=True):
        context.say(f"glass_box: {table.name}, {len(table.data)} rows")
        found = look(table, split, settings, context.seed)
        for line in summary(found, settings.vif_limit):
            context.say(f"glass_box: {table.name}: {line}")
        sections.append(glass_box_section(found, settings, context.output))
        numbers[table.name] = glass_box_numbers(found, settings)
    return sections, numbers


def look(table: Table, split: Split, settings: GlassBox, seed: int) -> GlassBoxes:
    """Fit both models to a table and measure what they say of its columns."""
    rows = np.arange(len(table.data)) if settings.linear_rows == "all" else split.train
    linear = fit_linear(table, rows, settings.resamples, seed)
    encoding = Encoding.of(table)
    train, test = ((table.data[rows], table.target[rows]) for rows in (split.train, split.test))
    models: dict[str, Any] = {
        "linear": linear_model(table, encoding).fit(*train),
        "forest": forest(table, encoding, settings.trees, seed).fit(*train),
    }
    scores = {
        f"{name}_{part}": float(model.score(*rows))
        for name, model in models.items()
        for part, rows in (("training", train), ("held_out", test))
    }
    unordered = [column for column, names in table.categories.items() if len(names) > 2]
    groups = correlated_groups(train[0], settings.correlation, unordered)
    singly = [[column] for column in range(table.data.shape[1])]

    def permuted(model: str, columns: Sequence[Sequence[int]]) -> Importance:
        classes = bool(table.class_names)
        return permutation(
            models[model], *test, columns, classes=classes, permutations=settings.permutations, seed=seed
        )

    return GlassBoxes(
        table=table,
        split=split,
        linear=linear,
        unique=np.array([len(np.unique(column)) for column in table.data.T]),
        impurity=impurity_importance(models["forest"], encoding),
        held_out=permuted("forest", singly),
        linear_held_out=permuted("linear", singly),
        noise=random_columns(
            table,
            split,
            settings.random_values,
            forests=settings.forests,
            trees=settings.trees,
            permutations=settings.permutations,
            seed=seed,
        ),
        groups=groups,
        together=permuted("forest", [group.columns for group in groups]),
        scores=scores,
    )
