"""An empty figure in the house style, made without pyplot, and the way it gets into a file."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..errors import DataError
from ..files import write_whole

INK = "#1f2430"
MUTED = "#667085"
GRID = "#e4e7ec"
# Okabe and Ito's palette: eight colours that colour-blind readers can tell apart.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8200", "#000000")
POSITIVE, NEGATIVE = "#c8372d", "#2f6db3"

_PREFERRED_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "SimHei",
    "Arial Unicode MS",
)


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows although pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        return _rendered(self, "png", dpi=100)


@contextmanager
def style() -> Iterator[None]:
    """Build a figure under the house style; the user's own settings are back afterwards.

    Text is taken literally: a dollar sign in a file name is no formula.
    """
    settings = {
        "font.family": _fonts(),
        "font.size": 9.0,
        "text.parse_math": False,
        "text.usetex": False,
        "text.color": INK,
        "axes.edgecolor": "#98a2b3",
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10.0,
        "axes.axisbelow": True,
        "axes.facecolor": "white",
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "figure.autolayout": False,
        "figure.constrained_layout.use": False,
        "legend.frameon": False,
        "image.origin": "upper",
        "image.interpolation": "auto",
        "axes.unicode_minus": True,
        "axes.formatter.useoffset": False,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float, constrained: bool = False) -> Figure:
    """Make a figure of the given size in inches that pyplot does not keep.

    Parameters
    ----------
    width, height : float
        In inches.
    constrained : bool
        Let matplotlib find the margins, which suits charts.
    """
    figure = NotebookFigure(figsize=(width, height), facecolor="white", layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Write a figure to a file, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Any figure.
    path : path
        Ends in ``.png``, ``.jpg``, ``.svg`` or ``.pdf``; missing folders are made.
    dpi : int
        Dots per inch.

    Returns
    -------
    pathlib.Path
        Where the file is.

    Raises
    ------
    DataError
        If the ending is not known or the folder cannot be written to.
    """
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in figure.canvas.get_supported_filetypes():
        raise DataError(f"Figures cannot be written as '{Path(path).name}'.", "End the name in .png, .svg or .pdf.")
    return write_whole(path, _rendered(figure, suffix, dpi))


def _rendered(figure: Figure, suffix: str, dpi: int) -> bytes:
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format=suffix, dpi=dpi, facecolor=figure.get_facecolor())
    return buffer.getvalue()


@cache
def _fonts() -> list[str]:
    installed = set(font_manager.get_font_names())
    return [name for name in _PREFERRED_FONTS if name in installed] or ["sans-serif"]
