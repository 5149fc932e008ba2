"""An integral along a path that puts its points where they are needed: intervals are halved where they do not add up.

The gradient along the path integrates to the rise of the score on every interval of the path, not only on the whole.
The runs that give the gradients give the scores too, so that it costs nothing to know which intervals miss their rise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of
from ..budget import Budget
from ..evaluation import Scored, scored_gradients_at
from ..explanation import Array

Knot = tuple[int, float]
"""A point: the number of the path's start, and how far along it lies, 0 to 1."""

_FIRST = 9
_AT_ONCE = 8
# Points in float32 are no closer than this.
_SHORTEST = 2.0**-20
# Gradients that are kept for the sum; those beyond are taken a second time, so that memory stays bounded.
_KEPT_BYTES = 1 << 28


class Mesh:
    """The paths that lead to one sample, cut into intervals.

    Parameters
    ----------
    starts : int
        How many paths there are; their mean counts.
    points : int
        How many each begins with, evenly spread.

    Attributes
    ----------
    score, slope : dict
        By knot: the explained number, and its derivative along the path.
    """

    def __init__(self, starts: int, points: int) -> None:
        even = np.linspace(0, 1, points).tolist()
        self._starts = starts
        self._first: list[Knot] = [(start, place) for start in range(starts) for place in even]
        self._intervals = [(start, a, b) for start in range(starts) for a, b in pairwise(even)]
        self.score: dict[Knot, float] = {}
        self.slope: dict[Knot, float] = {}

    def misses(self) -> Array:
        """By how much the trapezoid misses the rise of the score, per interval: they sum up to the residual."""
        return (
            np.array(
                [
                    (b - a) * (self.slope[start, a] + self.slope[start, b]) / 2
                    - (self.score[start, b] - self.score[start, a])
                    for start, a, b in self._intervals
                ]
            )
            / self._starts
        )

    def next(self, most: int) -> list[Knot]:
        """The points to look at next: at first all, then the middles of the worst intervals, at most so many."""
        if not self.score:
            return self._first
        lengths = np.array([b - a for _, a, b in self._intervals])
        sizes = np.where(lengths > _SHORTEST, np.abs(self.misses()), 0.0)
        order = np.argsort(-sizes, kind="stable")
        # The fewest that hold half of all that is missed.
        half = int(np.searchsorted(np.cumsum(sizes[order]), sizes.sum() / 2)) + 1
        worst = [place for place in order[: min(half, most)].tolist() if lengths[place] > _SHORTEST]
        middles: list[Knot] = []
        for place in worst:
            start, a, b = self._intervals[place]
            middle = (a + b) / 2
            middles.append((start, middle))
            self._intervals[place] = (start, a, middle)
            self._intervals.append((start, middle, b))
        return middles

    def weights(self) -> dict[Knot, float]:
        """What the trapezoid multiplies each point's gradient with."""
        weights = dict.fromkeys(self.score, 0.0)
        for start, a, b in self._intervals:
            for place in (a, b):
                weights[start, place] += (b - a) / 2
        return weights


@dataclass(frozen=True, eq=False)
class AdaptiveIntegral:
    """Mean gradients along the paths to every sample.

    Attributes
    ----------
    means : list of ndarray (N, ...)
        For each start, in double precision.
    missed : ndarray (N,)
        Sum of the absolute misses of the intervals: the residual if no interval made up for another.
    """

    means: list[Array]
    missed: Array


def adaptive(
    model: Model,
    x: Array,
    starts: Sequence[Array],
    scored: Scored,
    of: Of,
    batch_size: BatchSize,
    budget: Budget,
    steps: int,
    promised: Array,
) -> AdaptiveIntegral:
    """Integrate with `steps` points per path, or until every sample's residual meets the budget's tolerance.

    Gradients that do not fit in 256 MB together are taken twice, the second time beyond `max_evaluations`.

    Parameters
    ----------
    starts : sequence of ndarray (N, ...)
        Where the paths begin.
    promised : ndarray (N,)
        What the residual is relative to.
    """
    meshes: list[Mesh] = []
    kept: dict[tuple[int, Knot], Array] = {}
    spent = 0

    def gradients(knots: dict[int, list[Knot]], found: Callable[[int, Knot, float, Array], None]) -> None:
        def points(sample: int, part: slice) -> Array:
            made = [
                starts[start][sample] + np.asarray(place, x.dtype) * (x[sample] - starts[start][sample])
                for start, place in knots[sample][part]
            ]
            return np.stack(made)

        counts = [len(each) for each in knots.values()]
        for sample, part, values, made in scored_gradients_at(
            model, points, knots, counts, x.shape[1:], scored.resolved, of, batch_size
        ):
            for knot, value, gradient in zip(knots[sample][part], values, made, strict=True):
                found(sample, knot, float(value), gradient)

    def learn(sample: int, knot: Knot, value: float, gradient: Array) -> None:
        mesh = meshes[sample]
        mesh.score[knot] = value
        mesh.slope[knot] = float(np.vdot(gradient.astype(np.float64), x[sample] - starts[knot[0]][sample]))
        if (len(kept) + 1) * gradient.nbytes <= _KEPT_BYTES:
            kept[sample, knot] = gradient.copy()

    for count in budget.rounds(steps, len(starts), minimum=2):
        # Not before: a limit may leave less than the steps.
        meshes = meshes or [Mesh(len(starts), min(count, _FIRST)) for _ in x]
        left = dict.fromkeys(budget.active.tolist(), count * len(starts))
        promise, before = sum(left.values()), spent
        while left:
            knots = {i: new for i, room in left.items() if (new := meshes[i].next(min(_AT_ONCE, room)))}
            gradients(knots, learn)
            spent += sum(map(len, knots.values()))
            left = {
                i: left[i] - len(new)
                for i, new in knots.items()
                if left[i] > len(new) and not _met(budget.tolerance, meshes[i], promised[i])
            }
        budget.report(np.array([_relative(mesh, rise) for mesh, rise in zip(meshes, promised, strict=True)]))
        if spent == before:
            budget.evaluations, budget.stopped = spent, "growth"
            break
        # The round adds what it was promised, which those that met the tolerance before its end did not take.
        budget.evaluations = spent - promise
    means = [np.zeros(x.shape) for _ in starts]
    weights = [mesh.weights() for mesh in meshes]

    def add(sample: int, knot: Knot, _value: float, gradient: Array) -> None:
        means[knot[0]][sample] += weights[sample][knot] * gradient

    again: dict[int, list[Knot]] = {}
    for sample, each in enumerate(weights):
        for knot in each:
            if (sample, knot) in kept:
                add(sample, knot, 0.0, kept[sample, knot])
            else:
                again.setdefault(sample, []).append(knot)
    if again:
        gradients(again, add)
        budget.evaluations += sum(map(len, again.values()))
    return AdaptiveIntegral(means, np.array([np.abs(mesh.misses()).sum() for mesh in meshes]))


def _relative(mesh: Mesh, rise: float) -> float:
    missed = abs(float(mesh.misses().sum()))
    return missed / abs(float(rise)) if rise else np.inf * missed if missed else 0.0


def _met(tolerance: float | None, mesh: Mesh, rise: float) -> bool:
    return tolerance is not None and _relative(mesh, rise) <= tolerance
