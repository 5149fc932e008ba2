"""Pictures of explanations and the report that holds them.

Nothing here is loaded before it is used: matplotlib and jinja2 cost a good part of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bar_chart import bars
    from .canvas import save
    from .charts import agreement, confusion_matrix, training_curves
    from .explanation import plot_explanation
    from .feature_maps import feature_map_grid, tile_grid
    from .grids import GridRow, picture_grid
    from .rendering import as_picture, heat, overlay, signed
    from .report import DetailsItem, FigureItem, HtmlItem, Row, Section, TableItem, TextItem, write_report
    from .superpixels import borders, boundaries, regions

_HOMES = {
    "bars": "bar_chart",
    "save": "canvas",
    "agreement": "charts",
    "confusion_matrix": "charts",
    "training_curves": "charts",
    "plot_explanation": "explanation",
    "feature_map_grid": "feature_maps",
    "tile_grid": "feature_maps",
    "GridRow": "grids",
    "picture_grid": "grids",
    "as_picture": "rendering",
    "heat": "rendering",
    "overlay": "rendering",
    "signed": "rendering",
    "DetailsItem": "report",
    "FigureItem": "report",
    "HtmlItem": "report",
    "Row": "report",
    "Section": "report",
    "TableItem": "report",
    "TextItem": "report",
    "write_report": "report",
    "borders": "superpixels",
    "boundaries": "superpixels",
    "regions": "superpixels",
}

__all__ = [
    "DetailsItem",
    "FigureItem",
    "GridRow",
    "HtmlItem",
    "Row",
    "Section",
    "TableItem",
    "TextItem",
    "agreement",
    "as_picture",
    "bars",
    "borders",
    "boundaries",
    "confusion_matrix",
    "feature_map_grid",
    "heat",
    "overlay",
    "picture_grid",
    "plot_explanation",
    "regions",
    "save",
    "signed",
    "tile_grid",
    "training_curves",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
