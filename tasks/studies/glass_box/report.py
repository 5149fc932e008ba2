"""What is kept of the glass boxes: lines to print, numbers for the results, figures and tables for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets import NOTE_ON_B
from ....figures.importance import Panel, coefficient_bars, importance_panels
from ....figures.report import FigureItem, Row, Section, TableItem, TextItem
from ..table_choice import file_stem
from .tables import below, coefficient_table, group_table, importance_table, meanings, noise_table

if TYPE_CHECKING:
    from ...output import Output
    from ..table_encoding import Array
    from .linear import LinearFit
    from .permutation import Importance
    from .settings import GlassBox
    from .study import GlassBoxes

_TEXT = """\
A linear model says what it has learnt in its coefficients, a forest in how much each column tidied up its leaves. Both
can mislead. Columns that go together share a coefficient between them as chance has it, which the variance inflation
factor (VIF) shows. A forest on the rows it was trained on finds some use even for random columns, the more the more
values they have to split at. Permuting a column on rows held out asks instead what the score loses without it."""


def summary(found: GlassBoxes, limit: float) -> list[str]:
    """Give the key numbers, a line each."""
    names, linear, scores = found.table.feature_names, found.linear, found.scores
    noise, last = found.noise, len(found.noise.names) - 1
    order = np.argsort(-np.abs(linear.coefficients).max(axis=0))[:3]
    lines = [
        f"{found.score_name} on {len(found.split.test)} rows held out: linear {scores['linear_held_out']:.3f}, "
        f"forest {scores['forest_held_out']:.3f}"
    ]
    for output, coefficients, errors in zip(linear.outputs, linear.coefficients, linear.errors, strict=True):
        largest = ", ".join(f"{linear.encoding.names[i]} {coefficients[i]:+.4g} ± {errors[i]:.2g}" for i in order)
        lines.append(f"coefficients for {output}: {largest}")
    doubtful = _doubtful(linear, limit)
    if doubtful:
        more = f" and {len(doubtful) - 5} more" if len(doubtful) > 5 else ""
        lines.append(f"VIF above {limit:g}, so not to be read alone: {', '.join(doubtful[:5])}{more}")
    for title, importance in (("impurity importance", found.impurity), ("permutation, held out", found.held_out)):
        best = np.argsort(-importance.mean)[:3]
        lines.append(
            f"{title}: " + ", ".join(f"{names[i]} {importance.mean[i]:.3f} ± {importance.spread[i]:.1g}" for i in best)
        )
    lines.append(
        f"a random continuous column: impurity importance {noise.impurity.mean[last]:.4f} ± "
        f"{noise.impurity.spread[last]:.1g}, above {len(below(found, last))} of {len(names)} columns; permutation on "
        f"rows held out {noise.held_out.mean[last]:.4f} ± {noise.held_out.spread[last]:.1g}"
    )
    return lines


def glass_box_numbers(found: GlassBoxes, settings: GlassBox) -> dict[str, Any]:
    """Give what `results.json` keeps."""
    table, linear, noise = found.table, found.linear, found.noise
    return {
        "rows": len(table.data),
        "train_rows": len(found.split.train),
        "test_rows": len(found.split.test),
        "target": table.target_name,
        "score": found.score_name,
        "scores": found.scores,
        "unique_values": dict(zip(table.feature_names, found.unique.tolist(), strict=True)),
        "linear": {
            "rows": linear.rows,
            "error": linear.error_kind,
            "references": linear.encoding.references,
            "coefficients": {
                output: {
                    name: {"coefficient": coefficient, "error": error}
                    for name, coefficient, error in zip(linear.encoding.names, *numbers, strict=True)
                }
                for output, *numbers in zip(linear.outputs, linear.coefficients, linear.errors, strict=True)
            },
            "vif": dict(zip(linear.encoding.names, linear.vif.tolist(), strict=True)),
            "doubtful": _doubtful(linear, settings.vif_limit),
        },
        "forest": {
            "trees": settings.trees,
            "impurity": _by_name(table.feature_names, found.impurity),
            "permutation_held_out": _by_name(table.feature_names, found.held_out),
        },
        "linear_permutation_held_out": _by_name(table.feature_names, found.linear_held_out),
        "random_columns": {
            "forests": settings.forests,
            "impurity": _by_name(noise.names, noise.impurity),
            "permutation_training": _by_name(noise.names, noise.training),
            "permutation_held_out": _by_name(noise.names, noise.held_out),
            "columns_below": {noise.names[i]: below(found, int(i)) for i in np.flatnonzero(noise.random)},
        },
        "groups": [
            {
                "columns": [table.feature_names[i] for i in group.columns],
                "correlation": group.correlation,
                "drop": float(found.together.mean[place]),
                "spread": float(found.together.spread[place]),
                "sum_of_single_drops": float(found.held_out.mean[list(group.columns)].sum()),
            }
            for place, group in enumerate(found.groups)
        ],
    }


def glass_box_section(found: GlassBoxes, settings: GlassBox, output: Output) -> Section:
    """Draw the figures and lay out the report."""
    table = found.table
    rows = []
    if table.name == "boston":
        rows += [Row([TextItem(NOTE_ON_B)]), Row([meanings(found)])]
    scores = [[model, *(found.scores[f"{model}_{part}"] for part in ("training", "held_out"))] for model in _MODELS]
    rows.append(
        Row([TableItem(f"{found.score_name} of both models", ["model", "rows trained on", "rows held out"], scores)])
    )
    rows += [
        Row([_coefficient_figure(found, settings, output), coefficient_table(found.linear, settings.vif_limit)]),
        Row([_importance_figure(found, output)]),
        Row([importance_table(found)]),
        Row([_noise_figure(found, settings, output)]),
        Row([noise_table(found)]),
    ]
    if found.groups:
        rows.append(Row([group_table(found)]))
    return Section(f"Glass boxes: {table.name}", _TEXT, rows)


_MODELS = ("linear", "forest")


def _coefficient_figure(found: GlassBoxes, settings: GlassBox, output: Output) -> FigureItem:
    linear, name = found.linear, found.table.name
    title = f"{name}: coefficients on standardised columns"
    figure = coefficient_bars(
        linear.encoding.names,
        linear.outputs,
        linear.coefficients,
        linear.errors,
        linear.doubtful(settings.vif_limit),
        title,
        doubt=f"VIF above {settings.vif_limit:g}",
    )
    kind = "Logistic regression (L2 penalty, C = 1)" if found.table.class_names else "Least squares"
    caption = f"{kind} on {linear.rows} rows. Black: one {linear.error_kind}"
    caption += "." if found.table.class_names else ", which takes the noise to be the same for all rows."
    if linear.encoding.references:
        pairs = ", ".join(f"{column}={category}" for column, category in linear.encoding.references.items())
        caption += f" Categories are compared with the most frequent one: {pairs}."
    return FigureItem(output.figure(figure, f"glass_box_{file_stem(name)}_coefficients"), title, caption)


def _importance_figure(found: GlassBoxes, output: Output) -> FigureItem:
    title = f"{found.table.name}: what the models say of each column"
    lost = f"{found.score_name} lost"
    panels = [
        Panel("forest: impurity", "share of the decrease", found.impurity.mean, found.impurity.spread),
        Panel("linear model: |coefficient|", "per standard deviation", found.linear.importance()),
        Panel("forest: permuted, held out", lost, found.held_out.mean, found.held_out.spread),
        Panel("different values", "count", found.unique, log=True),
    ]
    figure = importance_panels(found.table.feature_names, panels, title)
    caption = (
        "Black, on the left: standard error over trees; on permuted columns: standard deviation over permutations of "
        "the same rows, which leaves out the chance of having held out these rows."
    )
    return FigureItem(output.figure(figure, f"glass_box_{file_stem(found.table.name)}_importance"), title, caption)


def _noise_figure(found: GlassBoxes, settings: GlassBox, output: Output) -> FigureItem:
    noise, title = found.noise, f"{found.table.name}: columns that mean nothing"
    lost = f"{found.score_name} lost"
    panels = [
        Panel(title, xlabel, measure.mean, measure.spread, limit=_reach(measure, noise.random))
        for title, xlabel, measure in (
            ("impurity", "share of the decrease", noise.impurity),
            ("permuted, rows trained on", lost, noise.training),
            ("permuted, rows held out", lost, noise.held_out),
        )
    ]
    figure = importance_panels(noise.names, panels, title, noise.random, "drawn at random: its true importance is 0")
    caption = (
        f"Mean and standard deviation over {settings.forests} forests, each with random columns of its own. The axes "
        "are zoomed in on the random columns; longer bars are cut off, and their number is written in."
    )
    return FigureItem(output.figure(figure, f"glass_box_{file_stem(found.table.name)}_random"), title, caption)


def _reach(measure: Importance, random: Array) -> float:
    """Where to end an axis that is to show random columns beside more important ones."""
    return 5 * float((np.abs(measure.mean) + measure.spread)[random].max())


def _doubtful(linear: LinearFit, limit: float) -> list[str]:
    return [name for name, doubt in zip(linear.encoding.names, linear.doubtful(limit), strict=True) if doubt]


def _by_name(names: list[str], importance: Importance) -> dict[str, dict[str, float]]:
    pairs: list[Array] = [importance.mean, importance.spread]
    return {
        name: {"mean": float(mean), "spread": float(spread)} for name, mean, spread in zip(names, *pairs, strict=True)
    }
