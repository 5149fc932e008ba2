"""Superpixels over a picture: their borders, and the ones that LIME finds for and against a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .palettes import GREEN_RED, Colour, Palette
from .rendering import Array, Floats, as_picture, finite

Weights: TypeAlias = Mapping[int, float] | Iterable[tuple[int, float]] | Array

GREEN, RED = GREEN_RED.positive, GREEN_RED.negative
YELLOW: Colour = (1.0, 0.87, 0.0)

_BLANK = 0.94
# Pixels from one dash or stripe to the next.
_DASH, _STRIPE = 8, 12


def borders(segments: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Mark the pixels that touch another segment above, below, left or right.

    Parameters
    ----------
    segments : integer array of shape (H, W)
        One number per superpixel.

    Returns
    -------
    boolean array of shape (H, W)
    """
    numbers = np.asarray(segments)
    if numbers.ndim != 2:
        raise InputError(f"Segments cannot have shape {numbers.shape}.", "Give one number per pixel, as (H, W).")
    edge = np.zeros(numbers.shape, dtype=bool)
    across, down = numbers[:, 1:] != numbers[:, :-1], numbers[1:] != numbers[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def boundaries(picture: npt.ArrayLike, segments: npt.ArrayLike, colour: Colour = YELLOW) -> Floats:
    """Draw the borders of the superpixels into a picture.

    Parameters
    ----------
    picture : array of shape (3, H, W)
        See `as_picture`.
    segments : integer array of shape (H, W)
        One number per superpixel.
    colour : tuple of 3 floats in 0..1
        Of the lines.

    Returns
    -------
    array of shape (H, W, 3), float64, in 0..1
    """
    drawn, numbers = _with_segments(picture, segments)
    drawn[borders(numbers)] = colour
    return drawn


def regions(
    picture: npt.ArrayLike,
    segments: npt.ArrayLike,
    weights: Weights,
    positive: int = 5,
    negative: int = 5,
    alpha: float = 0.55,
    fade: float = 0.4,
    hide_rest: bool = False,
    palette: Palette = GREEN_RED,
) -> Floats:
    """Shade the superpixels that speak for a class green and those that speak against it red, as LIME does.

    Those for it have an unbroken border, those against it a dashed one.

    Parameters
    ----------
    picture : array of shape (3, H, W)
        See `as_picture`.
    segments : integer array of shape (H, W)
        One number per superpixel.
    weights : mapping, pairs, or array
        Weight of each superpixel by its number: ``{number: weight}``, ``[(number, weight), ...]``, or an array
        indexed by the number.
    positive, negative : int
        At most so many superpixels of either sign, the strongest first; 0 shows none.
    alpha : float
        Opacity of the strongest superpixel, in 0..1; weaker ones are shaded less, down to half of it.
    fade : float
        How far the rest of the picture fades to grey, in 0..1.
    hide_rest : bool
        Blank the rest of the picture instead, and shade nothing.
    palette : Palette
        Other colours than green and red.

    Returns
    -------
    array of shape (H, W, 3), float64, in 0..1

    References
    ----------
    Ribeiro et al. (2016), "Why should I trust you?".
    """
    drawn, numbers = _with_segments(picture, segments)
    chosen = _strongest(weights, numbers, positive, negative)
    selected = np.isin(numbers, list(chosen))
    grey = 0.5 * drawn.mean(axis=2, keepdims=True) + 0.25
    drawn = np.where(selected[..., None], drawn, _BLANK if hide_rest else (1 - fade) * drawn + fade * grey)
    dashes, stripes = _diagonals(numbers.shape, _DASH, 2), _diagonals(numbers.shape, _STRIPE, 4)
    largest = max((abs(weight) for weight in chosen.values()), default=1.0)
    for number, weight in chosen.items():
        inside = numbers == number
        opacity = 0.0 if hide_rest else alpha * (0.5 + 0.5 * abs(weight) / largest)
        colour = np.array(palette.positive if weight > 0 else palette.negative)
        drawn[inside] = (1 - opacity) * drawn[inside] + opacity * colour
        if weight < 0 and palette.hatched and not hide_rest:
            drawn[inside & stripes] = colour
        edge = inside & borders(inside)
        drawn[edge if weight > 0 else edge & dashes] = colour
    return drawn


def _diagonals(shape: tuple[int, ...], period: int, share: int) -> npt.NDArray[np.bool_]:
    """Every `period` pixels a diagonal stripe, one part in `share` as wide."""
    rows, columns = np.indices(shape)
    stripes: npt.NDArray[np.bool_] = (rows + columns) % period < period // share
    return stripes


def _strongest(weights: Weights, numbers: Array, positive: int, negative: int) -> dict[int, float]:
    if isinstance(weights, np.ndarray) and weights.ndim == 1:
        pairs = list(enumerate(weights.tolist()))
        pairs = [(number, weight) for number, weight in pairs if weight != 0]
    else:
        pairs = [(int(n), float(w)) for n, w in (weights.items() if isinstance(weights, Mapping) else weights)]
    finite(np.array([weight for _, weight in pairs]), "The weights")
    unknown = {number for number, _ in pairs} - set(np.unique(numbers).tolist())
    if unknown:
        raise InputError(f"There is no segment {min(unknown)}.", "Give weights by the numbers that `segments` holds.")
    ranked: Sequence[tuple[int, float]] = sorted(pairs, key=lambda pair: -abs(pair[1]))
    speaking_for = [pair for pair in ranked if pair[1] > 0][:positive]
    return dict(speaking_for + [pair for pair in ranked if pair[1] < 0][:negative])


def _with_segments(picture: npt.ArrayLike, segments: npt.ArrayLike) -> tuple[Floats, Array]:
    drawn, numbers = as_picture(picture), np.asarray(segments)
    if numbers.shape != drawn.shape[:2]:
        raise InputError(
            f"Segments of shape {numbers.shape} do not lie on a picture of {drawn.shape[:2]} pixels.",
            "Segment the same picture that is drawn.",
        )
    return drawn, numbers
