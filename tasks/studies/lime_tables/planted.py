"""A made-up table whose classes follow from known columns, and how often LIME finds those columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...tables_lime import LimeWeights, explain_answer_with_lime
from ...tables_neighbours import Neighbours
from ...tables_split import split_rows
from .models import fit_models
from .settings import PlantedTable

if TYPE_CHECKING:
    from ....datasets import Table

PLANTED = {
    "smell": ["none", "sweet", "foul", "fishy"],
    "spots": ["no", "yes"],
    "ring": ["none", "one", "two"],
}
"""The columns that decide; see `planted_class`."""
DESCRIPTION = "Made up: harmful where the smell is foul, or where there are spots and no ring."
_NOISE = ["a", "b", "c"]


@dataclass(frozen=True, eq=False)
class Recovery:
    """What LIME found of the planted columns for one kind of model.

    Attributes
    ----------
    recall : (seeds,) float64
        Share of the planted columns among as many heaviest weights.
    signs : (seeds,) float64
        Share of the planted columns whose weight has the right sign.
    weights : (seeds, d) float64
        Absolute weights.
    scores : (seeds,) float64
        Local R².
    accuracy : (seeds,) float64
        Of the model, on rows held out.
    """

    recall: np.ndarray
    signs: np.ndarray
    weights: np.ndarray
    scores: np.ndarray
    accuracy: np.ndarray


def planted_class(smell: np.ndarray, spots: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Class 1 where the smell is foul, or where there are spots and no ring; takes codes of `PLANTED`."""
    foul, spotted, ringless = smell == 2, spots == 1, ring == 0
    return (foul | (spotted & ringless)).astype(np.int64)


def planted_table(rows: int, noise: int, seed: int) -> Table:
    """Draw a table: three columns decide, `noise` columns say nothing.

    The order of the columns is drawn, too.
    """
    from ....datasets import Table

    rng = np.random.default_rng(seed)
    known = {**PLANTED, **{f"noise {number}": _NOISE for number in range(1, noise + 1)}}
    codes = {name: rng.integers(len(categories), size=rows) for name, categories in known.items()}
    names = [list(known)[i] for i in rng.permutation(len(known))]
    return Table(
        data=np.column_stack([codes[name] for name in names]).astype(np.float64),
        target=planted_class(*(codes[name] for name in PLANTED)),
        feature_names=names,
        class_names=["harmless", "harmful"],
        name="planted",
        description=DESCRIPTION,
        categories={column: known[name] for column, name in enumerate(names)},
    )


def right_signs(table: Table, values: np.ndarray) -> dict[int, int]:
    """By planted column, whether the row's category makes class 1 more likely (+1) or less (-1)."""
    speaking_for = {"smell": 2, "spots": 1, "ring": 0}
    columns = {name: table.feature_names.index(name) for name in speaking_for}
    return {columns[name]: 1 if values[columns[name]] == code else -1 for name, code in speaking_for.items()}


def recall(lime: LimeWeights, planted: Sequence[int]) -> float:
    """Share of the planted columns among as many heaviest weights."""
    return len({*lime.order[: len(planted)].tolist()} & {*planted}) / len(planted)


def recover(
    settings: PlantedTable,
    forests: Sequence[str],
    hidden: Sequence[int],
    backends: Sequence[str],
    seed: int,
    device: str,
) -> dict[str, Recovery]:
    """Explain one row of each of so many planted tables, for every kind of model.

    Each seed draws a table, a model, a held-out row and LIME's neighbours.

    Returns
    -------
    dict of str to Recovery
        By name of the model; weights in the order of `PLANTED` and the noise columns.
    """
    found: dict[str, list[tuple[float, float, np.ndarray, float, float | None]]] = {}
    for one in map(int, np.random.SeedSequence(seed).generate_state(settings.seeds)):
        table = planted_table(settings.rows, settings.noise, one)
        split = split_rows(table, "stratified", settings.rows // 4, one)
        values = table.data[split.test[0]]
        signs = right_signs(table, values)
        neighbours = Neighbours(table, table.data[split.train])
        places = [table.feature_names.index(name) for name in _ordered(table)]
        for model in fit_models(table, split, forests, hidden, backends, one, device):
            lime = explain_answer_with_lime(
                neighbours, table, values, model.answer, target=1, seed=one, samples=settings.samples, repeats=1
            )
            right = np.mean([lime.weights[column] * sign > 0 for column, sign in signs.items()])
            found.setdefault(model.name, []).append(
                (recall(lime, list(signs)), float(right), np.abs(lime.weights[places]), lime.score, model.accuracy)
            )
    return {
        name: Recovery(*(np.array(part, dtype=np.float64) for part in zip(*runs, strict=True)))
        for name, runs in found.items()
    }


def _ordered(table: Table) -> list[str]:
    return [*PLANTED, *sorted(set(table.feature_names) - set(PLANTED), key=lambda name: int(name.split()[-1]))]
