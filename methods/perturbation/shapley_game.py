"""The games of a batch: who plays in each sample, what stands for those who are absent, what a coalition is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunk_size
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import InputError, MethodError
from ..baselines import Baseline, baselines
from ..budget import Budget
from ..checks import random_seed
from ..evaluation import Scored, score, values_at
from ..explanation import Array, ErrorEstimate
from ..players import Bools, Players, players_of

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
        size = min(_AT_ONCE, chunk_size(self._model, self._x.shape[1:], total))
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

    def settle(self, budget: Budget, promised: int) -> None:
        """Make the budget count what was run in place of the `promised`, which it is about to add."""
        budget.evaluations = self.evaluations - promised


def _key(present: Bools) -> bytes:
    return np.packbits(present).tobytes()


def shapley_games(
    model: Model,
    x: Array,
    target: Target,
    *,
    segments: Any,
    segment_options: Mapping[str, Any] | None,
    baseline: Baseline | None,
    background: Any,
    of: Of,
    seed: int,
    batch_size: BatchSize,
    most: int | None = None,
) -> Games:
    """The games whose Shapley values are asked for; more players than `most` are refused.

    Raises
    ------
    MethodError, InputError
        If the players, or what stands for the absent ones, do not fit the samples.
    """
    seed = random_seed(seed)
    if baseline is not None and background is not None:
        raise MethodError("baseline and background both say what stands for absent players.", "Pass one of them.")
    players = several_players(x, segments, segment_options)
    largest = max(each.count for each in players)
    if most is not None and largest > most:
        raise MethodError(
            f"{largest} players have 2**{largest} coalitions: too many to run all of them.",
            f"Use kernelshap or shapley_sampling, or at most {most} players (segments=, segment_options=).",
        )
    if background is None:
        chosen = baselines(0.0 if baseline is None else baseline, x, seed)
        absent = [np.stack(rows) for rows in zip(*chosen, strict=True)]
    else:
        absent = [background_rows(model, background, x)] * len(x)
    scored = score(model, x, target, of, batch_size)
    if background is None:
        worths = [score(model, rows, scored.resolved, of, batch_size).explained for rows in chosen]
        empty = np.mean(worths, axis=0, dtype=np.float64)
    else:
        empty = _background_worth(model, absent[0], scored.resolved, len(x), of, batch_size)
    return Games(model, x, scored, players, absent, empty, of, batch_size)


def several_players(x: Array, segments: Any, segment_options: Mapping[str, Any] | None) -> list[Players]:
    """Who plays, see `players_of`; a picture must have two superpixels at least."""
    players = players_of(x, segments, segment_options)
    if x.ndim == 4 and min(each.count for each in players) == 1:
        raise MethodError("The picture is a single superpixel.", "Ask for more or smaller segments.")
    return players


def background_rows(model: Model, background: Any, x: Array) -> Array:
    """The background as a checked batch of the input's kind, or `InputError`."""
    try:
        rows = model.check_input(background)
    except InputError as error:
        raise InputError(f"The background does not fit. {error.cause}", error.cure) from error
    if rows.shape[1:] != x.shape[1:]:
        raise InputError(
            f"The background's samples have shape {rows.shape[1:]}, the input's {x.shape[1:]}.", "Make them alike."
        )
    return rows


def players_error(values: Sequence[Floats], errors: Sequence[Floats]) -> ErrorEstimate:
    """L2 norm of the standard errors of the players' values, beside the norm of the values."""
    return ErrorEstimate(
        "standard error",
        np.array([np.linalg.norm(each) for each in errors]),
        "L2 norm of the players' standard errors; the scale is that of their values. More samples make it smaller.",
        np.array([np.linalg.norm(each) for each in values]),
    )


def _background_worth(model: Model, rows: Array, target: Target, samples: int, of: Of, batch_size: BatchSize) -> Floats:
    if callable(target):
        return np.full(samples, score(model, rows, target, of, batch_size).explained.mean(dtype=np.float64))
    targets = np.asarray(target)
    means = {int(c): score(model, rows, int(c), of, batch_size).explained.mean(dtype=np.float64) for c in set(targets)}
    return np.array([means[int(c)] for c in targets])
