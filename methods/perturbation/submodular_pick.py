"""Which samples to look at: the few whose explanations together show the features that matter most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import InputError, MethodError
from ..checks import positive_count
from ..explanation import Explanation
from ..players import Players, players_of
from .common_players import common_players, weight_of_each

# As many as the ``lime`` package shows of a sample.
_FEATURES = 10


@dataclass(frozen=True, eq=False)
class Pick:
    """Samples that cover the important features.

    Attributes
    ----------
    indices : ndarray of int (count,)
        The samples, in the order in which they were picked.
    coverage : ndarray (count,)
        Importance of all features that the first 1, 2, ... of them cover; at most ``importance.sum()``.
    importance : ndarray (K,)
        Of each feature: a column of a table, or a part of the pictures by its number in ``extras["segments"]``; of
        columns that `segments` took together, a part by the order of their labels.
    """

    indices: npt.NDArray[np.int64]
    coverage: npt.NDArray[np.float64]
    importance: npt.NDArray[np.float64]


def submodular_pick(explanation: Explanation, count: int, features: int | None = None) -> Pick:
    """``argmax_|V|=count c(V)``, ``c(V) = Σ_j 1[some i in V has W_ij ≠ 0] I_j``, ``I_j = √Σ_i |W_ij|``, step by step.

    SP-LIME of section 4 of "Why Should I Trust You?" (Ribeiro et al., 2016, arXiv:1602.04938), for `lime` and any
    other method that gives numbers to the same features of all samples. Each step takes the sample that adds most to
    the coverage c, the first of several; what is covered then is at least 1 - 1/e of the best that `count` samples can.

    A row of W holds the largest weights of a sample and 0 in place of the others: a weight of every feature would make
    any single sample cover them all.

    Parameters
    ----------
    explanation : Explanation
        Of rows of a table (N, D), or of pictures with ``extras["segments"]``, the same for all of them.
    count : int
        How many samples to pick.
    features : int, optional
        How many weights of each sample are kept, those of largest size: 10, or half of them where there are fewer than
        20, when left out.

    Returns
    -------
    Pick

    Raises
    ------
    InputError
        If the samples have no features in common, or values are NaN or infinite.
    MethodError
        If there are fewer samples than `count`, or a number is not a positive whole one.
    """
    count = positive_count("count", count)
    if features is not None:
        features = positive_count("features", features)
    weights = _weights(explanation)
    samples, players = weights.shape
    if count > samples:
        raise MethodError(
            f"count={count} is more than the {samples} samples of the explanation.", f"Pass count={samples} or less."
        )
    if features is None:
        features = min(_FEATURES, -(-players // 2))
    kept = np.argsort(-weights, axis=1, kind="stable")[:, :features]
    matrix = np.zeros_like(weights)
    np.put_along_axis(matrix, kept, np.take_along_axis(weights, kept, axis=1), axis=1)
    importance = np.sqrt(matrix.sum(axis=0))
    return _greedy(matrix > 0, importance, count)


def _greedy(covers: npt.NDArray[np.bool_], importance: npt.NDArray[np.float64], count: int) -> Pick:
    """Add the sample that covers most of what is not covered yet, `count` times."""
    covered = np.zeros(len(importance), dtype=bool)
    indices, coverage = np.zeros(count, dtype=np.int64), np.zeros(count)
    left = np.ones(len(covers), dtype=bool)
    for step in range(count):
        gain = np.where(covers & ~covered, importance, 0.0).sum(axis=1)
        best = int(np.argmax(np.where(left, gain, -1.0)))
        left[best] = False
        covered |= covers[best]
        indices[step], coverage[step] = best, np.where(covered, importance, 0.0).sum()
    return Pick(indices, coverage, importance)


def _weights(explanation: Explanation) -> npt.NDArray[np.float64]:
    """Sizes of the numbers of each sample's features (N, K)."""
    if not isinstance(explanation, Explanation):
        raise InputError(
            f"The explanation is a {type(explanation).__name__}.", 'Pass what twinlens.explain(..., "lime") returned.'
        )
    values = explanation.values
    if not np.isfinite(values).all():
        raise InputError("The explanation's values hold NaN or infinite numbers.", "Make it again.")
    shared = _features(explanation)
    weights = weight_of_each(values, shared)
    if not np.array_equal(shared.spread(weights), values):
        raise InputError(
            f"The values of {explanation.method} are not one number per segment.",
            'Explain by "lime" or "kernelshap", for example.',
        )
    return np.abs(weights.astype(np.float64))


def _features(explanation: Explanation) -> Players:
    """The features that all samples have in common."""
    values, x = explanation.values, explanation.inputs
    if x.ndim == 2 and values.shape == x.shape and "concepts" not in explanation.extras:
        # Methods that show and hide may have been told to take columns together.
        columns = common_players(players_of(x, explanation.params.get("segments")))
        if columns is None:
            raise InputError(
                "The segments differ from row to row: no part of one is a part of another.",
                "Explain with one partition (D,) for all rows, or without segments.",
            )
        return columns
    segments = explanation.extras.get("segments")
    if x.ndim != 4 or segments is None:
        raise InputError(
            f"The explanation has values of shape {values.shape} for inputs of shape {x.shape}, which are no numbers "
            "of features that all samples share.",
            'Explain rows of a table, or pictures by "lime" with segments="grid".',
        )
    shared = common_players(players_of(x, segments))
    if shared is None or values.shape != (len(x), *shared.labels.shape):
        raise InputError(
            "The segments differ from picture to picture: no part of one is a part of another.",
            'Explain with segments="grid", or one partition (H, W) for all pictures.',
        )
    return shared
