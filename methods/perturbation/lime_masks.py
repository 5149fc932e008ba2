"""Which superpixels LIME shows: pairs of a mask and its complement from balanced, orthogonal designs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..players import Bools


class Masks:
    """A sequence of masks: everything shown, then pairs of a mask and its complement.

    The masks are rows of Hadamard matrices: over a whole matrix, each superpixel is shown in half of the masks, and
    each two superpixels are shown together as often as apart, so that their weights do not mix. A mask beside its
    complement keeps what two superpixels (or four) do together out of every weight. Which columns stand for which
    superpixels, their signs, and the order of the rows are drawn anew for each matrix.

    Parameters
    ----------
    players : int
    seed : sequence of int
    pairs : int
        About how many are going to be used: the matrices are of a size of which these fill whole ones.
    """

    def __init__(self, players: int, seed: tuple[int, ...], pairs: int) -> None:
        self._players, self._seed = players, seed
        matrices = max(1, pairs // players)
        self._order = hadamard_order(max(players, -(-pairs // matrices)))

    def part(self, start: int, stop: int) -> Bools:
        """Masks number `start` to `stop` - 1: (M, K), True where a superpixel is shown."""
        number = np.arange(start, stop)
        pair = (number - 1) // 2
        shown = np.ones((len(number), self._players), dtype=bool)
        for block in np.unique(pair[number > 0] // self._order).tolist():
            rng = np.random.default_rng([*self._seed, block])
            rows, columns = rng.permutation(self._order), rng.permutation(self._order)[: self._players]
            flipped = rng.random(self._players) < 0.5
            here = (number > 0) & (pair // self._order == block)
            base = hadamard(self._order, rows[pair[here] % self._order], columns) ^ flipped
            shown[here] = base ^ ((number[here] - 1) % 2 == 1)[:, None]
        return shown


@lru_cache
def hadamard_order(least: int) -> int:
    """The smallest order q + 1 of at least `least` with q a prime of the form 4 n - 1 (Paley's construction)."""
    order = max(4, -(-least // 4) * 4)
    while not all((order - 1) % divisor for divisor in range(2, int((order - 1) ** 0.5) + 1)):
        order += 4
    return order


def hadamard(order: int, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Bools:
    """Some rows and columns of Paley's Hadamard matrix, True for 1 and False for -1."""
    squares = np.zeros(order - 1, dtype=bool)
    squares[np.arange(1, order - 1) ** 2 % (order - 1)] = True
    row, column = rows[:, None], columns[None, :]
    inner = squares[(row - column) % (order - 1)] | (row == column)
    # The first row is 1 throughout, the rest of the first column -1.
    return np.where(row == 0, True, np.where(column == 0, False, inner))


def every_mask(players: int) -> Bools:
    """All 2**K masks, everything shown first."""
    shown: Bools = (np.arange(1 << players)[::-1, None] >> np.arange(players)) & 1 == 1
    return shown
