"""What is kept of ICE and PDP: lines to print, numbers, arrays, figures and tables."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ....figures.partial_dependence import CurvePanel, FeatureAxis, MapPanel, dependence_grid, dependence_maps
from ....figures.report import FigureItem, Row, Section, TableItem
from ..table_choice import file_stem

if TYPE_CHECKING:
    from ...output import Output
    from .study import Dependence

_TEXT = """\
A thin line is a row of the table whose feature is set to one value after the other, all else kept (ICE); the thick one
is the average of all rows (PDP). Short marks along the axis are the rows' own values, long ones their deciles. Away
from them, and where a row's other columns do not go with the value, the model is asked about what it has never seen.
The disagreement is the share of the curves' movement that the average does not show. It is 0 where all curves are
parallel; where it is large, the average describes no row."""


def summary(found: Dependence) -> list[str]:
    """Give the key numbers, a line each."""
    lines = [f"{found.answer_name}, {len(found.table.data)} rows"]
    for model in found.models:
        shown = ", ".join(
            f"{name} {curves.change:+.3g} (disagreement {curves.disagreement:.0%})"
            for (owner, name), curves in found.curves.items()
            if owner == model.name
        )
        lines.append(f"{model.name}, {_score(found)} {model.held_out:.3f} held out: {shown}")
    difference = network_difference(found)
    if difference is not None:
        lines.append(f"networks on both frameworks differ by at most {difference:.1e}")
    return lines


def network_difference(found: Dependence) -> float | None:
    """Largest difference between the curves of the same network on two frameworks; None where there are not two."""
    names = [model.name for model in found.models if model.framework]
    # The same weights follow each other, so that every two neighbours of different frameworks are one network.
    pairs = [
        (one.name, other.name)
        for one, other in itertools.pairwise(found.models)
        if one.framework and other.framework and one.framework != other.framework
    ]
    if len(names) < 2 or not pairs:
        return None
    features = dict.fromkeys(name for _, name in found.curves)
    return max(
        float(np.abs(found.curves[one, feature].ice - found.curves[other, feature].ice).max())
        for one, other in pairs
        for feature in features
    )


def dependence_numbers(found: Dependence) -> dict[str, Any]:
    """Give what `results.json` keeps."""
    return {
        "table": found.table.name,
        "rows": len(found.table.data),
        "train_rows": len(found.split.train),
        "answer": found.answer_name,
        "explained_class": None if found.target is None else found.table.class_names[found.target],
        "score": _score(found),
        "network_difference": network_difference(found),
        "models": {
            model.name: {
                "training": model.training,
                "held_out": model.held_out,
                "features": {
                    feature: {
                        "grid": curves.grid,
                        "average": curves.average,
                        "standard_error": curves.standard_error,
                        "change_error": curves.change_error,
                        "change": curves.change,
                        "disagreement": curves.disagreement,
                        "rows_against_the_average": curves.against,
                        "slope_spread": curves.slope_spread,
                    }
                    for (owner, feature), curves in found.curves.items()
                    if owner == model.name
                },
                "pairs": [
                    {"features": list(pair), "interaction": strength}
                    for (owner, pair), strength in found.strengths.items()
                    if owner == model.name
                ],
            }
            for model in found.models
        },
    }


def save_curves(found: Dependence, output: Output) -> None:
    """Save grids and curves as ``explanations/ice_pdp_TABLE.npz``."""
    arrays: dict[str, Any] = {"data": found.table.data, "feature_names": np.array(found.table.feature_names)}
    for (model, feature), curves in found.curves.items():
        arrays |= {f"{model}/{feature}/grid": curves.grid, f"{model}/{feature}/ice": curves.ice}
    output.arrays(arrays, f"ice_pdp_{file_stem(found.table.name)}")


def dependence_section(found: Dependence, output: Output) -> Section:
    """Draw the figures and lay out the report."""
    scores = [[model.name, model.training, model.held_out] for model in found.models]
    rows = [Row([TableItem(f"{_score(found)} of the models", ["model", "rows trained on", "rows held out"], scores)])]
    for centred in (False, True):
        rows.append(Row([_curve_figure(found, output, centred)]))
    rows.append(Row([_curve_table(found)]))
    for pair in dict.fromkeys(pair for _, pair in found.surfaces):
        rows.append(Row([_pair_figure(found, pair, output), _pair_table(found, pair)]))
    return Section(f"ICE and PDP: {found.table.name}", _TEXT, rows)


def _curve_figure(found: Dependence, output: Output, centred: bool) -> FigureItem:
    features = list(dict.fromkeys(feature for _, feature in found.curves))
    panels = []
    for model in found.models:
        line = []
        for feature in features:
            curves = found.curves[model.name, feature]
            shown = curves.centred() if centred else curves
            note = f"disagreement {curves.disagreement:.0%}"
            line.append(CurvePanel(shown.grid, shown.ice[found.drawn], shown.average, note))
        panels.append(line)
    what = "Centred curves (c-ICE)" if centred else "Curves (ICE) and their average (PDP)"
    figure = dependence_grid(
        panels,
        [model.name for model in found.models],
        [_axis(found, feature) for feature in features],
        f"change of {found.answer_name}" if centred else found.answer_name,
        f"{found.table.name}: {what}",
    )
    name = f"ice_pdp_{file_stem(found.table.name)}_{'centred' if centred else 'curves'}"
    caption = f"{len(found.drawn)} of {len(found.table.data)} rows are drawn; averages and disagreement are over all. "
    caption += "Every curve begins at 0, so that slopes can be compared." if centred else "Orange: the average."
    return FigureItem(output.figure(figure, name), what, caption)


def _pair_figure(found: Dependence, pair: tuple[str, str], output: Output) -> FigureItem:
    surfaces = [(model.name, found.surfaces[model.name, pair]) for model in found.models]
    title = f"{found.table.name}: {pair[0]} and {pair[1]} together"
    figure = dependence_maps(
        [MapPanel(name, surface.average, surface.supported) for name, surface in surfaces],
        (_axis(found, pair[0]), _axis(found, pair[1])),
        surfaces[0][1].grids,
        found.answer_name,
        title,
    )
    name = f"ice_pdp_{file_stem(found.table.name)}_{file_stem(pair[0])}_{file_stem(pair[1])}"
    caption = "Dots are rows. Hatched: no row within one step of the grid, so the model guesses."
    return FigureItem(output.figure(figure, name), title, caption)


def _curve_table(found: Dependence) -> TableItem:
    rows = [
        [
            model,
            feature,
            curves.change,
            curves.change_error,
            curves.disagreement,
            curves.against,
            curves.slope_spread,
        ]
        for (model, feature), curves in found.curves.items()
    ]
    columns = ["model", "feature", "change", "±", "disagreement", "rows against", "spread of slopes"]
    caption = (
        "Change: of the average, from the first value to the last (of categories: from the lowest average to the "
        "highest), with its standard error over rows. Rows against: share that changes in the other direction. Spread: "
        "standard deviation of the slope over rows."
    )
    return TableItem("How far the averages can be believed", columns, rows, caption)


def _pair_table(found: Dependence, pair: tuple[str, str]) -> TableItem:
    rows = [[model.name, found.strengths[model.name, pair]] for model in found.models]
    caption = "Friedman and Popescu's H²: share of the joint effect that is not the sum of the two single ones."
    return TableItem(f"Interaction of {pair[0]} and {pair[1]}", ["model", "H²"], rows, caption)


def _axis(found: Dependence, feature: str) -> FeatureAxis:
    column = found.table.feature_names.index(feature)
    return FeatureAxis(feature, found.table.data[:, column], found.table.categories.get(column, ()))


def _score(found: Dependence) -> str:
    return "R²" if found.target is None else "accuracy"
