"""What coalitions of the parts of a sample are worth to a network, for a whole batch of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunk_size
from ...backends.model import Model
from ...backends.objective import Of
from ..budget import Budget
from ..evaluation import Scored, values_at
from ..explanation import Array, ErrorEstimate
from ..players import Bools, Players
from ..registry import Attribution

Floats = npt.NDArray[np.float64]

# A small network takes several times as long per row when a batch does not stay in the processor's cache.
_AT_ONCE = 1 << 14


class Games:
    """One game per sample of a batch, all played by the same network.

    A coalition is worth the mean, over the rows that stand for absent players, of the explained number of the sample
    with its other players replaced by that row. Coalitions of several samples share runs of the network, so that a
    small network is not kept waiting.

    Parameters
    ----------
    model : Model
    x : ndarray (N, ...)
    scored : Scored
        What the model says of the samples.
    players : list of Players
    absent : list of ndarray (B, ...)
        What stands for absent players: as many rows for each sample.
    empty : ndarray (N,), optional
        What nobody is worth, where it is known.
    of, batch_size
        As for `explain`.

    Attributes
    ----------
    scored : Scored
    sizes : list of int
        How many players each sample has.
    rows : int
        How many runs of the network a coalition takes.
    whole, empty : ndarray (N,)
        What all players together are worth, and what nobody is (NaN where it is not known).
    evaluations : int
        Inputs that went through the network so far.
    """

    def __init__(
        self,
        model: Model,
        x: Array,
        scored: Scored,
        players: Sequence[Players],
        absent: Sequence[Array],
        empty: Array | None,
        of: Of,
        batch_size: BatchSize,
    ) -> None:
        self.scored, self.sizes, self.rows = scored, [each.count for each in players], len(absent[0])
        self.whole = scored.explained.astype(np.float64)
        self.empty = np.full(len(x), np.nan) if empty is None else empty
        self.evaluations = 0
        self._model, self._x, self._players, self._absent = model, x, players, absent
        self._of, self._batch_size = of, batch_size
        self._quick: Model | None = None
        self._known = [
            {_key(np.ones(size, bool)): float(worth)} for size, worth in zip(self.sizes, self.whole, strict=True)
        ]
        if empty is not None:
            for known, size, worth in zip(self._known, self.sizes, empty.tolist(), strict=True):
                known[_key(np.zeros(size, bool))] = worth

    def values(self, coalitions: Mapping[int, Bools]) -> dict[int, Floats]:
        """What coalitions are worth.

        Parameters
        ----------
        coalitions : mapping of int to ndarray of bool (M, K)
            By sample: True for players that are present.

        Returns
        -------
        dict of int to ndarray (M,)
        """
        if self._quick is None:
            self._quick = self._model.streamlined(self._x, self.rows * sum(map(len, coalitions.values())))
        worth = {sample: np.zeros(len(present)) for sample, present in coalitions.items()}
        counts = [len(found) * self.rows for found in worth.values()]

        def points(sample: int, part: slice) -> Array:
            spanned = slice(part.start // self.rows, -(-part.stop // self.rows))
            shown = self._players[sample].spread(coalitions[sample][spanned])
            absent = self._absent[sample]
            if (part.stop - part.start) == len(shown) * self.rows:
                return np.where(shown[:, None], self._x[sample], absent).reshape(-1, *self._x.shape[1:])
            coalition, row = np.divmod(np.arange(part.start, part.stop), self.rows)
            return np.where(shown[coalition - spanned.start], self._x[sample], absent[row])

        for sample, part, values in values_at(
            self._quick,
            points,
            worth,
            counts,
            self._x.shape[1:],
            self.scored.resolved,
            self._of,
            self._chunk(sum(counts)),
        ):
            coalition = np.arange(part.start, part.stop) // self.rows
            added = np.bincount(coalition - coalition[0], values)
            worth[sample][coalition[0] : coalition[-1] + 1] += added / self.rows
        self.evaluations += sum(counts)
        return worth

    def _chunk(self, total: int) -> BatchSize:
        """How many inputs to run at once: whole coalitions where they fit, and not too many."""
        if self._batch_size != "auto":
            return self._batch_size
        size = min(_AT_ONCE, chunk_size(self._model, self._x.shape[1:], total, held=1))
        return size // self.rows * self.rows or size

    def remembered(self, coalitions: Mapping[int, Bools]) -> dict[int, Floats]:
        """The same as `values`, where no coalition is evaluated twice; all players may be present, or none."""
        keys = {sample: [_key(row) for row in present] for sample, present in coalitions.items()}
        new = {
            sample: {key: place for place, key in enumerate(found) if key not in self._known[sample]}
            for sample, found in keys.items()
        }
        worth = self.values({sample: coalitions[sample][list(places.values())] for sample, places in new.items()})
        for sample, places in new.items():
            self._known[sample] |= dict(zip(places, worth[sample].tolist(), strict=True))
        return {sample: np.array([self._known[sample][key] for key in found]) for sample, found in keys.items()}

    def every_worth(self, sample: int) -> Floats | None:
        """What every coalition is worth (2^K,), player j present where bit j is set; None unless all are remembered."""
        players, known = self.sizes[sample], self._known[sample]
        if len(known) < 1 << players:
            return None
        present = (np.arange(1 << players)[:, None] >> np.arange(players)) & 1 == 1
        return np.array([known[_key(row)] for row in present])

    def spread(self, values: Sequence[Array]) -> Array:
        """Numbers per player (K,) of each sample, put at the players' places, in the precision of the samples."""
        maps = [players.spread(np.asarray(each)) for players, each in zip(self._players, values, strict=True)]
        return np.stack(maps).astype(self._x.dtype)

    def segments(self) -> dict[str, Array]:
        """The superpixels as an extra, where there are some."""
        if self._x.ndim != 4:
            return {}
        labels = np.stack([players.labels for players in self._players])
        return {"segments": labels[:, 0] if labels.shape[1] == 1 else labels}

    def attribution(
        self,
        values: Sequence[Floats],
        error: ErrorEstimate,
        budget: Budget,
        standard_errors: Sequence[Floats] | None = None,
    ) -> Attribution:
        """Shapley values (K,) of each sample as a method's result, with ``base_value`` and ``segments``."""
        extras = self.segments() | {"base_value": self.empty}
        if standard_errors is not None:
            extras["standard_error"] = self.spread(standard_errors)
        return Attribution(self.spread(values), self.scored.scores, self.scored.target, error, extras, budget)

    def settle(self, budget: Budget, promised: int) -> None:
        """Make the budget count what was run in place of the `promised`, which it is about to add."""
        budget.evaluations = self.evaluations - promised


def _key(present: Bools) -> bytes:
    return np.packbits(present).tobytes()


def players_error(values: Sequence[Floats], errors: Sequence[Floats]) -> ErrorEstimate:
    """L2 norm of the standard errors of the players' values, beside the norm of the values."""
    return ErrorEstimate(
        "standard error",
        np.array([np.linalg.norm(each) for each in errors]),
        "L2 norm of the players' standard errors; the scale is that of their values. More samples make it smaller.",
        np.array([np.linalg.norm(each) for each in values]),
    )
