"""From raw attributions to pictures that can be shown; the attributions themselves are never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import InputError, NonFiniteError

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

Array: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Channels: TypeAlias = Literal["max", "sum", "mean", "l2"]

HEAT_CMAP = "inferno"
SIGNED_CMAP = "RdBu_r"


def heat(
    values: npt.ArrayLike,
    channels: Channels = "max",
    absolute: bool = True,
    percentile: float | None = 99.0,
    normalise: Literal["picture"] | None = "picture",
) -> Floats:
    """Reduce attributions to one brightness per pixel.

    Parameters
    ----------
    values : array of shape (N, C, H, W) or (N, H, W)
        Raw attributions; (N, H, W) counts as one channel.
    channels : {"max", "sum", "mean", "l2"}
        How the channels of a pixel become one number.
    absolute : bool
        Take absolute values before the channels are reduced.
    percentile : float or None
        Values above this percentile of a picture (0 to 100) are drawn as bright as the percentile itself, so that
        one outlier does not darken the rest. ``None`` clips nothing. A map so sparse that the percentile equals its
        minimum is scaled by its maximum instead.
    normalise : {"picture", None}
        ``"picture"`` maps each picture's minimum to 0 and its maximum (or percentile) to 1. ``None`` leaves the
        reduced (and clipped) values in their own unit.

    Returns
    -------
    array of shape (N, H, W), float64
        In 0..1 when normalised. A map that is the same everywhere becomes zeros.

    Raises
    ------
    NonFiniteError
        If `values` hold NaN or infinity.
    InputError
        If the shape or an option is not one of those above.

    References
    ----------
    Simonyan et al. (2014), Deep inside convolutional networks; Smilkov et al. (2017), SmoothGrad (percentile).
    """
    if normalise not in ("picture", None):
        raise InputError(f"normalise={normalise!r} is not known.", "Use 'picture' or None.")
    maps = _reduced(values, channels, absolute)
    low = maps.min(axis=(1, 2), keepdims=True)
    high = _clip_level(maps, percentile, low)
    maps = np.minimum(maps, high)
    if normalise is None:
        return maps
    span = high - low
    return np.divide(maps - low, span, out=np.zeros_like(maps), where=span > 0)


def signed(values: npt.ArrayLike, channels: Literal["sum", "mean"] = "sum", percentile: float | None = None) -> Floats:
    """Reduce attributions to one number per pixel that keeps its sign.

    Parameters
    ----------
    values : array of shape (N, C, H, W) or (N, H, W)
        Raw attributions.
    channels : {"sum", "mean"}
        How the channels of a pixel become one number and keep its sign; ``"sum"`` keeps additive attributions
        additive.
    percentile : float or None
        Clip at this percentile (0 to 100) of the absolute values of each picture.

    Returns
    -------
    array of shape (N, H, W), float64
        In -1..1, each picture divided by its own largest absolute value, so that 0 stays 0.

    Raises
    ------
    NonFiniteError, InputError
        As for `heat`.
    """
    if channels not in ("sum", "mean"):
        raise InputError(f"channels={channels!r} does not keep the sign.", "Use 'sum' or 'mean'.")
    maps = _reduced(values, channels, absolute=False)
    sizes = np.abs(maps)
    high = _clip_level(sizes, percentile, np.zeros((len(maps), 1, 1)))
    scaled = np.divide(maps, high, out=np.zeros_like(maps), where=high > 0)
    return np.clip(scaled, -1.0, 1.0)


def as_picture(picture: npt.ArrayLike) -> Floats:
    """Turn a picture of any usual layout into what matplotlib draws.

    Parameters
    ----------
    picture : array of shape (C, H, W), (H, W, C) or (H, W), C in {1, 3, 4}
        Floats in 0..1 (others are clipped), integers in 0..255 or booleans. Of two possible readings, channels
        first is taken.

    Returns
    -------
    array of shape (H, W, 3), float64, in 0..1
        A copy. Grey is repeated on three channels, an alpha channel is dropped.
    """
    array = np.asarray(picture)
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim == 3 and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or array.size == 0:
        raise InputError(f"A picture cannot have shape {np.shape(picture)}.", "Give one picture as (3, H, W).")
    divisor = 255.0 if np.issubdtype(array.dtype, np.integer) else 1.0
    array = finite(array, "The picture")[..., :3] / divisor
    return np.clip(np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array, 0.0, 1.0)


def overlay(
    picture: npt.ArrayLike, heat: npt.ArrayLike, cmap: str | Colormap | None = None, alpha: float = 0.75
) -> Floats:
    """Lay a map over its picture: the stronger the map, the more it covers.

    Parameters
    ----------
    picture : array of shape (3, H, W)
        See `as_picture`.
    heat : array of shape (H, W)
        In 0..1, or in -1..1 for a signed map.
    cmap : str, matplotlib Colormap or None
        A matplotlib colour map; by default one for heat, and a diverging one when the map has negative values.
    alpha : float
        Opacity where the map is 1 (or -1), in 0..1.

    Returns
    -------
    array of shape (H, W, 3), float64, in 0..1
    """
    import matplotlib

    background = as_picture(picture)
    strength = finite(np.asarray(heat), "The map")
    if strength.shape != background.shape[:2]:
        raise InputError(
            f"A map of shape {strength.shape} does not lie on a picture of {background.shape[:2]} pixels.",
            "Resize the map to the picture first.",
        )
    negative = bool((strength < 0).any())
    chosen = cmap or (SIGNED_CMAP if negative else HEAT_CMAP)
    colours = matplotlib.colormaps[chosen] if isinstance(chosen, str) else chosen
    tint = colours((strength + 1) / 2 if negative else strength)[..., :3]
    opacity = np.clip(alpha * np.abs(strength), 0.0, 1.0)[..., None]
    return np.asarray(background * (1 - opacity) + tint * opacity)


def _reduced(values: npt.ArrayLike, channels: Channels, absolute: bool) -> Floats:
    """Reduce (N, C, H, W) or (N, H, W) to (N, H, W)."""
    array = np.asarray(values)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.size == 0:
        raise InputError(f"Attributions of shape {np.shape(values)} are no maps.", "Give them as (N, C, H, W).")
    array = finite(array, "The attributions")
    if absolute:
        array = np.abs(array)
    if channels == "max":
        return np.asarray(array.max(axis=1))
    if channels == "sum":
        return np.asarray(array.sum(axis=1))
    if channels == "mean":
        return np.asarray(array.mean(axis=1))
    if channels == "l2":
        return np.asarray(np.sqrt((array**2).sum(axis=1)))
    raise InputError(f"channels={channels!r} is not known.", "Use one of: max, sum, mean, l2.")


def _clip_level(maps: Floats, percentile: float | None, low: Floats) -> Floats:
    """Level of each picture, shape (N, 1, 1), above which nothing gets brighter; always above `low` if anything is."""
    high = maps.max(axis=(1, 2), keepdims=True)
    if percentile is None:
        return np.asarray(high)
    if not 0 < percentile <= 100:
        raise InputError(f"percentile={percentile!r} is outside of 0..100.", "Use a number such as 99, or None.")
    level = np.percentile(maps, percentile, axis=(1, 2), keepdims=True)
    return np.where(level > low, level, high)


def finite(array: Array, what: str) -> Floats:
    """Copy real numbers to float64.

    Parameters
    ----------
    array : array
        Integers, floats or booleans.
    what : str
        What the array is, as the subject of an error message.

    Returns
    -------
    array of the same shape, float64

    Raises
    ------
    InputError
        If they are not real numbers.
    NonFiniteError
        If they hold NaN or infinity.
    """
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool) or np.iscomplexobj(array):
        raise InputError(f"{what} must be real numbers, not {array.dtype}.", "Convert to float first.")
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        bad = int((~np.isfinite(numbers)).sum())
        raise NonFiniteError(
            f"{what} cannot be drawn: {bad} of {numbers.size} values are NaN or infinite.",
            "Look for NaN in the model's weights or its input.",
        )
    return numbers
