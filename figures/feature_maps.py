"""What the filters of a layer answer to pictures, and what they like to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .grids import GridRow, picture_grid
from .rendering import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURE_CMAP = "viridis"


def tile_grid(
    pictures: Sequence[Any],
    titles: Sequence[str] | None = None,
    title: str | None = None,
    columns: int | None = None,
    cmap: str | None = FEATURE_CMAP,
) -> Figure:
    """Draw pictures of equal standing as a block, such as what each filter of a layer likes to see.

    Parameters
    ----------
    pictures : sequence of arrays
        (H, W) maps or pictures as `as_picture` takes them.
    titles : sequence of str or None
        One per picture.
    title : str or None
        Above everything.
    columns : int or None
        By default as many as make the block about twice as wide as high.
    cmap : str or None
        Colour map of the maps.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per picture.
    """
    count = len(pictures)
    columns = columns or min(8, max(1, int(np.ceil(np.sqrt(2 * count)))))
    return picture_grid([GridRow("", pictures, cmap=cmap)], titles, title, max_columns=columns)


def feature_map_grid(
    activations: npt.ArrayLike,
    filters: Sequence[int] | None = None,
    picture_titles: Sequence[str] | None = None,
    title: str | None = None,
    pictures: Sequence[Any] | None = None,
    shared: bool = False,
) -> Figure:
    """Draw what filters of one layer answer to pictures: a row per filter, a column per picture.

    Parameters
    ----------
    activations : array of shape (N, C, H, W)
        Output of the layer.
    filters : sequence of int or None
        Channels to show; by default the first eight.
    picture_titles : sequence of str or None
        One per picture.
    title : str or None
        Above everything.
    pictures : sequence of arrays or None
        The N pictures themselves, drawn as the first row.
    shared : bool
        One scale per filter instead of one per map, so that pictures can be compared.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the layer has no such filter or its output is no feature map.
    """
    maps = finite(np.asarray(activations), "The activations")
    if maps.ndim != 4:
        raise InputError(f"Activations of shape {maps.shape} are no feature maps.", "Choose a layer with 2-D maps.")
    chosen = list(range(min(8, maps.shape[1]))) if filters is None else list(filters)
    for index in chosen:
        if not 0 <= index < maps.shape[1]:
            raise InputError(
                f"Filter {index} does not exist.", f"The layer has filters 0 to {maps.shape[1] - 1}: choose among them."
            )
    rows = [] if pictures is None else [GridRow("picture", pictures)]
    rows += [GridRow(f"filter {i}", list(maps[:, i]), cmap=FEATURE_CMAP, shared=shared) for i in chosen]
    return picture_grid(rows, picture_titles, title)
