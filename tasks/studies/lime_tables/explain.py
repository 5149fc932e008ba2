"""One row, explained by LIME for every model, and each explanation checked against its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ...tables_lime import LimeWeights, explain_answer_with_lime
from ...tables_neighbours import Neighbours
from ..base import Context
from .flips import Flip, flip, heaviest
from .models import Fitted
from .rows import ChosenRow
from .settings import LimeTables

if TYPE_CHECKING:
    from ....datasets import Table


@dataclass(frozen=True, eq=False)
class ExplainedRow:
    """One row, explained for every model.

    Attributes
    ----------
    chosen : ChosenRow
    limes : dict of str to LimeWeights
        By model; all explain the same class, with the same neighbours.
    flips : dict of str to list of Flip
        The check of each model's heaviest rules.
    shared : dict of str to Flip
        Each model's check of the rule that is heaviest for the first; empty where no rule can be broken.
    """

    chosen: ChosenRow
    limes: dict[str, LimeWeights]
    flips: dict[str, list[Flip]]
    shared: dict[str, Flip]

    @property
    def first(self) -> LimeWeights:
        """The explanation of the first model."""
        return next(iter(self.limes.values()))

    @property
    def label(self) -> str:
        """Name of the explained class."""
        return self.first.class_names[self.first.target]


def explain_row(
    chosen: ChosenRow,
    table: Table,
    neighbours: Neighbours,
    models: Sequence[Fitted],
    target: int | None,
    settings: LimeTables,
    context: Context,
) -> ExplainedRow:
    """Explain the same class for every model: the given one, or the one that the first model predicts."""
    limes, flips, shared = {}, {}, {}
    for model in models:
        lime = explain_answer_with_lime(
            neighbours,
            table,
            chosen.values,
            model.answer,
            target=target,
            seed=context.seed,
            samples=settings.samples,
            repeats=settings.repeats,
        )
        target, limes[model.name] = lime.target, lime
        flips[model.name] = flip(lime, model.answer, heaviest(lime, settings.flips))
        probability = lime.probabilities[lime.target]
        rules = "; ".join(f"{rule} {weight:+.2f}" for rule, weight in lime.ranking()[:3])
        context.say(
            f"lime_tables: {chosen.name}, {model.name}: P({table.class_names[target]}) {probability:.3f}, "
            f"local R² {lime.score:.2f}: {rules}"
        )
    for column in heaviest(next(iter(limes.values())), 1):
        shared = {model.name: flip(limes[model.name], model.answer, [column])[0] for model in models}
    return ExplainedRow(chosen, limes, flips, shared)


def framework_distance(rows: Sequence[ExplainedRow], networks: Sequence[str]) -> dict[str, float]:
    """Largest differences between the frameworks' networks; empty where there is only one."""
    pairs = [(row.limes[a], row.limes[b]) for row in rows for a, b in combinations(networks, 2)]
    if not pairs:
        return {}
    return {
        "weights": max(float(np.abs(a.weights - b.weights).max()) for a, b in pairs),
        "probabilities": max(float(np.abs(a.probabilities - b.probabilities).max()) for a, b in pairs),
    }
