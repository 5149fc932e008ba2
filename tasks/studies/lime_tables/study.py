"""LIME on tables with categories: forests and networks of both frameworks, the same rows, the same neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....datasets.packages import require
from ....figures.report import Section
from ...tables_neighbours import Neighbours
from ..base import Context, Findings
from .explain import explain_row, framework_distance
from .flips import counted
from .models import fit_models
from .overview import overview_section, table_numbers
from .planted import recover
from .report import planted_section, row_numbers, row_section
from .rows import chosen_rows, class_number, hold_out, load_classes
from .settings import LimeTables, PlantedTable


def run(settings: LimeTables, context: Context) -> Findings:
    """Explain rows of a table by LIME, for every model, and check the explanations against the models."""
    require("lime.lime_tabular", "lime", "explain rows of a table")
    table = load_classes(settings)
    split = hold_out(table, settings, context.seed)
    chosen = chosen_rows(table, settings.rows, split)
    target = class_number(table, settings.label)
    backends = context.backends if settings.network else []
    hidden = settings.network.hidden if settings.network else []

    context.say(f"lime_tables: learning {table.name} from {len(split.train)} rows")
    models = fit_models(table, split, settings.models, hidden, backends, context.seed, context.device)
    for model in models:
        if model.accuracy is not None:
            context.say(f"lime_tables: {model.name}: accuracy {model.accuracy:.4f} on {len(split.test)} held-out rows")
    neighbours = Neighbours(table, table.data[split.train])
    rows = [explain_row(one, table, neighbours, models, target, settings, context) for one in chosen]
    distance = framework_distance(rows, [model.name for model in models if model.backend])
    verdicts = {model.name: counted([one for row in rows for one in row.flips[model.name]]) for model in models}
    sections = [
        overview_section(table, split, models, verdicts, distance),
        *(row_section(row, context.output) for row in rows),
    ]
    numbers = table_numbers(table, split, models)
    numbers |= {"rows": [row_numbers(table, row) for row in rows], "flip_verdicts": verdicts, "frameworks": distance}
    for name, count in verdicts.items():
        context.say(
            f"lime_tables: {name}: signs against changed rows: " + ", ".join(f"{k} {n}" for k, n in count.items())
        )
    if distance:
        context.say(f"lime_tables: the frameworks' weights differ by at most {distance['weights']:.1e}")
    if settings.planted is not None:
        section, numbers["planted"] = _planted(settings.planted, settings.models, hidden, backends, context)
        sections.append(section)
    return sections, numbers


def _planted(
    planted: PlantedTable, forests: Sequence[str], hidden: Sequence[int], backends: Sequence[str], context: Context
) -> tuple[Section, dict[str, Any]]:
    context.say(f"lime_tables: {planted.seeds} planted tables")
    found = recover(planted, forests, hidden, backends, context.seed, context.device)
    for name, one in found.items():
        context.say(
            f"lime_tables: planted, {name}: top-3 recall {one.recall.mean():.3f} (worst {one.recall.min():.3f}), "
            f"right signs {one.signs.mean():.3f}"
        )
    numbers = {
        name: {
            "recall": one.recall.tolist(),
            "right_signs": one.signs.tolist(),
            "accuracy": one.accuracy.tolist(),
            "local_r2": one.scores.tolist(),
        }
        for name, one in found.items()
    }
    return planted_section(found, context.output), numbers
