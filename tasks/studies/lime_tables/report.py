"""What the report of the study `lime_tables` shows of one row, and of the planted tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.bar_chart import bars
from ....figures.report import FigureItem, HtmlItem, Row, Section, TableItem
from ....figures.tables_html import lime_page
from ....figures.tables_lime import flip_dots, lime_side_by_side
from ....files import write_whole
from ...output import Output
from ...tables_lime import LimeWeights
from ...tables_report import weights_arrays, weights_numbers
from .explain import ExplainedRow
from .flips import counted
from .planted import DESCRIPTION, PLANTED, Recovery
from .rows import shown_value

if TYPE_CHECKING:
    from ....datasets import Table

SHOWN = 8
"""Rules in a figure, a table or a page."""

FEW = 30
"""Fewer neighbours than this with or without a rule are too few to say much of it."""


def row_numbers(table: Table, row: ExplainedRow) -> dict[str, Any]:
    """Give what `results.json` keeps of a row."""
    columns = enumerate(table.feature_names)
    models = {}
    for name, lime in row.limes.items():
        flips = [
            {
                "rule": flip.rule,
                "weight": flip.weight,
                "change": flip.change,
                "verdict": flip.verdict,
                "probability": flip.before,
                "probability_instead": dict(zip(flip.texts, flip.after.tolist(), strict=True)),
            }
            for flip in row.flips[name]
        ]
        models[name] = weights_numbers(lime) | {"flips": flips, "flip_verdicts": counted(row.flips[name])}
    return {
        "row": row.chosen.name,
        "values": {name: shown_value(table, column, row.chosen.values[column]) for column, name in columns},
        "true_class": row.chosen.true_class,
        "held_out": row.chosen.held_out,
        "explained_class": row.label,
        "models": models,
    }


def row_section(row: ExplainedRow, output: Output) -> Section:
    """Write a row's files and make its chapter."""
    stem = "lime_tables_" + re.sub(r"\W+", "_", row.chosen.name)
    for name, lime in row.limes.items():
        output.arrays(weights_arrays(lime), f"{stem}_{re.sub(r'[^a-z0-9]+', '_', name)}")
    known = "" if row.chosen.true_class is None else f" By the table it is {row.chosen.true_class}."
    seen = "No model was trained on this row." if row.chosen.held_out else "The models were trained on this row."
    page_title = f"LIME on the {next(iter(row.limes))}: why {row.chosen.name} is (or is not) {row.label}"
    page = write_whole(
        output.folder / "figures" / f"{stem}.html",
        lime_page(row.first.explanation, row.first.target, page_title, SHOWN).encode(),
    )
    rows = [
        Row([_weights_figure(row, output, stem)]),
        Row([_weights_table(row)]),
        Row([HtmlItem(page_title, page, 120 + 44 * min(SHOWN, len(row.first.rules)))]),
        Row([_flip_table(row)]),
        *([Row([_flip_figure(row, output, stem)])] if row.shared else []),
    ]
    return Section(f"LIME: {row.chosen.name}", f"The explained class is {row.label}.{known} {seen}", rows)


def planted_section(found: Mapping[str, Recovery], output: Output) -> Section:
    """Show how often LIME finds the planted columns."""
    planted = len(PLANTED)
    rows, figures = [], []
    for name, one in found.items():
        noise = one.weights[:, planted:]
        rows.append(
            [name, one.recall.mean(), one.recall.min(), one.signs.mean(), one.accuracy.mean(), one.scores.mean()]
        )
        rows[-1] += [one.weights[:, :planted].min(), noise.max()]
        labels = [*PLANTED, *(f"noise {number}" for number in range(1, noise.shape[1] + 1))]
        title = f"Planted table, {name}"
        figure = bars(
            labels, one.weights.mean(axis=0), title, "mean |LIME weight|", one.weights.std(axis=0), len(labels)
        )
        stem = re.sub(r"[^a-z0-9]+", "_", name)
        figures.append(FigureItem(output.figure(figure, f"lime_tables_planted_{stem}"), title))
    columns = ["model", f"top-{planted} recall, mean", "worst", "right signs", "accuracy", "local R²"]
    columns += ["smallest planted |weight|", "largest noise |weight|"]
    seeds = len(next(iter(found.values())).recall)
    text = (
        f"{DESCRIPTION} Each of {seeds} seeds draws a table, the models, a held-out row and LIME's neighbours. Recall "
        f"is the share of the {planted} deciding columns among the {planted} heaviest weights."
    )
    table = TableItem("Does LIME find what decides?", columns, rows)
    pairs = [Row(figures[start : start + 2]) for start in range(0, len(figures), 2)]
    return Section("LIME where the truth is known", text, [Row([table]), *pairs])


