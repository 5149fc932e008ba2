"""The first chapter of the study `lime_tables`: the table, the models, and how far their explanations hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.report import Row, Section, TableItem
from ...tables_split import Split
from .models import Fitted

if TYPE_CHECKING:
    from ....datasets import Table


def table_numbers(table: Table, split: Split, models: Sequence[Fitted]) -> dict[str, Any]:
    """Give what `results.json` keeps of the table and of the models as such."""
    return {
        "table": {
            "name": table.name,
            "rows": len(table.data),
            "columns": len(table.feature_names),
            "columns_of_categories": len(table.categories),
            "classes": dict(zip(table.class_names, np.bincount(table.target).tolist(), strict=True)),
        },
        "split": {"kind": split.kind, "train_rows": len(split.train), "test_rows": len(split.test)},
        "accuracy": {model.name: model.accuracy for model in models},
    }


def overview_section(
    table: Table,
    split: Split,
    models: Sequence[Fitted],
    verdicts: Mapping[str, Mapping[str, int]],
    distance: Mapping[str, float],
) -> Section:
    """Make the chapter on the table and all its models."""
    counts = np.bincount(table.target)
    facts = [["rows", len(table.data)], ["columns", len(table.feature_names)]]
    facts += [["columns of categories", len(table.categories)]]
    facts += [[f"rows that are {name}", int(count)] for name, count in zip(table.class_names, counts, strict=True)]
    facts += [["rows learnt from", len(split.train)], ["rows held out", len(split.test)]]
    columns = ["model", "accuracy on held-out rows", "sign agrees", "disagrees", "no change", "uncertain"]
    rows = [[model.name, model.accuracy, *verdicts[model.name].values()] for model in models]
    caption = "How often the sign of a heavy weight agrees with what changing that one value does: see each row below."
    text = (
        f"{table.description} For the models every category is a column of zeros and ones. LIME draws neighbours of a "
        "row, asks a model about them and fits a linear model to its answers: a weight says how much it adds to the "
        "probability of a class, in that neighbourhood, that a neighbour has the row's own category in a column, or a "
        "number of the same interval."
    )
    if distance:
        text += (
            "\n\nThe networks of the frameworks hold the same weights and were asked about the same neighbours; LIME's "
            f"weights for them differ by at most {distance['weights']:.1e}."
        )
    items = [TableItem("Models", columns, rows, caption), TableItem(f"The table {table.name}", ["", ""], facts)]
    return Section(f"LIME on the table {table.name}", text, [Row([item]) for item in items])
