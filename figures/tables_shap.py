"""shap's own plots of many rows (summary, dependence, interactions), drawn without a trace in the user's session."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from .bar_chart import shortened
from .canvas import NotebookFigure, style
from .tables import wrap_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def private_pyplot(seed: int = 0) -> Iterator[list[Figure]]:
    """Let a library draw through pyplot without a trace in the user's session.

    Figures get an Agg canvas whatever the user's backend is, and pyplot forgets them at the end (they can still be
    saved). Settings, interactive mode, the user's own figures and NumPy's global generator come back as they were.
    Not for several threads at once: pyplot itself is not.

    Parameters
    ----------
    seed : int
        Seed of NumPy's global generator inside, which shap uses to shuffle points.

    Yields
    ------
    list of Figure
        Empty at first; at the end it holds the figures that were opened inside, in order.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def new_agg_manager(num: int, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("FigureClass", None)
        return FigureCanvasAgg.new_manager(NotebookFigure(*args, **kwargs), num)

    figures: list[Figure] = []
    before = set(plt.get_fignums())
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.set_bit_generator(np.random.MT19937(seed))  # type: ignore[attr-defined]
    try:
        # pyplot asks these two for a canvas; left alone, they would pick and start a window system first.
        with (
            style(),
            plt.ioff(),
            patch.object(plt, "new_figure_manager", new_agg_manager),
            patch.object(plt, "draw_if_interactive", lambda: None),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", r"The set_(bad|over|under) function", PendingDeprecationWarning)
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            # shap lays out at its own figure size; the final layout comes after.
            warnings.filterwarnings("ignore", "Tight layout not applied", UserWarning)
            try:
                yield figures
            finally:
                for number in sorted(set(plt.get_fignums()) - before):
                    figures.append(plt.figure(number))
                    plt.close(number)
                    FigureCanvasAgg(figures[-1])  # closing takes the canvas away
    finally:
        np.random.set_bit_generator(generator)  # type: ignore[attr-defined]


def summary_plot(
    values: np.ndarray, data: np.ndarray, feature_names: Sequence[str], kind: str = "dot", seed: int = 0
) -> Figure:
    """Draw the SHAP values of all rows, features ordered by mean |value|.

    Parameters
    ----------
    values, data : (n, d) float
        SHAP values and feature values.
    feature_names : sequence of str
        d names.
    kind : {"dot", "bar"}
        One dot a row, coloured by the feature's value, or the mean |value| as bars.
    seed : int
        Seed of the dots' order.
    """
    import matplotlib.pyplot as plt
    import shap

    with private_pyplot(seed) as figures:
        plt.figure()
        shap.summary_plot(
            values,
            data,
            feature_names=_short(feature_names),
            plot_type=kind,
            show=False,
            rng=np.random.default_rng(seed),
        )
        if kind == "bar":
            plt.xlabel("mean |SHAP value|")
    return figures[-1]


def dependence_plot(
    values: np.ndarray,
    data: np.ndarray,
    feature_names: Sequence[str],
    feature: int,
    interaction: int | None = None,
    seed: int = 0,
) -> Figure:
    """Draw one feature's SHAP value over its value, one dot a row.

    Parameters
    ----------
    values, data : (n, d) float
        SHAP values and feature values.
    feature_names : sequence of str
        d names.
    feature : int
        The feature on the axes.
    interaction : int, optional
        The feature that colours the dots.
    seed : int
        Seed of the dots' drawing order.
    """
    import matplotlib.pyplot as plt
    import shap

    with private_pyplot(seed) as figures:
        size = (7.5 if interaction is not None else 6.5, 4.6)
        axes = plt.figure(figsize=size, layout="constrained").gca()
        shap.dependence_plot(
            feature,
            values,
            data,
            feature_names=_short(feature_names),
            interaction_index=interaction,
            ax=axes,
            show=False,
        )
        axes.set_ylabel(f"SHAP value for\n{_short(feature_names)[feature]}")
    return figures[-1]


def interaction_plot(
    interactions: np.ndarray, data: np.ndarray, feature_names: Sequence[str], most: int = 4, seed: int = 0
) -> Figure:
    """Draw the interaction values of all rows as a square of dot plots, main effects on the diagonal.

    Parameters
    ----------
    interactions : (n, d, d) float
        Interaction values; a pair's two halves are drawn as their sum.
    data : (n, d) float
        Feature values.
    feature_names : sequence of str
        d names.
    most : int
        How many features to show.
    seed : int
        Seed of the dots' order.
    """
    import shap
    from matplotlib.ticker import MaxNLocator

    # shap draws the features in this order; sorting here as well makes the order of its axes known.
    order = np.argsort(-np.abs(interactions.sum(axis=1)).sum(axis=0), kind="stable")[:most]
    names = _short([feature_names[i] for i in order])
    shown = interactions[:, order][:, :, order]
    with private_pyplot(seed) as figures:
        shap.summary_plot(shown, data[:, order], feature_names=names, max_display=len(order), show=False)
    figure = figures[-1]
    figure.set_size_inches(3 + 1.8 * len(order), 1.6 + 0.7 * len(order))
    figure.set_layout_engine("constrained")
    doubled = shown * (2 - np.eye(len(order)))
    limit = 1.05 * float(np.abs(doubled).max()) or 1.0
    # shap shortens the titles, and its limits hide the largest values.
    for axes, name in zip(figure.axes, names, strict=True):
        axes.set_title(wrap_label(name, 14), fontsize=11)
        axes.set(xlim=(-limit, limit), xlabel="")
        axes.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
        axes.tick_params(labelsize=10)
    figure.supxlabel("SHAP interaction value (red: high value of the feature on the left)", fontsize=11)
    return figure


def _short(names: Sequence[str]) -> list[str]:
    """Cut names so that shap's fixed figure sizes have room for them."""
    return [shortened(name, 28) for name in names]
