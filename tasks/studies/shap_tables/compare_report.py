"""The comparison of all models and methods in the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....figures.report import FigureItem, Row, Section, TableItem
from ....figures.tables_shap_matrix import rank_matrices, share_matrix
from ....figures.tables_shap_rows import Values, row_plot
from ..base import Context
from .compare import NETWORK, Series, rank_correlations
from .networks import DOUBLE, SINGLE, Explained
from .questions import Question


def compare_section(
    question: Question, series: Sequence[Series], network: Explained | None, context: Context
) -> Section:
    """Draw the comparison and return the chapter."""
    name = question.table.name if question.label is None else f"{question.table.name}, {question.label_name}"
    rows = [Row([_estimates(series)]), *_figures(question, series, context), Row([_means(question, series)])]
    if network is not None and any(one.within is not None for one in network.values):
        rows.append(Row([_frameworks(network)]))
    who = "Trees beside a network" if network else "Two kinds of trees"
    text = (
        f"All models are explained on the same {len(question.compared)} rows; the same {len(question.background)} "
        "background rows stand for absent features, except where trees are path-dependent. Different models may "
        "rightly differ: each value says what its model does, not what is true of the data."
    )
    if network is not None and network.score is not None:
        what = "root mean squared error" if question.label is None else "accuracy"
        text += f" The network's {what} on held-out rows is {network.score:.3g}."
    return Section(f"{who}: {name}", text, rows)


def _estimates(series: Sequence[Series]) -> TableItem:
    rows = [
        [one.model, one.method, one.unit, one.base, one.error_name, one.error, one.standard_error, one.truth]
        for one in series
    ]
    columns = ["model", "method", "unit", "base value", "error estimate", "largest", "largest standard error",
               "from exact values"]  # fmt: skip
    return TableItem(
        "How far can each be trusted?",
        columns,
        rows,
        "Residuals are shares of the furthest that an output lies from the base value, standard errors shares of a "
        "row's values: for deepshap of what other background rows would change, for methods that draw of what other "
        "draws would. The last column is the relative L2 distance from exact Shapley values of the same network and "
        "background. Values that add up need not be Shapley values: of a network that is not linear, DeepSHAP and "
        "expected gradients give approximations, however small their residual is.",
    )


def _figures(question: Question, series: Sequence[Series], context: Context) -> list[Row]:
    names, labels = question.table.feature_names, [one.name for one in series]
    position = int(np.searchsorted(question.compared, question.row))
    panels: dict[str, dict[str, Values]] = {}
    for one in series:
        spread = None if one.spread is None else one.spread[position]
        panels.setdefault(one.unit, {})[one.name] = (one.values[position], spread)
    shares = share_matrix(np.stack([one.shares for one in series]), names, labels, "Who gets how much?")
    ranks = rank_matrices(*rank_correlations(series), labels)
    row = row_plot(panels, names, f"Row {question.row}, model by model")
    output, key = context.output, question.key
    by_share = FigureItem(
        output.figure(shares, f"{key}_shares"),
        "Mean |value| as a share",
        "Shares can be compared where units cannot.",
    )
    by_row = FigureItem(
        output.figure(row, f"{key}_row"),
        f"Row {question.row}",
        "Lines through the dots are standard errors, where a method gives one for each value.",
    )
    by_rank = FigureItem(
        output.figure(ranks, f"{key}_ranks"),
        "Rank correlations",
        "1: the same order of the features. Left by mean |value|, right of the signed values of each row.",
    )
    return [Row([by_share, by_row]), Row([by_rank])]


def _means(question: Question, series: Sequence[Series]) -> TableItem:
    means = [one.means for one in series]
    rows = [[name, *(float(mean[i]) for mean in means)] for i, name in enumerate(question.table.feature_names)]
    return TableItem(
        "Mean |value| of each feature",
        ["feature", *(one.name for one in series)],
        rows,
        "Units: " + "; ".join(f"{one.name}: {one.unit}" for one in series) + ".",
    )


def _frameworks(network: Explained) -> TableItem:
    rows = [
        [one.method, one.unit, one.single, one.double, one.within] for one in network.values if one.within is not None
    ]
    return TableItem(
        f"Do both frameworks agree on the {NETWORK}?",
        ["method", "explained", "single precision", "double precision", "within the limits"],
        rows,
        "Largest difference of a value as a share of the largest value, between networks of the same weights. Limits: "
        f"{SINGLE:g} in single precision, {DOUBLE:g} in double.",
    )
