"""One explanation as a figure: pictures over their maps, or bars for the features of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InputError
from .bar_chart import draw_bars
from .canvas import MUTED, new_figure, style
from .grids import GridRow, picture_grid
from .rendering import Array, Channels, as_picture, heat, overlay, signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..methods.explanation import ErrorEstimate, Explanation


def plot_explanation(
    explanation: Explanation,
    kind: Literal["heat", "signed", "overlay"] = "heat",
    channels: Channels = "max",
    percentile: float | None = 99.0,
    names: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    maximum: int = 16,
    title: str | None = None,
) -> Figure:
    """Draw an explanation of pictures or of table rows.

    Parameters
    ----------
    explanation : Explanation
        With `values` of shape (N, C, H, W), (N, H, W) or (N, D). They are not changed. What has a column
        per concept is drawn as a table is.
    kind : {"heat", "signed", "overlay"}
        Maps of absolute values, maps in two colours around zero, or absolute values laid over the pictures. Concepts
        have a row each, as they are or laid over the pictures.
    channels : {"max", "sum", "mean", "l2"}
        How the channels become one map; signed maps are summed.
    percentile : float or None
        See `heat`.
    names : sequence of str or None
        Class names, in the order of the scores.
    features : sequence of str or None
        Names of a table's columns.
    maximum : int
        At most so many samples are drawn; the title says so.
    title : str or None
        By default method and backend.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the values are neither maps nor table rows.
    """
    values = np.asarray(explanation.values)
    count = min(len(values), maximum) if values.ndim else 0
    if values.ndim not in (2, 3, 4) or count == 0:
        raise InputError(f"Attributions of shape {values.shape} cannot be drawn.", "Explain pictures or table rows.")
    shown = "" if count == len(values) else f", {count} of {len(values)} samples"
    heading = (title or f"{explanation.method} · {explanation.backend}") + shown
    captions = [_caption(explanation, index, names) for index in range(count)]
    if values.ndim == 2:
        return _table(explanation, values[:count], captions, features, heading)
    inputs = np.asarray(explanation.inputs)[:count]
    pictures = [as_picture(picture) for picture in inputs]
    if "concepts" in explanation.extras:
        rows = [GridRow("picture", pictures), *_concepts(values[:count], inputs, kind == "overlay")]
        return picture_grid(rows, captions, f"{heading} · {_error(explanation.error)}")
    if kind == "signed":
        maps: list[Any] = list(signed(values[:count], percentile=percentile))
    else:
        maps = list(heat(values[:count], channels, percentile=percentile))
    if kind == "overlay":
        maps = [overlay(picture, strength) for picture, strength in zip(inputs, maps, strict=True)]
    rows = [GridRow("picture", pictures), GridRow(_label(explanation), maps, signed=kind == "signed")]
    return picture_grid(rows, captions, heading)


def _concepts(values: Array, inputs: Array, laid_over: bool) -> list[GridRow]:
    """A row per concept, on one scale in all pictures: where a concept is absent nothing shines."""
    rows = []
    for number, maps in enumerate(np.moveaxis(values, 1, 0)):
        title = f"concept {number}"
        if laid_over:
            shares = maps / (maps.max() or 1)
            rows.append(GridRow(title, [overlay(picture, each) for picture, each in zip(inputs, shares, strict=True)]))
        else:
            rows.append(GridRow(title, list(maps), vmin=0.0, shared=True))
    return rows


def _table(
    explanation: Explanation, values: Array, captions: Sequence[str], features: Sequence[str] | None, title: str
) -> Figure:
    count, width = values.shape
    concepts = explanation.extras.get("concepts")
    columns = [f"feature {i}" for i in range(width)] if concepts is None else [str(name) for name in concepts]
    columns = columns if features is None else list(features)
    if len(columns) != width:
        raise InputError(f"There are {len(columns)} feature names for {width} features.", "Give one name per feature.")
    across = min(count, 2)
    down = -(-count // across)
    inputs = np.asarray(explanation.inputs)
    with style():
        figure = new_figure(4.2 * across, (1.1 + 0.29 * min(width, 15)) * down + 0.4, constrained=True)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for index, axes in enumerate(grid):
            if index >= count:
                axes.set_axis_off()
                continue
            labels = columns
            if concepts is None and inputs.shape[:2] == (len(inputs), width) and inputs.ndim == 2:
                labels = [
                    f"{name} = {value:.4g}".replace("= -", "= −")
                    for name, value in zip(columns, inputs[index], strict=True)
                ]
            draw_bars(axes, labels, values[index])
            axes.set_title(captions[index], size=9, loc="left")
        figure.suptitle(title, x=0.01, ha="left", size=11, weight="bold")
        note = _error(explanation.error)
        if note:
            figure.supxlabel(note, size=8, color=MUTED)
    return figure


def _label(explanation: Explanation) -> str:
    note = _error(explanation.error)
    return f"{explanation.method.replace('_', ' ')} {f'({note})' if note else ''}".strip()


def _caption(explanation: Explanation, index: int, names: Sequence[str] | None) -> str:
    """Name of the explained class of one sample and its score, as far as they are known."""
    target, scores = explanation.target, explanation.scores
    if target is None or callable(target):
        return f"sample {index}"
    each = np.asarray(target).ravel()
    label = int(each[index] if each.size > 1 else each[0])
    name = str(names[label]) if names is not None and 0 <= label < len(names) else f"class {label}"
    table = None if scores is None else np.asarray(scores)
    if table is None or table.ndim != 2 or not (index < len(table) and 0 <= label < table.shape[1]):
        return name
    return f"{name} {table[index, label]:.3g}"


def _error(error: ErrorEstimate | None) -> str:
    """The worst of the method's own error estimates."""
    if error is None or not np.size(error.values):
        return ""
    return f"{error.name} {error.worst:.2g}{'' if error.scale is None else ' relative'}"
