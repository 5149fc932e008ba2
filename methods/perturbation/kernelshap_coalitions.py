"""Which coalitions KernelSHAP looks at: pairs of a coalition and its complement, without repetition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations

import numpy as np

from ..players import Bools
from .shapley_game import Floats

# More than this count as so many: 2**1023 and above do not fit into a float.
_COUNTED = 1e300

# Up to this many, all coalitions of a size are listed and shuffled; beyond, they are drawn one by one.
_LISTED = 1 << 14


@dataclass(frozen=True, eq=False)
class Plan:
    """How many pairs of each size to look at, and how much each of them counts.

    Attributes
    ----------
    counts : ndarray of int (K // 2,)
        Pairs of a coalition of 1, 2, ... players and its complement.
    weights : ndarray (K // 2,)
        What one pair counts in the regression: the Shapley kernel, over the share of its size that is looked at.
    left_out : ndarray (K // 2,)
        The share of each size that is not looked at.
    """

    counts: np.ndarray[tuple[int], np.dtype[np.int64]]
    weights: Floats
    left_out: Floats

    @property
    def complete(self) -> bool:
        """Whether no coalition is left out."""
        return not self.left_out.any()


@lru_cache(maxsize=32)
def pair_counts(players: int) -> tuple[int, ...]:
    """How many pairs of a coalition of 1, 2, ..., K // 2 players and its complement there are."""
    sizes = range(1, players // 2 + 1)
    return tuple(math.comb(players, s) // (2 if 2 * s == players else 1) for s in sizes)


def plan(players: int, pairs: int, rng: np.random.Generator) -> Plan:
    """Share out pairs over the sizes of coalitions.

    Every single player comes first, without which the regression has no solution. The others get pairs in proportion
    to ``1 / sqrt(s (K - s))``, which is best when what the regression leaves over is about equally large at all sizes,
    and never more than there are: the small sizes are looked at completely. What a larger number of pairs looks at
    contains what a smaller one does.

    Parameters
    ----------
    players : int
    pairs : int
        At least `players`, or all there are.
    rng : numpy Generator
        Decides which sizes come first where there is less than a pair for each.
    """
    exist = np.array([float(min(count, _COUNTED)) for count in pair_counts(players)])
    size = np.arange(1, len(exist) + 1)
    # The kernel's mass of a size and of its complement's.
    mass = np.where(2 * size == players, 1, 2) / (size * (players - size))
    offset = rng.random(len(exist))
    if pairs >= exist.sum():
        counts, expected = exist, exist
    else:
        preference = 1 / np.sqrt(size * (players - size))

        def shares(scale: float) -> tuple[Floats, Floats]:
            wanted = np.minimum(scale * preference, exist)
            wanted[0] = exist[0]
            return np.minimum(np.floor(wanted + np.where(wanted < exist, offset, 0)), exist), wanted

        low, high = 0.0, 2 * pairs / preference.min()
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if shares(middle)[0].sum() <= pairs else (low, middle)
        counts, expected = shares(low)
    seen = np.where(expected < 1, expected, counts)
    weights = np.where(counts > 0, mass / np.where(seen > 0, seen, 1), 0.0)
    return Plan(counts.astype(np.int64), weights, 1 - counts / exist)


def every_pair(players: int) -> Bools:
    """One coalition of every pair, the smallest first: (2**(K - 1) - 1, K)."""
    return np.concatenate([np.zeros((0, players), bool), *(_listed(players, s) for s in range(1, players // 2 + 1))])


class Coalitions:
    """The coalitions of one size, each without its complement, in a fixed random order.

    Parameters
    ----------
    players, size : int
    rng : numpy Generator
    """

    def __init__(self, players: int, size: int, rng: np.random.Generator) -> None:
        self._players, self._size, self._rng = players, size, rng
        self._seen: set[bytes] = set()
        self._found = np.zeros((0, players), dtype=bool)
        if pair_counts(players)[size - 1] <= _LISTED:
            self._found = rng.permutation(_listed(players, size))

    def first(self, count: int) -> Bools:
        """The first coalitions of the order: (count, K)."""
        while len(self._found) < count:
            self._found = np.concatenate([self._found, *self._new(count)])
        return self._found[:count]

    def _new(self, count: int) -> Iterator[Bools]:
        order = np.argsort(self._rng.random((count, self._players)), axis=1)
        present = np.zeros((count, self._players), dtype=bool)
        np.put_along_axis(present, order[:, : self._size], True, axis=1)
        if 2 * self._size == self._players:
            present ^= ~present[:, :1]
        for row, key in zip(present, np.packbits(present, axis=1), strict=True):
            if key.tobytes() not in self._seen:
                self._seen.add(key.tobytes())
                yield row[None]


@lru_cache(maxsize=32)
def _listed(players: int, size: int) -> Bools:
    half = 2 * size == players
    chosen = combinations(range(1, players), size - 1) if half else combinations(range(players), size)
    count = pair_counts(players)[size - 1]
    members = np.fromiter(chain.from_iterable(chosen), dtype=np.int64).reshape(count, size - half)
    present = np.zeros((count, players), dtype=bool)
    np.put_along_axis(present, members, True, axis=1)
    if half:
        present[:, 0] = True
    return present
