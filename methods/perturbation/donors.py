"""Donors: the samples that others borrow a part from, and what the mean over them is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...errors import MethodError
from ..evaluation import Points
from ..explanation import Array, ErrorEstimate
from ..players import Players


def other_samples(inputs: int, samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Samples of the batch that each one borrows from, (N, draws): none twice, and never itself.

    They stand in a circle in random order, and each draw turns it by another angle: a permutation without a fixed
    point.
    """
    if inputs < 2:
        raise MethodError(
            "There is no other sample in a batch of one.", "Explain several samples, or pass background=... ."
        )
    rng = np.random.default_rng(seed)
    circle = rng.permutation(inputs)
    places, turns = np.argsort(circle), 1 + rng.permutation(inputs - 1)
    donors: npt.NDArray[np.int64] = circle[(places[:, None] + turns[None, :samples]) % inputs]
    return donors


def drawn_rows(inputs: int, rows: int, samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of the background that each sample borrows from, (N, draws), none twice, whoever stands beside it."""
    return np.stack([np.random.default_rng([seed, i]).permutation(rows)[:samples] for i in range(inputs)])


def borrowers(players: Sequence[Players], x: Array, rows: Array, donors: npt.NDArray[np.int64]) -> Points:
    """``points(sample, part)`` makes copies of a sample of `x`, each with one player's part from one of its donors.

    They are numbered player by player, donor by donor.

    Parameters
    ----------
    players : sequence of Players
        Of each sample.
    x : ndarray (N, ...)
    rows : ndarray (B, ...)
        Who is borrowed from.
    donors : ndarray of int (N, draws)
        Which rows each sample borrows from.
    """

    def points(i: int, part: slice) -> Array:
        player, draw = np.divmod(np.arange(part.start, part.stop), donors.shape[1])
        foreign = players[i].labels == player.reshape((-1,) + (1,) * (x.ndim - 1))
        return np.where(foreign, rows[donors[i, draw]], x[i])

    return points


class MeanDrops:
    """The mean over the donors of how far the score falls, for each player of each sample.

    Parameters
    ----------
    players : sequence of int
        How many each sample has.
    draws : int
        Donors of each of them: a sample's drops are numbered as in `borrowers`.
    """

    def __init__(self, players: Sequence[int], draws: int) -> None:
        self._draws = draws
        # Sums of deviations from each part's first drop, and of their squares: squares of the drops would cancel.
        self._firsts = [np.zeros(count) for count in players]
        self._sums = [np.zeros((2, count)) for count in players]

    def add(self, sample: int, part: slice, found: Array) -> None:
        """Take the drops numbered `part` of a sample: (M,). They come in order."""
        player, draw = np.divmod(np.arange(part.start, part.stop), self._draws)
        firsts = self._firsts[sample]
        firsts[player[draw == 0]] = found[draw == 0]
        for power, total in enumerate(self._sums[sample], start=1):
            np.add.at(total, player, (found - firsts[player]) ** power)

    @property
    def means(self) -> list[Array]:
        """One number per player (K,), for each sample."""
        return [first + total / self._draws for first, (total, _) in zip(self._firsts, self._sums, strict=True)]

    def standard_error(self, donors: int) -> ErrorEstimate:
        """L2 norm of the parts' standard errors.

        Donors do not come back: when all of so many were drawn, nothing is uncertain.
        """
        draws = self._draws
        variances = [np.maximum(squares / draws - (total / draws) ** 2, 0) for total, squares in self._sums]
        left = 1 - draws / donors
        unknown = np.nan if left else 0.0
        errors = [np.sqrt(each.sum() * left / (draws - 1)) if draws > 1 else unknown for each in variances]
        return ErrorEstimate(
            "standard error",
            np.array(errors),
            "L2 norm of the parts' standard errors; the scale is the L2 norm of their values. More samples make it "
            "smaller, as many as there are donors make it 0.",
            np.array([np.linalg.norm(mean) for mean in self.means]),
        )
