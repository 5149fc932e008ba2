"""Work done a little ahead of its use, in order, by a few threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Apply a function to each item, at most `workers` items ahead of the caller.

    Parameters
    ----------
    function : callable
        ``function(item) -> result``; with workers it runs in several threads at once.
    items : iterable
        What to apply it to.
    workers : int
        Number of threads; 0 works in the calling thread, when the result is asked for.

    Yields
    ------
    result
        In the order of the items. An exception of the function arrives where its result would have.
    """
    if workers == 0:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(workers, thread_name_prefix="twinlens-data")
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # Reached early when the caller stops half-way: work not yet begun is dropped.
        executor.shutdown(wait=True, cancel_futures=True)
