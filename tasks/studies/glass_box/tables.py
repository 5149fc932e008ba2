"""The report's tables on the glass boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets import BOSTON_COLUMNS
from ....figures.report import TableItem
from .linear import CERTAIN, LinearFit

if TYPE_CHECKING:
    from .study import GlassBoxes

MOST_ROWS = 60


def meanings(found: GlassBoxes) -> TableItem:
    """Say what Boston's columns hold."""
    kept = [*found.table.feature_names, "MEDV"]
    rows = [[name, column.meaning, column.unit] for name, column in BOSTON_COLUMNS.items() if name in kept]
    return TableItem("What the columns hold", ["column", "meaning", "unit"], rows)


def coefficient_table(linear: LinearFit, limit: float) -> TableItem:
    """List coefficients with their errors, the largest first, and what is to be said against each."""
    doubtful = linear.doubtful(limit)
    cells = [
        (abs(coefficient), [output, name, coefficient, error, vif, _remark(coefficient, error, doubt)])
        for output, *numbers in zip(linear.outputs, linear.coefficients, linear.errors, strict=True)
        for name, coefficient, error, vif, doubt in zip(
            linear.encoding.names, *numbers, linear.vif, doubtful, strict=True
        )
    ]
    cells.sort(key=lambda cell: -cell[0])
    caption = (
        f"Largest first. Error: {linear.error_kind}. A VIF of 5 says that the other columns explain 80 % of the column."
    )
    if len(cells) > MOST_ROWS:
        caption += f" {len(cells) - MOST_ROWS} smaller ones are in results.json."
    columns = ["adds to", "column", "coefficient", "error", "VIF", "remark"]
    rows = [row for _, row in cells[:MOST_ROWS]]
    if len(linear.outputs) == 1:
        return TableItem(f"Coefficients for {linear.outputs[0]}", columns[1:], [row[1:] for row in rows], caption)
    return TableItem("Coefficients", columns, rows, caption)


def _remark(coefficient: float, error: float, doubtful: bool) -> str:
    remarks = ["shared with other columns"] if doubtful else []
    if abs(coefficient) < CERTAIN * error:
        remarks.append(f"sign not certain: below {CERTAIN:g} errors")
    return "; ".join(remarks)


def importance_table(found: GlassBoxes) -> TableItem:
    """List what both models say of each column."""
    measures = (found.impurity, found.held_out, found.linear_held_out)
    rows: list[list[Any]] = [
        [name, int(found.unique[i]), *(number for m in measures for number in (float(m.mean[i]), float(m.spread[i])))]
        for i, name in enumerate(found.table.feature_names)
    ]
    columns = ["column", "different values", "impurity", "±", "forest, permuted", "±", "linear, permuted", "±"]
    rows.sort(key=lambda row: -row[2])
    return TableItem("Importance", columns, rows, f"Permuted: {found.score_name} lost on rows held out.")


def noise_table(found: GlassBoxes) -> TableItem:
    """List the importance of columns that mean nothing."""
    noise = found.noise
    rows = []
    for i in np.flatnonzero(noise.random):
        measures = (noise.impurity, noise.training, noise.held_out)
        numbers = [number for m in measures for number in (float(m.mean[i]), float(m.spread[i]))]
        rows.append([noise.names[i], *numbers, ", ".join(below(found, int(i))) or None])
    columns = ["column", "impurity", "±", "permuted, trained on", "±", "permuted, held out", "±", "impurity is above"]
    caption = "The truth is 0 in each case. The last column names the table's own columns of less impurity importance."
    return TableItem("Random columns", columns, rows, caption)


def group_table(found: GlassBoxes) -> TableItem:
    """List what correlated columns lose one by one and together."""
    rows = [
        [
            ", ".join(found.table.feature_names[i] for i in group.columns),
            group.correlation,
            float(found.held_out.mean[list(group.columns)].sum()),
            float(found.together.mean[place]),
            float(found.together.spread[place]),
        ]
        for place, group in enumerate(found.groups)
    ]
    caption = (
        "Where one column can stand in for another, permuting either loses little although both together matter: the "
        "forest's permutation importance of a single column is then too small to be read alone."
    )
    columns = ["columns", "largest rank correlation", "one by one, summed", "permuted together", "±"]
    return TableItem(f"Correlated columns: {found.score_name} lost on rows held out", columns, rows, caption)


def below(found: GlassBoxes, number: int) -> list[str]:
    """Columns of the table whose mean impurity importance is less than that of a random column."""
    mean = found.noise.impurity.mean
    return [name for i, name in enumerate(found.table.feature_names) if mean[i] < mean[number]]
