"""How the answers of several models change with a feature: row by row (ICE), on average (PDP), and for two at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ....datasets.packages import require
from ....errors import ConfigError, suggest
from ...tables_split import Split, feature_number
from ..base import Context, Findings
from ..table_choice import hold_out, load_tables
from .curves import Answer, Curves, Surface, curves, interaction_strength, surface
from .models import TrainedModel, make_estimator, train_estimator, train_networks
from .settings import IcePdp

if TYPE_CHECKING:
    from ....datasets import Table
    from ..table_encoding import Array

_BOSTON = ["RM", "LSTAT", "AGE"]
_BOSTON_PAIR = ("RM", "LSTAT")


@dataclass(frozen=True, eq=False)
class Dependence:
    """All that is found out.

    Attributes
    ----------
    table : Table
    split : Split
        The rows that the models were trained on.
    target : int or None
        The class whose probability is shown; None for a regression.
    models : list of TrainedModel
    curves : mapping of (model, feature) to Curves
        For all rows of the table.
    surfaces, strengths : mapping of (model, pair) to Surface, to float
        Partial dependence on pairs, and the share of it that is interaction.
    drawn : (C,) int64
        Rows whose curves are drawn.
    """

    table: Table
    split: Split
    target: int | None
    models: list[TrainedModel]
    curves: dict[tuple[str, str], Curves]
    surfaces: dict[tuple[str, tuple[str, str]], Surface]
    strengths: dict[tuple[str, tuple[str, str]], float]
    drawn: Array

    @property
    def answer_name(self) -> str:
        """What the models answer."""
        if self.target is None:
            return f"predicted {self.table.target_name or 'target'}"
        return f"probability of {self.table.class_names[self.target]}"


def run(settings: IcePdp, context: Context) -> Findings:
    """Train the models and draw the same curves for each."""
    from .report import dependence_numbers, dependence_section, save_curves, summary

    require("sklearn", "scikit-learn", "compute partial dependence")
    (table,) = load_tables([settings.table], settings.rows, context.seed)
    found = depend(table, settings, context)
    for line in summary(found):
        context.say(f"ice_pdp: {line}")
    section = dependence_section(found, context.output)
    save_curves(found, context.output)
    return [section], dependence_numbers(found)


def depend(table: Table, settings: IcePdp, context: Context) -> Dependence:
    """Train the models and compute all curves; what can fail on the settings fails before."""
    target = _target(table, settings.explained_class)
    names, pair_names = _shown(table, settings)
    features = {name: feature_number(table.feature_names, name, "ice_pdp.features") for name in names}
    pairs = {pair: (_number_column(table, pair[0]), _number_column(table, pair[1])) for pair in pair_names}

    def changed(answer: Answer, column: int) -> Curves:
        return curves(
            answer,
            table.data,
            column,
            grid=settings.grid,
            percentiles=settings.percentiles,
            categorical=column in table.categories,
        )

    for column in (*features.values(), *(column for pair in pairs.values() for column in pair)):
        # Nothing is asked yet: this finds out whether the percentiles leave a range.
        changed(lambda rows: np.zeros(len(rows)), column)
    split = hold_out(table, settings.held_out, context.seed)
    models = _trained(table, split, target, settings, context)

    rng = np.random.default_rng(context.seed)
    drawn = _some(rng, len(table.data), settings.curves)
    compared = table.data[_some(rng, len(table.data), settings.interaction_rows)]
    context.say("ice_pdp: curves")
    return Dependence(
        table=table,
        split=split,
        target=target,
        models=models,
        curves={
            (model.name, name): changed(model.answer, column) for model in models for name, column in features.items()
        },
        surfaces={
            (model.name, names): surface(
                model.answer, table.data, pair, grid=settings.pair_grid, percentiles=settings.percentiles
            )
            for model in models
            for names, pair in pairs.items()
        },
        strengths={
            (model.name, names): interaction_strength(model.answer, compared, pair)
            for model in models
            for names, pair in pairs.items()
        },
        drawn=drawn,
    )


def _trained(table: Table, split: Split, target: int | None, settings: IcePdp, context: Context) -> list[TrainedModel]:
    estimators = []
    for choice in settings.models:
        network = choice.name == "network"
        strange = next((option for option in choice.options if network and option != "hidden"), None)
        if strange is not None:
            raise ConfigError(f"The network has no option '{strange}'.", suggest(strange, ["hidden"]))
        estimators.append(None if network else make_estimator(choice.name, choice.options, table, context.seed))
    models: list[TrainedModel] = []
    for choice, estimator in zip(settings.models, estimators, strict=True):
        context.say(f"ice_pdp: training {choice.name} on {len(split.train)} rows")
        if estimator is None:
            models += train_networks(
                choice.options,
                table,
                split,
                target,
                backends=context.backends,
                seed=context.seed,
                device=context.device,
            )
        else:
            models.append(train_estimator(choice.name, estimator, table, split, target))
    return models


def _target(table: Table, name: str | None) -> int | None:
    names = table.class_names
    if not names:
        if name is not None:
            raise ConfigError(
                f"The table '{table.name}' has values to predict and no class '{name}'.", "Leave explained_class out."
            )
        return None
    if name is None:
        if len(names) == 2:
            return 1
        raise ConfigError(
            f"The table '{table.name}' has {len(names)} classes: {', '.join(names[:10])}.",
            "Set ice_pdp.explained_class to one of them.",
        )
    if name not in names:
        raise ConfigError(f"The table '{table.name}' has no class '{name}'.", suggest(name, names))
    return names.index(name)


def _shown(table: Table, settings: IcePdp) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """The features and pairs that the settings name, or the usual ones."""
    there = set(table.feature_names)
    features, pairs = settings.features, settings.pairs
    if features is None:
        features = _BOSTON if there.issuperset(_BOSTON) else list(table.feature_names[:3])
    if pairs is None:
        pairs = [_BOSTON_PAIR] if there.issuperset(_BOSTON_PAIR) else []
    return features, pairs


def _number_column(table: Table, name: str) -> int:
    column = feature_number(table.feature_names, name, "ice_pdp.pairs")
    if column in table.categories:
        raise ConfigError(f"The feature '{name}' of a pair holds categories.", "Pair features of numbers.")
    return column


def _some(rng: np.random.Generator, count: int, most: int) -> Array:
    return np.sort(rng.choice(count, min(most, count), replace=False))
