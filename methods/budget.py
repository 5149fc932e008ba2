"""How long a method goes on: until its error estimate is small enough, or what it may spend is spent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from ..errors import MethodError
from .checks import finite, positive_count
from .explanation import Array

Stopped: TypeAlias = Literal["tolerance", "max_evaluations", "max_seconds", "growth"]

GROWTH = 100
"""A tolerance without a limit gives up at this many times the samples (or steps) that were asked for."""

# What is run first when there is a time limit, to learn how fast the network is.
_PILOT = 8


class Budget:
    """What `tolerance`, `max_evaluations` and `max_seconds` mean, the same for every method.

    Without a tolerance a method makes the samples (or steps) that it was asked for, and fewer if a limit comes first.
    With a tolerance these are only the first round: each further round makes as many as there were before, until the
    relative error of every input is at most the tolerance, or a limit comes first.

    Parameters
    ----------
    inputs : int
        How many inputs are explained.
    tolerance : float or None
        Relative error to reach.
    max_evaluations : int or None
        How many runs of the network, counted per input that goes through it, the rounds may take in all.
    max_seconds : float or None
        After how many seconds no round begins; a round that would take longer is made smaller.

    Attributes
    ----------
    evaluations : int
        Spent so far.
    stopped : {"tolerance", "max_evaluations", "max_seconds", "growth"} or None
        Why it ended; None when it made what it was asked for. ``"growth"``: no limit was given, and `GROWTH` times the
        samples did not reach the tolerance, or more samples would be no better.
    active : ndarray of int
        Which inputs have not reached the tolerance.
    """

    def __init__(
        self,
        inputs: int,
        tolerance: float | None = None,
        max_evaluations: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self.tolerance = None if tolerance is None else _positive("tolerance", tolerance)
        self.max_evaluations = None if max_evaluations is None else positive_count("max_evaluations", max_evaluations)
        self.max_seconds = None if max_seconds is None else _positive("max_seconds", max_seconds)
        self.evaluations = 0
        self.stopped: Stopped | None = None
        self.active = np.arange(inputs)
        self._start = time.perf_counter()

    def rounds(self, first: int, per_unit: int = 1, minimum: int = 1, fresh: bool = False) -> Iterator[int]:
        """Yield how many samples (or steps) to make next, for every active input.

        Parameters
        ----------
        first : int
            What was asked for.
        per_unit : int
            Runs of the network that one of them takes per input.
        minimum : int
            Fewer than this make no sense.
        fresh : bool
            Each round replaces the one before, as a finer quadrature does, and does not add to it.
        """
        done = 0
        while True:
            wanted, reason = self._wanted(first, done, fresh)
            cost = per_unit * len(self.active)
            for affordable, limit in self._affordable(cost, done == 0, minimum):
                if affordable < wanted:
                    wanted, reason = affordable, limit
            if wanted < (minimum if done == 0 or fresh else 1) or (fresh and wanted <= done):
                self._end(reason, done, minimum, cost)
                return
            yield wanted
            self.evaluations += wanted * cost
            done = wanted if fresh else done + wanted
            if self.tolerance is not None and len(self.active) == 0:
                self.stopped = "tolerance"
                return

    def report(self, relative: Array | None) -> None:
        """Tell the relative error of every input after a round: those within the tolerance are left out of the next."""
        if self.tolerance is not None and relative is not None:
            self.active = np.flatnonzero(~(np.asarray(relative) <= self.tolerance))

    def _wanted(self, first: int, done: int, fresh: bool) -> tuple[int, Stopped | None]:
        if self.tolerance is None:
            return (first if done < first else 0) if fresh else first - done, None
        limited = self.max_evaluations is not None or self.max_seconds is not None
        target = first if done == 0 else 2 * done
        if not limited:
            target = min(target, GROWTH * first)
        return (target if fresh else target - done), "growth"

    def _affordable(self, cost: int, is_first: bool, minimum: int) -> Iterator[tuple[int, Stopped]]:
        if self.max_evaluations is not None:
            yield (self.max_evaluations - self.evaluations) // max(1, cost), "max_evaluations"
        if self.max_seconds is not None:
            # The clock may not have moved yet: a tick is enough to divide by.
            elapsed = max(time.perf_counter() - self._start, 1e-9)
            left = (self.max_seconds - elapsed) * self.evaluations / elapsed / max(1, cost)
            yield max(_PILOT, minimum) if is_first else int(max(0, left)), "max_seconds"

    def _end(self, reason: Stopped | None, done: int, minimum: int, cost: int) -> None:
        if done == 0:
            raise MethodError(
                f"max_evaluations={self.max_evaluations} is too few: the method needs at least {minimum * cost}.",
                f"Pass max_evaluations={minimum * cost} or more, or explain fewer inputs at once.",
            )
        self.stopped = reason


def _positive(name: str, value: Any) -> float:
    number = finite(name, value)
    if number <= 0:
        raise MethodError(f"{name}={value!r} is not above 0.", f"Pass {name}=0.1, for example.")
    return number
