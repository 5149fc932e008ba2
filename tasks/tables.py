"""The table half of the task `lime_shap`: LIME on boosting, exact SHAP on XGBoost, as files and as report material."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .tables_lime import LimeRow, explain_row_with_lime
from .tables_report import (
    lime_arrays,
    lime_numbers,
    lime_table,
    lime_title,
    shap_arrays,
    shap_numbers,
    shap_table,
    shap_title,
)
from .tables_shap import TreeShap, explain_with_tree_shap
from .tables_split import feature_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..datasets import Table


@dataclass(frozen=True)
class _Picture:
    """A figure on its way to a file."""

    stem: str
    title: str
    caption: str
    figure: Figure


def tables_section(
    out_dir: str | Path,
    table: Table | None = None,
    *,
    lime_row: int = 81,
    lime_target: int | None = None,
    shap_row: int = 30,
    shap_model: str = "regressor",
    shap_target: int | None = None,
    samples: int = 5000,
    repeats: int = 5,
    split: str = "stratified",
    test_rows: int = 30,
    dependence: str | None = None,
    interaction: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Explain a table with LIME and SHAP, write the results, and return what a report shows.

    Parameters
    ----------
    out_dir : path
        Gets ``figures/*.png``, ``figures/*.html`` and ``explanations/*.npz``. Nothing is written before
        everything is computed.
    table : Table, optional
        Iris if left out.
    lime_row, lime_target, samples, repeats
        `row`, `target`, `samples` and `repeats` of `explain_row_with_lime`.
    shap_row, shap_model, shap_target
        `row`, `model` and `target` of `explain_with_tree_shap`.
    split, test_rows
        See `split_rows`; the same for both.
    dependence, interaction : str, optional
        Names of the features on the axes and in the colour of the dependence plots. Left out: the feature with the
        largest mean |SHAP value|, and the one it interacts with most.
    seed : int
        Seed of everything random.

    Returns
    -------
    dict
        ``numbers`` (plain JSON), ``figures`` (path, title, caption), ``tables`` (title, columns, rows) and ``html``
        (title, path, height in pixels); paths are relative to `out_dir`.

    Raises
    ------
    TwinlensError
        Whatever the two methods raise, and ConfigError for an unknown feature.
    """
    from ..figures.canvas import save
    from ..files import write_arrays, write_whole

    if table is None:
        from ..datasets import iris

        table = iris()
    parts: dict[str, Any] = {"seed": seed, "split": split, "test_rows": test_rows}
    lime = explain_row_with_lime(table, lime_row, target=lime_target, samples=samples, repeats=repeats, **parts)
    trees = explain_with_tree_shap(table, shap_row, model=shap_model, target=shap_target, **parts)
    names = trees.feature_names
    feature = int(trees.ranking()[0]) if dependence is None else feature_number(names, dependence, "dependence")
    partner = trees.partner(feature) if interaction is None else feature_number(names, interaction, "interaction")

    prefix = re.sub(r"\W+", "_", table.name.lower()).strip("_") or "table"
    pictures = [_lime_picture(lime), *_shap_pictures(trees, feature, partner)]
    pages = _pages(lime, trees)

    figures, explanations = Path(out_dir) / "figures", Path(out_dir) / "explanations"
    for picture in pictures:
        save(picture.figure, figures / f"{prefix}_{picture.stem}.png")
    for stem, (_, page) in pages.items():
        write_whole(figures / f"{prefix}_{stem}.html", page.encode())
    for stem, arrays in (("lime", lime_arrays(lime)), ("tree_shap", shap_arrays(trees))):
        write_arrays(explanations / f"{prefix}_{stem}.npz", arrays)
    return {
        "numbers": {"lime": lime_numbers(lime), "tree_shap": shap_numbers(trees)},
        "figures": [
            {"path": f"figures/{prefix}_{p.stem}.png", "title": p.title, "caption": p.caption} for p in pictures
        ],
        "tables": [lime_table(lime), shap_table(trees)],
        "html": [
            {"title": title, "path": f"figures/{prefix}_{stem}.html", "height": height}
            for (stem, (title, _)), height in zip(pages.items(), (100 + 26 * max(len(lime.rules), 4), 150), strict=True)
        ],
    }


def _lime_picture(lime: LimeRow) -> _Picture:
    from ..figures.tables import lime_bars

    title = lime_title(lime)
    figure = lime_bars(
        lime.rules,
        lime.weights,
        lime.weights_std if lime.repeats > 1 else None,
        lime.probabilities,
        lime.class_names,
        title,
    )
    seen = "was held out" if lime.split.holds_out(lime.row) else "was trained on"
    caption = (
        f"The row {seen}. Local R² {lime.score:.2f}; the linear model says {lime.local_prediction:.2f}, the classifier "
        f"{lime.probabilities[lime.target]:.2f}. Black: one standard deviation over {lime.repeats} draws."
    )
    return _Picture("lime", title, caption, figure)


def _shap_pictures(trees: TreeShap, feature: int, partner: int) -> list[_Picture]:
    from ..figures.tables import force_plot, importance_bars
    from ..figures.tables_shap import dependence_plot, interaction_plot, summary_plot

    names, row = trees.feature_names, trees.row
    all_rows = (trees.values, trees.data, names)
    force = force_plot(trees.base, trees.values[row], trees.data[row], names, trees.output)
    by_itself, coloured = f"Dependence on {names[feature]}", f"Dependence on {names[feature]} and {names[partner]}"
    pictures = [
        _Picture(
            "importance",
            "XGBoost's feature importance",
            "Share of the training gain: says how much a feature was used, not in which direction.",
            importance_bars(names, trees.importance, "XGBoost's feature importance"),
        ),
        _Picture(
            "shap_force",
            shap_title(trees),
            f"Base value {trees.base:.4f} plus all SHAP values is the prediction, {trees.predictions[row]:.4f}.",
            force,
        ),
        _Picture(
            "shap_summary",
            "SHAP summary",
            "One dot a row; right of the line the feature raises the output.",
            summary_plot(*all_rows, kind="dot", seed=trees.seed),
        ),
        _Picture(
            "shap_summary_bar",
            "SHAP summary, mean |value|",
            f"Mean |SHAP value| over all {len(trees.data)} rows.",
            summary_plot(*all_rows, kind="bar", seed=trees.seed),
        ),
        _Picture(
            "shap_dependence",
            by_itself,
            "One dot a row; vertical spread at one value is the work of other features.",
            dependence_plot(*all_rows, feature, seed=trees.seed),
        ),
    ]
    if len(names) < 2:
        return pictures
    return [
        *pictures,
        _Picture(
            "shap_dependence_interaction",
            coloured,
            f"The same dots, coloured by {names[partner]}.",
            dependence_plot(*all_rows, feature, partner, seed=trees.seed),
        ),
        _Picture(
            "shap_interactions",
            "SHAP interaction values",
            "Main effects on the diagonal, a pair's whole interaction off it.",
            interaction_plot(trees.interactions, trees.data, names, seed=trees.seed),
        ),
    ]


def _pages(lime: LimeRow, trees: TreeShap) -> dict[str, tuple[str, str]]:
    """Map a file's stem to (title, HTML)."""
    from ..figures.tables_html import force_page, lime_page

    row, title = trees.row, shap_title(trees)
    force = force_page(trees.base, trees.values[row], trees.data[row], trees.feature_names, trees.output, title)
    return {
        "lime": (lime_title(lime), lime_page(lime.explanation, lime.target, lime_title(lime))),
        "shap_force": (title, force),
    }
