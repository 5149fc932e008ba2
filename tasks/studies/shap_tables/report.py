"""The trees of a table in the report: force, waterfall, bar, beeswarm, dependence and interactions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....figures.report import FigureItem, HtmlItem, Row, Section, TableItem
from ....figures.tables import force_plot
from ....figures.tables_html import force_page
from ....figures.tables_shap import dependence_plot, interaction_plot, summary_plot
from ....figures.tables_shap_matrix import interaction_matrix
from ....figures.tables_shap_waterfall import waterfall_plot
from ....files import write_whole
from ..base import Context
from .numbers import score_name
from .questions import Question
from .trees import Trees

_ABSENT = {
    "path_dependent": "an absent feature follows both branches of a tree, weighted by the rows trained on in each",
    "interventional": "an absent feature takes its values from the background rows, whatever the other features are",
}


def trees_section(question: Question, trees: Sequence[Trees], context: Context) -> Section:
    """Draw everything of the trees, save their values, and return the chapter."""
    columns = [_Drawing(question, one, context).items() for one in trees]
    rows = [Row([_models_table(question, trees)])]
    for items in zip(*columns, strict=True):
        # A page needs the whole width.
        rows += [Row([item]) for item in items] if isinstance(items[0], HtmlItem) else [Row(list(items))]
    return Section(f"SHAP of trees: {_title(question)}", _text(question, trees), rows)


def _title(question: Question) -> str:
    name = question.table.name
    return name if question.label is None else f"{name}, {question.label_name}"


def _text(question: Question, trees: Sequence[Trees]) -> str:
    table, absent = question.table, trees[0].absent
    seen = "held out" if question.split.holds_out(question.row) else "trained on"
    text = (
        f"{table.description}\n\nExact Shapley values (TreeSHAP) of {len(question.rows)} rows. In the figures, "
        f"{_ABSENT[absent]}. The base value plus the values of a row is the prediction, and the run fails where it is "
        f"not. Row {question.row} was {seen}; its target is {_target(question)}."
    )
    if question.label is not None:
        text += (
            " The forest is explained by its probability, XGBoost by its margin: values of the two are not in the same "
            "unit, and a margin turns into a probability only after the values are added up."
        )
    if table.categories:
        text += " Categories are shown by their codes, counted from 0 in alphabetical order."
    return text


def _target(question: Question) -> str:
    target = question.table.target[question.row]
    return f"{target:.4g}" if question.label is None else question.table.class_names[int(target)]


def _models_table(question: Question, trees: Sequence[Trees]) -> TableItem:
    rows = []
    for one in trees:
        for absent, values in one.values.items():
            prediction = float(values.predictions[question.shown])
            rows.append(
                [
                    one.name,
                    one.unit,
                    one.score,
                    absent.replace("_", "-"),
                    values.base,
                    prediction,
                    values.relative_error,
                ]
            )
    apart = "; ".join(
        f"{one.name} {found['relative_l2']:.2g} (rank correlation of the mean |value| {found['spearman_of_means']:.2f})"
        for one in trees
        for found in [one.kinds_apart()]
    )
    return TableItem(
        "What the values add up to",
        ["model", "unit", f"held-out {score_name(question)}", "absent features", "base value",
         f"prediction of row {question.row}", "largest additivity residual, share"],
        rows,
        "Residual: as a share of the furthest that a prediction lies from the base value; more than 0.0001 is an "
        "error. The path-dependent base value is the mean over the rows trained on, as each tree saw them, the "
        f"interventional one the mean over {len(question.background)} background rows. Interventional values differ "
        f"from path-dependent ones by a relative L2 of: {apart}.",
    )  # fmt: skip


class _Drawing:
    """The figures of one model."""

    def __init__(self, question: Question, one: Trees, context: Context) -> None:
        self.question, self.one, self.context = question, one, context
        self.stem = f"{question.key}_{one.name.replace(' ', '_').lower()}"
        self.names = question.table.feature_names
        self.data = np.asarray(question.table.data, dtype=np.float64)[question.rows]
        self.values = one.drawn.values
        self.all_rows = (self.values, self.data, self.names)

    def items(self) -> list[FigureItem | HtmlItem]:
        """Draw in the order of the report, and save the arrays."""
        self._save()
        return [*self._one_row(), self._stacked(), *self._many_rows(), *self._interactions()]

    def _item(self, figure: object, what: str, title: str, caption: str) -> FigureItem:
        path = self.context.output.figure(figure, f"{self.stem}_{what}")  # type: ignore[arg-type]
        return FigureItem(path, f"{title}: {self.one.name}", caption)

    def _one_row(self) -> list[FigureItem | HtmlItem]:
        shown, found, row = self.question.shown, self.one.drawn, self.question.row
        forces = (found.base, self.values[shown], self.data[shown], self.names)
        title = f"Row {row}, {self.one.name}"
        caption = f"What pushes row {row} from the base value {found.base:.4g} to {found.predictions[shown]:.4g}."
        return [
            self._item(force_plot(*forces, self.one.unit), "force", "Force plot", caption),
            self._item(waterfall_plot(*forces, self.one.unit, title), "waterfall", "Waterfall", "The same, in steps."),
        ]

    def _stacked(self) -> HtmlItem:
        title = f"Stacked force plot: {self.one.name}"
        page = force_page(self.one.drawn.base, *self.all_rows, self.one.unit, title)
        path: Path = write_whole(self.context.output.folder / "figures" / f"{self.stem}_stacked.html", page.encode())
        caption = (
            f"The force plots of {len(self.data)} rows, turned upright and side by side; similar rows are neighbours. "
            "Choose above another order, or on the left a single feature; point at a row to read it."
        )
        return HtmlItem(title, path, 420, caption)

    def _many_rows(self) -> list[FigureItem | HtmlItem]:
        seed, count = self.context.seed, len(self.data)
        feature, other = self.one.features(self.question)
        return [
            self._item(
                summary_plot(*self.all_rows, kind="bar", seed=seed),
                "bar", "Bar", f"Mean |SHAP value| of {count} rows: how much a feature moves the output.",
            ),
            self._item(
                summary_plot(*self.all_rows, kind="dot", seed=seed),
                "beeswarm", "Beeswarm", "One dot a row; right of the line the feature raises the output.",
            ),
            self._item(
                dependence_plot(*self.all_rows, feature, other, seed),
                "dependence", f"Dependence on {self.names[feature]}",
                f"One dot a row, coloured by {self.names[other]}; vertical spread at one value is the work of other "
                "features.",
            ),
        ]  # fmt: skip

    def _interactions(self) -> list[FigureItem | HtmlItem]:
        title = f"Interaction values, {self.one.name}"
        missed = f"{self.one.interaction_error:.1g} of what is shared out"
        return [
            self._item(
                interaction_matrix(self.one.interactions, self.names, title, self.one.unit),
                "interaction_matrix", "Interaction values",
                "Path-dependent. Main effects on the diagonal, a pair's whole interaction off it. Sums miss "
                f"the SHAP values by at most {missed}.",
            ),
            self._item(
                interaction_plot(self.one.interactions, self.data, self.names, seed=self.context.seed),
                "interactions", "Interaction values by row",
                "The same for the strongest features, one dot a row.",
            ),
        ]  # fmt: skip

    def _save(self) -> None:
        values = {f"{absent}_{name}": getattr(found, name) for absent, found in self.one.values.items()
                  for name in ("values", "base", "predictions")}  # fmt: skip
        arrays = {
            "rows": self.question.rows,
            "data": self.data,
            "background": self.question.background,
            "interactions": self.one.interactions,
            "feature_names": np.array(self.names),
            "unit": np.array(self.one.unit),
        }
        self.context.output.arrays(arrays | values, f"{self.stem}_tree_shap")