def _weights_figure(row: ExplainedRow, output: Output, stem: str) -> FigureItem:
    limes, title = row.limes, f"LIME: why {row.chosen.name} is (or is not) {row.label}"
    figure = lime_side_by_side(
        row.first.rules,
        {name: lime.weights for name, lime in limes.items()},
        {name: lime.weights_std for name, lime in limes.items()},
        {name: float(lime.probabilities[lime.target]) for name, lime in limes.items()},
        row.label,
        title,
        SHOWN,
    )
    scores = "; ".join(f"{name} {lime.score:.2f}" for name, lime in limes.items())
    caption = f"Local R², the share of the neighbours' answers that the weights account for: {scores}."
    return FigureItem(output.figure(figure, stem), title, caption)


def _weights_table(row: ExplainedRow) -> TableItem:
    limes = list(row.limes.values())
    order = np.argsort(-np.mean([np.abs(lime.weights) for lime in limes], axis=0), kind="stable")[:SHOWN]
    rows = [
        [
            row.first.rules[i],
            *(_with_deviation(lime.weights[i], lime.weights_std[i]) for lime in limes),
            f"{row.first.shares[i]:.1%}",
        ]
        for i in order
    ]
    rows += [
        ["model's probability", *(f"{lime.probabilities[lime.target]:.3f}" for lime in limes), ""],
        ["linear model's answer", *(f"{lime.local_prediction:.3f}" for lime in limes), ""],
        ["local R²", *(_with_deviation(lime.score, lime.scores.std(ddof=1)) for lime in limes), ""],
    ]
    rare = [row.first.rules[i] for i in order if _is_rare(row.first, int(i))]
    caption = (
        f"± is one standard deviation over {row.first.repeats} draws of {row.first.samples} neighbours. The farther "
        "the linear model's answer is from the model's probability, the less the weights say of this row."
    )
    if rare:
        caption += f" Fewer than {FEW} neighbours tell what {', '.join(rare)} is worth: do not rely on those weights."
    return TableItem("Weights", ["rule", *row.limes, "neighbours with it"], rows, caption)


def _is_rare(lime: LimeWeights, column: int) -> bool:
    return lime.samples * min(lime.shares[column], 1 - lime.shares[column]) < FEW


def _flip_table(row: ExplainedRow) -> TableItem:
    rows = []
    for name, flips in row.flips.items():
        for flip in flips:
            furthest = flip.furthest
            instead = f"{flip.texts[furthest]}: {flip.after[furthest]:.3f}"
            rows.append(
                [name, flip.rule, _round(flip.weight), _round(flip.before), _round(flip.change), instead, flip.verdict]
            )
    columns = ["model", "rule", "LIME weight", f"P({row.label})", "change", "at most, with", "the sign"]
    caption = (
        "The row with one value changed, all others as they are. Change: how much more likely the row's own value "
        "makes the class than the other values do, in the shares in which they occur. LIME's neighbours differ from "
        "the row in many values at once, so a rule may weigh much there and change nothing here, or even the other "
        "way: what is nearly certain can only become less so. Uncertain: the weight is within two standard "
        "deviations of 0."
    )
    return TableItem("Is it true? The model asked again", columns, rows, caption)


def _flip_figure(row: ExplainedRow, output: Output, stem: str) -> FigureItem:
    own = next(iter(row.shared.values()))
    title = f"{row.chosen.name}: what if not {own.rule}?"
    figure = flip_dots(
        own.rule,
        own.texts,
        {name: flip.before for name, flip in row.shared.items()},
        {name: flip.after for name, flip in row.shared.items()},
        row.label,
        title,
    )
    caption = f"Heaviest rule of the {next(iter(row.shared))}; every model, with this one value changed."
    return FigureItem(output.figure(figure, f"{stem}_changed"), title, caption)


def _with_deviation(number: float, deviation: float) -> str:
    # No line break within.
    return f"{number:.3f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{deviation:.3f}".replace("-", "−")


def _round(number: float) -> float:
    # Adding 0 makes -0 a 0.
    return round(float(number), 4) + 0.0
