"""Gradients and scores at many points per sample: the common core of the path, noise and perturbation methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..backends.chunks import BatchSize, chunk_size, chunks
from ..backends.model import Model, per_sample
from ..backends.objective import Of, Target, class_targets
from .checks import finite_gradient, finite_scores
from .explanation import Array


@dataclass(frozen=True)
class Scored:
    """What the model says of the inputs themselves.

    Attributes
    ----------
    scores : ndarray (N, classes)
    target : ndarray of int (N,) or None
        None for a target function.
    resolved : Target
        The classes, or the function: what further runs are given.
    explained : ndarray (N,)
        The number that is explained.
    """

    scores: Array
    target: npt.NDArray[np.int64] | None
    resolved: Target
    explained: Array


def score(model: Model, x: Array, target: Target, of: Of, batch_size: BatchSize) -> Scored:
    """Run the model on `x` once, settle the target, and compute the number that is explained."""
    backend = model.backend
    listed = per_sample(target, len(x))
    scores, explained = [], []
    with backend.frozen(model.net), backend.no_grad():
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size, held=1)):
            native = model.scores(model.tensor(x[part]))
            explained.append(backend.numpy(model.explained(native, listed(part), of)))
            scores.append(backend.numpy(native))
    joined = finite_scores(np.concatenate(scores))
    classes = None if callable(target) else class_targets(target, len(x), joined)
    return Scored(joined, classes, target if classes is None else classes, np.concatenate(explained))


Points: TypeAlias = Callable[[int, slice], Array]
"""``points(sample, part)`` makes the points numbered `part` of one sample: (M, ...)."""


def gradients_at(
    model: Model,
    points: Points,
    which: Iterable[int],
    count: int | Sequence[int],
    sample_shape: tuple[int, ...],
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Iterator[tuple[int, slice, Array]]:
    """Yield gradients at several points per sample, in order, many points in one run of the network.

    Parameters
    ----------
    model : Model
    points : callable
        It is called in order, each part once, so it may draw random numbers.
    which : iterable of int
        The samples.
    count : int or sequence of int
        Points per sample: as many for all, or one number for each of `which`.
    sample_shape : tuple of int
    target, of, batch_size
        As for `explain`; a list of targets has one per sample of the whole batch.

    Yields
    ------
    sample : int
    part : slice
        Which of the sample's points.
    gradients : ndarray (M, *sample_shape)
    """
    for sample, part, _, gradients in scored_gradients_at(
        model, points, which, count, sample_shape, target, of, batch_size
    ):
        yield sample, part, gradients


def scored_gradients_at(
    model: Model,
    points: Points,
    which: Iterable[int],
    count: int | Sequence[int],
    sample_shape: tuple[int, ...],
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Iterator[tuple[int, slice, Array, Array]]:
    """Yield what `gradients_at` yields with the explained numbers (M,) before the gradients."""
    backend = model.backend
    targets = None if callable(target) else np.asarray(target)
    with backend.frozen(model.net):
        for batch, spans in _batches(model, points, which, count, sample_shape, batch_size, held=2):
            owners = _owners(spans)
            chosen: Any = target if targets is None else targets[owners]
            _, values, gradient = model.score_gradient(model.tensor(batch), chosen, of)
            both = (backend.numpy(values), finite_gradient(backend.numpy(gradient)))
            numbers, gradients = (_by_span(each, spans) for each in both)
            for (sample, span, some), (_, _, made) in zip(numbers, gradients, strict=True):
                yield sample, span, some, made


def values_at(
    model: Model,
    points: Points,
    which: Iterable[int],
    count: int | Sequence[int],
    sample_shape: tuple[int, ...],
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Iterator[tuple[int, slice, Array]]:
    """Yield the explained number at several points per sample, as `gradients_at` does the gradients: (M,)."""
    backend = model.backend
    targets = None if callable(target) else np.asarray(target)
    with backend.frozen(model.net), backend.no_grad():
        for batch, spans in _batches(model, points, which, count, sample_shape, batch_size, held=1):
            owners = _owners(spans)
            chosen: Any = target if targets is None else targets[owners]
            values = model.explained(model.scores(model.tensor(batch)), chosen, of)
            yield from _by_span(finite_scores(backend.numpy(values)), spans)


_Spans: TypeAlias = list[tuple[int, slice]]


def _batches(
    model: Model,
    points: Points,
    which: Iterable[int],
    count: int | Sequence[int],
    sample_shape: tuple[int, ...],
    batch_size: BatchSize,
    held: int,
) -> Iterator[tuple[Array, _Spans]]:
    samples = list(which)
    counts = np.broadcast_to(np.asarray(count, dtype=np.int64), (len(samples),))
    ends = np.cumsum(counts)
    total = int(counts.sum())
    for part in chunks(total, chunk_size(model, sample_shape, total, batch_size, held)):
        spans = [(samples[position], span) for position, span in _spans(part, counts, ends)]
        made = [points(sample, span) for sample, span in spans]
        yield made[0] if len(made) == 1 else np.concatenate(made), spans


def _spans(part: slice, counts: Array, ends: Array) -> Iterator[tuple[int, slice]]:
    position = part.start
    while position < part.stop:
        sample = int(np.searchsorted(ends, position, side="right"))
        first = position - int(ends[sample] - counts[sample])
        length = min(int(counts[sample]) - first, part.stop - position)
        yield sample, slice(first, first + length)
        position += length


def _owners(spans: _Spans) -> Array:
    return np.repeat([sample for sample, _ in spans], [span.stop - span.start for _, span in spans])


def _by_span(joined: Array, spans: _Spans) -> Iterator[tuple[int, slice, Array]]:
    start = 0
    for sample, span in spans:
        stop = start + span.stop - span.start
        yield sample, span, joined[start:stop]
        start = stop
