"""The mean over random orders of the players, for one game: which coalitions it asks for, and the values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..players import Bools
from .shapley_game import Floats


class OrderMean:
    """Mean of what each player adds when it joins, over random orders and their reverses; it grows by parts.

    Parameters
    ----------
    players : int
    rng : numpy Generator
        Where the orders come from.
    """

    def __init__(self, players: int, rng: np.random.Generator) -> None:
        self._rng, self._mean = rng, Mean(players)
        self._exact: Floats | None = None
        self._ranks = _ranks(rng, 0, players)
        self._first: npt.NDArray[np.int64] | None = None
        self._differ = False

    def coalitions(self, pairs: int) -> Bools:
        """Coalitions that further pairs of orders pass through, everybody and nobody among them: (M, K)."""
        self._ranks = _ranks(self._rng, pairs, self._ranks.shape[1])
        return _prefixes(self._ranks)

    def take(self, worth: Floats) -> None:
        """Learn what the coalitions that were asked for last are worth."""
        self._mean.add(_contributions(self._ranks, worth))
        players = self._ranks.shape[1]
        if players < 3:  # One pair of orders is all there are.
            self.settle(self._mean.value)
            return
        first = self._first = self._ranks[0] if self._first is None else self._first
        same = (self._ranks == first).all(axis=1) | (self._ranks == players - 1 - first).all(axis=1)
        self._differ = self._differ or not same.all()

    def settle(self, exact: Floats) -> None:
        """Learn the mean over all orders (K,), which leaves nothing to chance."""
        self._exact = exact

    @property
    def values(self) -> Floats:
        """Mean contributions: (K,)."""
        return self._mean.value if self._exact is None else self._exact

    @property
    def errors(self) -> Floats:
        """Their standard errors, over the pairs of orders: (K,); unknown (NaN) until two of them differ."""
        if self._exact is not None:
            return np.zeros_like(self._exact)
        # Of few players the same pair is soon drawn again, which tells no more than once.
        return self._mean.standard_error() if self._differ else np.full_like(self._mean.value, np.nan)


class Mean:
    """Mean of draws (M, K) that come in parts, with its standard error; parts that are all alike leave no error."""

    def __init__(self, size: int) -> None:
        self.count = 0
        self.value = np.zeros(size)
        self._deviations = np.zeros(size)

    def add(self, draws: Floats) -> None:
        """Take in further draws."""
        mean, count = draws.mean(axis=0), self.count + len(draws)
        step = mean - self.value
        self._deviations += ((draws - mean) ** 2).sum(axis=0) + step**2 * self.count * len(draws) / count
        self.value = self.value + step * len(draws) / count
        self.count = count

    def standard_error(self) -> Floats:
        """Of the mean, per player; unknown (NaN) for one draw."""
        if self.count < 2:
            return np.full(len(self.value), np.nan)
        errors: Floats = np.sqrt(self._deviations / (self.count * (self.count - 1)))
        return errors


def _ranks(rng: np.random.Generator, count: int, players: int) -> npt.NDArray[np.int64]:
    """The place of each player in `count` random orders: (count, K)."""
    return rng.permuted(np.tile(np.arange(players), (count, 1)), axis=1)


def _prefixes(ranks: npt.NDArray[np.int64]) -> Bools:
    """The first t players of each order and of its reverse, t = 0 to K: (count * 2 * (K + 1), K)."""
    players = ranks.shape[1]
    both = np.stack([ranks, players - 1 - ranks], axis=1)
    present: Bools = both[:, :, None, :] < np.arange(players + 1)[:, None]
    return present.reshape(-1, players)


def _contributions(ranks: npt.NDArray[np.int64], worth: Floats) -> Floats:
    """What each player adds when it joins, mean over each order and its reverse: (count, K)."""
    count, players = ranks.shape
    steps = np.diff(worth.reshape(count, 2, players + 1), axis=2)
    forward = np.take_along_axis(steps[:, 0], ranks, axis=1)
    backward = np.take_along_axis(steps[:, 1], players - 1 - ranks, axis=1)
    mean: Floats = (forward + backward) / 2
    return mean
