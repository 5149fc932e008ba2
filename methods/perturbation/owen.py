"""Owen values of a game whose players stand in a row: shared out among halves of the row, their halves, and so on."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..players import Bools
from .shapley_game import Floats

# Groups that are divided at once, so that a network need not run for two coalitions at a time.
_AT_ONCE = 16


@dataclass(order=True)
class _Group:
    """Neighbours that join those of `others` together, and what this is worth."""

    priority: float
    number: int
    first: int = field(compare=False)
    end: int = field(compare=False)
    others: Bools = field(compare=False)
    without: Floats = field(compare=False)
    joined: Floats = field(compare=False)
    weight: float = field(compare=False)

    @property
    def share(self) -> Floats:
        return self.weight * (self.joined - self.without)


def owen_values(worth: Callable[[Bools], Floats], players: int, max_evaluations: int) -> tuple[Floats, Floats]:
    """Share out what all players together are worth among halves of the row, their halves, and so on.

    The two halves of a group play a game of two: each gets the mean of what it adds before and after the other one,
    in every context that the groups above it leave (Owen 1977; the hierarchy is that of partition SHAP). Undivided,
    this takes about ``2 K²`` coalitions. Groups that move the outputs most are divided first; when `max_evaluations`
    are spent, the rest share equally.

    Parameters
    ----------
    worth : callable
        What coalitions (M, K), True for players that are present, are worth: (M, T), of T games at once.
    players : int
    max_evaluations : int
        Coalitions, at most, beside nobody and everybody.

    Returns
    -------
    values : ndarray (K, T)
        Of each game they add up to what everybody is worth above nobody.
    undivided : ndarray (T,)
        Sum of the absolute shares of groups that were not divided down to single players: how much could still move.
    """
    ends = worth(np.stack([np.zeros(players, bool), np.ones(players, bool)]))
    values = np.zeros((players, ends.shape[1]))
    undivided = np.zeros(ends.shape[1])
    groups: list[_Group] = []
    left, made = max_evaluations, 0

    def add(first: int, end: int, others: Bools, without: Floats, joined: Floats, weight: float) -> None:
        nonlocal made
        group = _Group(
            -float(weight * np.abs(joined - without).max()), made, first, end, others, without, joined, weight
        )
        made += 1
        if end - first == 1:
            values[first] += group.share
        else:
            heapq.heappush(groups, group)

    add(0, players, np.zeros(players, bool), ends[0], ends[1], 1.0)
    while groups and left >= 2:
        chosen = [heapq.heappop(groups) for _ in range(min(len(groups), _AT_ONCE, left // 2))]
        halves = [
            (_with(group, group.first, _middle(group)), _with(group, _middle(group), group.end)) for group in chosen
        ]
        found = worth(np.concatenate([np.stack(pair) for pair in halves])).reshape(len(chosen), 2, -1)
        left -= 2 * len(chosen)
        for group, (with_left, with_right), (left_worth, right_worth) in zip(chosen, halves, found, strict=True):
            middle, weight = _middle(group), group.weight / 2
            add(group.first, middle, group.others, group.without, left_worth, weight)
            add(group.first, middle, with_right, right_worth, group.joined, weight)
            add(middle, group.end, group.others, group.without, right_worth, weight)
            add(middle, group.end, with_left, left_worth, group.joined, weight)
    for group in groups:
        values[group.first : group.end] += group.share / (group.end - group.first)
        undivided += np.abs(group.share)
    return values, undivided


def _middle(group: _Group) -> int:
    return (group.first + group.end + 1) // 2


def _with(group: _Group, first: int, end: int) -> Bools:
    present = group.others.copy()
    present[first:end] = True
    return present
