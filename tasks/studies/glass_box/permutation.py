"""Permutation importance: what the score loses when columns are permuted, one by one or correlated ones together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..table_encoding import Array


@dataclass(frozen=True, eq=False)
class Importance:
    """A number a feature (or group of features) and its spread.

    Attributes
    ----------
    mean, spread : (D,) float64
    """

    mean: Array
    spread: Array


@dataclass(frozen=True)
class Group:
    """Columns that go together.

    Attributes
    ----------
    columns : tuple of int
    correlation : float
        The largest absolute rank correlation within the group.
    """

    columns: tuple[int, ...]
    correlation: float


def permutation(
    fitted: Any,
    data: Array,
    target: Array,
    groups: Sequence[Sequence[int]],
    *,
    classes: bool,
    permutations: int,
    seed: int,
) -> Importance:
    """Measure what the score loses when the columns of a group are permuted by one permutation of the rows.

    Each group is permuted by the same permutations, so that groups can be compared. All permutations of a group are
    predicted in one call, which for a forest takes a fraction of the time of one call each.

    Parameters
    ----------
    fitted : estimator
        With ``predict``.
    data, target : (N, D), (N,)
        Rows to permute, best ones that the model was not trained on.
    groups : sequence of sequence of int
        Columns that are permuted together.
    classes : bool
        Whether the score is accuracy; else it is R².
    permutations, seed : int
        How many permutations, and where they come from.

    Returns
    -------
    Importance
        Mean and standard deviation over the permutations, by group.

    References
    ----------
    A. Fisher, C. Rudin and F. Dominici, "All models are wrong, but many are useful", Journal of Machine Learning
    Research 20 (2019).
    """

    def scores(predictions: Array) -> Array:
        if classes:
            return (predictions == target).mean(axis=-1)
        return 1 - np.square(predictions - target).sum(axis=-1) / np.square(target - target.mean()).sum()

    whole = scores(fitted.predict(data))
    rng = np.random.default_rng(seed)
    orders = np.array([rng.permutation(len(data)) for _ in range(permutations)])
    drops = np.empty((len(groups), permutations))
    for place, columns in enumerate(groups):
        mixed = np.tile(data, (permutations, 1, 1))
        for column in columns:
            mixed[:, :, column] = data[orders, column]
        drops[place] = whole - scores(fitted.predict(mixed.reshape(-1, data.shape[1])).reshape(orders.shape))
    return Importance(drops.mean(axis=1), drops.std(axis=1))


def correlated_groups(data: Array, limit: float, unordered: Sequence[int] = ()) -> list[Group]:
    """Find columns that chains of rank correlations above a limit connect.

    Parameters
    ----------
    data : (N, D) float
    limit : float
        Of the absolute value of Spearman's correlation.
    unordered : sequence of int
        Columns whose numbers have no order, such as codes of three categories or more: they are in no group.

    Returns
    -------
    list of Group
        Of two columns or more each.
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.stats import rankdata

    ranks = rankdata(data, axis=0)
    ranks = ranks - ranks.mean(axis=0)
    sizes = np.linalg.norm(ranks, axis=0)
    # A column without variance has no correlation.
    ranks = ranks / np.where(sizes > 0, sizes, 1.0)
    strength = np.abs(ranks.T @ ranks)
    np.fill_diagonal(strength, 0.0)
    strength[list(unordered)] = strength[:, list(unordered)] = 0.0
    count, labels = connected_components(strength > limit, directed=False)
    members = [np.flatnonzero(labels == label) for label in range(count)]
    return [
        Group(tuple(int(column) for column in group), float(strength[np.ix_(group, group)].max()))
        for group in members
        if len(group) > 1
    ]
