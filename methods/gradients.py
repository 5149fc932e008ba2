"""Gradients at many points per sample: the common core of the path and noise methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
            native = model.scores(model.tensor(x[part]))
            explained.append(backend.numpy(model.explained(native, listed(part), of)))
            scores.append(backend.numpy(native))
    joined = finite_scores(np.concatenate(scores))
    classes = None if callable(target) else class_targets(target, len(x), joined)
    return Scored(joined, classes, target if classes is None else classes, np.concatenate(explained))


def gradients_at(
    model: Model,
    points: Callable[[int, slice], Array],
    samples: int,
    per_sample_points: int,
    sample_shape: tuple[int, ...],
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Iterator[tuple[int, slice, Array]]:
    """Yield gradients at several points per sample, in order, many points in one run of the network.

    Parameters
    ----------
    points : callable
        ``points(sample, part)`` makes the points numbered `part` of one sample: (M, *sample_shape). It is called in
        order, each part once, so it may draw random numbers.
    samples, per_sample_points : int
    sample_shape : tuple of int
    target, of, batch_size
        As for `explain`; a list of targets has one per sample.

    Yields
    ------
    sample : int
    part : slice
        Which of the sample's points.
    gradients : ndarray (M, *sample_shape)
    """
    backend = model.backend
    total = samples * per_sample_points
    targets = None if callable(target) else np.asarray(target)
    with backend.frozen(model.net):
        for part in chunks(total, chunk_size(model, sample_shape, total, batch_size)):
            spans = list(_spans(part, per_sample_points))
            batch = np.concatenate([points(sample, span) for sample, span in spans])
            owners = np.repeat([sample for sample, _ in spans], [span.stop - span.start for _, span in spans])
            chosen: Any = target if targets is None else targets[owners]
            _, _, gradient = model.score_gradient(model.tensor(batch), chosen, of)
            gradients = finite_gradient(backend.numpy(gradient))
            start = 0
            for sample, span in spans:
                stop = start + span.stop - span.start
                yield sample, span, gradients[start:stop]
                start = stop


def _spans(part: slice, per_sample_points: int) -> Iterator[tuple[int, slice]]:
    position = part.start
    while position < part.stop:
        sample, first = divmod(position, per_sample_points)
        count = min(per_sample_points - first, part.stop - position)
        yield sample, slice(first, first + count)
        position += count
