"""How alike two explanations of the same inputs are, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError

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
    """

    max_abs: Array
    relative_l2: Array
    cosine: Array
    spearman: Array
    sign: Array

    def worst(self) -> dict[str, float]:
        """The least favourable number of each kind over the samples."""
        return {
            "max_abs": float(self.max_abs.max()),
            "relative_l2": float(self.relative_l2.max()),
            "cosine": float(self.cosine.min()),
            "spearman": float(self.spearman.min()),
            "sign": float(self.sign.min()),
        }


def agreement(a: Array, b: Array) -> Agreement:
    """Compare two arrays of explanations in float64.

    Parameters
    ----------
    a, b : ndarray (N, ...)
        Same shape. Two zero maps agree wholly; a zero map agrees with nothing else.

    Raises
    ------
    InputError
        If the shapes differ or a value is not finite.
    """
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        raise InputError(
            f"A {type(a).__name__} and a {type(b).__name__} cannot be compared.", "Pass arrays: explanation.values."
        )
    if a.shape != b.shape or a.ndim < 1 or a.size == 0:
        raise InputError(f"Values of shape {a.shape} and {b.shape} cannot be compared.", "Explain the same inputs.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("The values hold NaN or infinite numbers.", "Check the models that made them.")
    first = a.reshape(len(a), -1).astype(np.float64)
    second = b.reshape(len(b), -1).astype(np.float64)
    difference = _norm(first - second)
    return Agreement(
        max_abs=np.abs(first - second).max(axis=1),
        relative_l2=_ratio(difference, _norm(second), when_zero=np.where(difference == 0, 0.0, np.inf)),
        cosine=_cosine(first, second),
        spearman=_cosine(_centred(_ranks(first)), _centred(_ranks(second))),
        sign=(np.sign(first) == np.sign(second)).mean(axis=1),
    )


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
