"""Two ways to the same result, timed in turns within one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Run = Callable[[], Any]


def paired(first: Run, second: Run, rounds: int) -> tuple[float, float, float]:
    """Median milliseconds of each, and the median of the ratios of neighbouring runs, first by second."""
    first(), second()
    times = []
    for turn in range(rounds):
        pair = {}
        # Whoever comes first finds a colder machine: they take turns.
        for run in (first, second) if turn % 2 else (second, first):
            start = time.perf_counter()
            run()
            pair[run] = time.perf_counter() - start
        times.append((pair[first], pair[second]))
    ours, theirs = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
    return ours, theirs, statistics.median(a / b for a, b in times)
