"""How alike two explanations of the same inputs are, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .similarity import are_maps, structural_similarity

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of `a` with `b`, one number per sample: arrays of shape (N,).

    Attributes
    ----------
    max_abs : ndarray
        Largest absolute difference, in the units of the values.
    relative_l2 : ndarray
        ``‖a - b‖ / ‖b‖``: 0 is equality.
    cosine : ndarray
        1 is the same direction.
    spearman : ndarray
        Correlation of the ranks: 1 is the same order.
    sign : ndarray
        Share of the values with the same sign.
    top_k : ndarray
        Share of the positions with the largest absolute values that are the same: 1 is the same positions. Values as
        large as the smallest of them count in, and zeros never do.
    ssim : ndarray or None
        Structural similarity of maps: 1 is equality. None where it was not asked for, or the values are no maps.
    """

    max_abs: Array
    relative_l2: Array
    cosine: Array
    spearman: Array
    sign: Array
    top_k: Array
    ssim: Array | None = None

    def worst(self) -> dict[str, float]:
        """The least favourable number of each kind over the samples; without SSIM where there is none."""
        found = {
            "max_abs": float(self.max_abs.max()),
            "relative_l2": float(self.relative_l2.max()),
            "cosine": float(self.cosine.min()),
            "spearman": float(self.spearman.min()),
            "sign": float(self.sign.min()),
            "top_k": float(self.top_k.min()),
        }
        return found if self.ssim is None else found | {"ssim": float(self.ssim.min())}


def agreement(a: Array, b: Array, *, top: float = 0.05, ssim: bool = False) -> Agreement:
    """Compare two arrays of explanations in float64.

    Parameters
    ----------
    a, b : ndarray (N, ...)
        Same shape. Two zero maps agree wholly; a zero map agrees with nothing else.
    top : float
        Share of the positions that `top_k` looks at, more than 0 and at most 1; at least one position.
    ssim : bool
        Compute the structural similarity too, where the values are maps of 3 x 3 pixels or more, (N, C, H, W) or
        (N, H, W). Needs scikit-image.

    Raises
    ------
    InputError
        If the shapes differ, a value is not finite, or `top` is no share.
    MissingPackageError
        If `ssim` is asked for without scikit-image.
    """
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        raise InputError(
            f"A {type(a).__name__} and a {type(b).__name__} cannot be compared.", "Pass arrays: explanation.values."
        )
    if a.shape != b.shape or a.ndim < 1 or a.size == 0:
        raise InputError(f"Values of shape {a.shape} and {b.shape} cannot be compared.", "Explain the same inputs.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("The values hold NaN or infinite numbers.", "Check the models that made them.")
    check_top(top)
    first = a.reshape(len(a), -1).astype(np.float64)
    second = b.reshape(len(b), -1).astype(np.float64)
    difference = _norm(first - second)
    return Agreement(
        max_abs=np.abs(first - second).max(axis=1),
        relative_l2=_ratio(difference, _norm(second), when_zero=np.where(difference == 0, 0.0, np.inf)),
        cosine=_cosine(first, second),
        spearman=_cosine(_centred(_ranks(first)), _centred(_ranks(second))),
        sign=(np.sign(first) == np.sign(second)).mean(axis=1),
        top_k=_overlap(_top(first, top), _top(second, top)),
        ssim=structural_similarity(a, b) if ssim and are_maps(a) else None,
    )


def check_top(top: float) -> None:
    """Raise `InputError` unless this is a share of the values, more than none of them."""
    if isinstance(top, bool) or not isinstance(top, (int, float)) or not 0 < top <= 1:
        raise InputError(f"top={top!r} is not a share of the values.", "Use a number such as 0.05.")


def _top(values: Array, share: float) -> npt.NDArray[np.bool_]:
    """Where the largest absolute values are: at least so many of them, more where the last ones are equal."""
    sizes = np.abs(values)
    count = max(1, round(share * sizes.shape[1]))
    least = np.partition(sizes, -count, axis=1)[:, -count, None]
    top: npt.NDArray[np.bool_] = (sizes >= least) & (sizes > 0)
    return top


def _overlap(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Array:
    common = (first & second).sum(axis=1)
    larger = np.maximum(first.sum(axis=1), second.sum(axis=1))
    return _ratio(common, larger, when_zero=np.ones(len(first)))


def _ranks(values: Array) -> Array:
    from scipy.stats import rankdata

    ranks: Array = rankdata(values, axis=1)
    return ranks


def _centred(values: Array) -> Array:
    centred: Array = values - values.mean(axis=1, keepdims=True)
    return centred


def _cosine(a: Array, b: Array) -> Array:
    both_zero = ~(a.any(axis=1) | b.any(axis=1))
    return np.where(both_zero, 1.0, np.clip((_unit(a) * _unit(b)).sum(axis=1), -1, 1))


def _norm(values: Array) -> Array:
    # Squares of gradients as small as 1e-200 would vanish: a saturated softmax has such gradients.
    largest = np.abs(values).max(axis=1)
    norm: Array = largest * np.linalg.norm(_scaled(values), axis=1)
    return norm


def _unit(values: Array) -> Array:
    scaled = _scaled(values)
    return _ratio(scaled, np.linalg.norm(scaled, axis=1, keepdims=True), when_zero=np.zeros_like(values))


def _scaled(values: Array) -> Array:
    return _ratio(values, np.abs(values).max(axis=1, keepdims=True), when_zero=np.zeros_like(values))


def _ratio(numerator: Array, denominator: Array, when_zero: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, when_zero, numerator / denominator)
