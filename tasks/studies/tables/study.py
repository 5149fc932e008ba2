"""LIME on gradient boosting and exact SHAP values of XGBoost, on iris: the table half of the course's third task."""

from __future__ import annotations

from ....figures.report import FigureItem, HtmlItem, Row, Section, TableItem
from ...tables import tables_section
from ..base import Context, Findings
from .settings import Tables


def run(settings: Tables, context: Context) -> Findings:
    """Explain iris; see `tables_section`."""
    context.say("tables: LIME and SHAP on iris")
    folder = context.output.folder
    found = tables_section(folder, seed=context.seed, **settings.model_dump())
    figures = [FigureItem(folder / f["path"], f["title"], f["caption"]) for f in found["figures"]]
    rows = [Row([TableItem(t["title"], t["columns"], t["rows"]) for t in found["tables"]])]
    rows += [Row([HtmlItem(h["title"], folder / h["path"], h["height"])]) for h in found["html"]]
    rows += [Row(figures[start : start + 2]) for start in range(0, len(figures), 2)]
    text = "Iris, explained by LIME on gradient boosting and by exact SHAP values of XGBoost's trees."
    return [Section("LIME and SHAP on a table", text, rows)], found["numbers"]
