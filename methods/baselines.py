"""What stands for "nothing there": the inputs that attributions are measured from."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ..errors import InputError, suggest
from .checks import baseline_like, pictures
from .explanation import Array

Baseline: TypeAlias = Any
"""A number, an array of one sample or of the batch, a name of `NAMES`, or a list of these."""

NAMES = ("blur", "mean", "noise")

# Of the shorter side: what is left is the lighting of the picture, not its objects.
_BLUR = 0.1


def baselines(baseline: Baseline, x: Array, seed: int = 0) -> list[Array]:
    """One array of the shape of `x` per baseline asked for.

    Parameters
    ----------
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        ``"blur"`` is the picture without detail, ``"mean"`` its mean colour, ``"noise"`` uniform noise over the range
        of each sample, from ``numpy.random.default_rng([seed, i])``. A list asks for several: a list of numbers is as
        many plain baselines and not one sample.
    x : ndarray (N, ...)
    seed : int

    Raises
    ------
    InputError
        If a baseline is not known or does not fit.
    """
    several = baseline if isinstance(baseline, (list, tuple)) else [baseline]
    if not several:
        raise InputError("The list of baselines is empty.", "Pass at least one.")
    return [_one(each, x, seed) for each in several]


def _one(baseline: Any, x: Array, seed: int) -> Array:
    if not isinstance(baseline, str):
        return baseline_like(baseline, x)
    if baseline == "mean":
        means = pictures(x, 'baseline="mean"').mean(axis=(2, 3), keepdims=True, dtype=np.float64)
        return np.broadcast_to(means.astype(x.dtype), x.shape)
    if baseline == "blur":
        from scipy import ndimage

        sigma = _BLUR * min(pictures(x, 'baseline="blur"').shape[2:])
        return ndimage.gaussian_filter(x.astype(np.float64), (0, 0, sigma, sigma), mode="nearest").astype(x.dtype)
    if baseline == "noise":
        draws = [np.random.default_rng([seed, i]).uniform(s.min(), s.max(), s.shape) for i, s in enumerate(x)]
        return np.stack(draws).astype(x.dtype)
    raise InputError(f"The baseline '{baseline}' is not known.", suggest(baseline, NAMES))
