"""Contributions of many inputs against many references: what DeepLIFT and DeepSHAP share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...backends.protocol import Tensor
from ...errors import MethodError
from ..checks import finite_gradient, non_negative
from ..estimates import completeness
from ..evaluation import Scored
from ..explanation import Array, ErrorEstimate
from .differences import difference_rules
from .multipliers import Layout, check_parts
from .softmax_rule import log_softmax, softmax


def contributions(
    model: Model,
    pairs: Callable[[slice], tuple[Array, Array, Target]],
    total: int,
    sample_shape: tuple[int, ...],
    of: Of,
    layout: Layout,
    batch_size: BatchSize,
) -> Iterator[tuple[slice, Array, Array]]:
    """DeepLIFT for many pairs of input and reference, as many in one run of the network as fit.

    Parameters
    ----------
    pairs : callable
        Inputs (M, ...), references (M, ...) and targets of the pairs in a slice.
    total : int
        How many pairs there are.
    sample_shape : tuple of int
    of : {"logit", "probability", "log_probability", "loss"}
    layout : Layout
    batch_size : int or "auto"
        Rows of a run.

    Yields
    ------
    part : slice
    values : ndarray (M, ...)
        Contributions, in float64.
    difference : ndarray (M,)
        Score of the input minus score of the reference.
    """
    rows = layout.rows
    size = max(1, chunk_size(model, sample_shape, rows * total, batch_size) // rows)
    with model.backend.frozen(model.net):
        for part in chunks(total, size):
            x, reference, target = pairs(part)
            yield part, *_run(model, x, reference, target, of, layout)


def _run(model: Model, x: Array, reference: Array, target: Target, of: Of, layout: Layout) -> tuple[Array, Array]:
    backend, rows = model.backend, layout.rows
    difference = x - reference
    parts = [difference] if rows == 2 else [np.maximum(difference, 0), np.minimum(difference, 0)]
    batch = np.concatenate([x, reference, *(reference + part for part in parts if rows > 2)])
    leaf = backend.leaf(model.tensor(batch))
    everyone = target if callable(target) else np.tile(np.asarray(target), rows)
    with difference_rules(backend, layout):
        scores = model.scores(leaf)
        explained = model.explained(scores, everyone, of)
    if not callable(target) and of != "logit":
        explained = _of_class(model, scores, everyone, of, layout)
    if rows > 2:
        check_parts(backend, explained)
    # Every row that carries a multiplier is given its share of 1.
    seeds = layout.spread(backend, [backend.detach(explained)[: len(x)] * 0.0 + 1.0 for _ in layout.groups])
    (gradient,) = backend.grad(explained, [leaf], seeds=seeds)
    multipliers = layout.split(finite_gradient(backend.numpy(gradient)).astype(np.float64))
    values = np.zeros(x.shape)
    for group, part in zip(layout.groups, parts, strict=True):
        values += sum(multipliers[carrier] for carrier in group.carriers) * part
    ends = backend.numpy(explained).astype(np.float64)
    return values, ends[: len(x)] - ends[len(x) : 2 * len(x)]


def _of_class(model: Model, scores: Tensor, target: Target, of: Of, layout: Layout) -> Tensor:
    """A probability or its logarithm, by the rules of softmax."""
    backend = model.backend
    if of == "probability":
        probabilities = softmax(backend, layout, lambda t: backend.softmax(t, 1), scores)
        return model.explained(probabilities, target, "logit")
    log_probability = model.explained(log_softmax(backend, layout, scores), target, "logit")
    return -log_probability if of == "loss" else log_probability


def judged(values: Array, promised: Array, scored: Scored, tolerance: float | None) -> ErrorEstimate:
    """The completeness residual, or `MethodError` where it is too large.

    Parameters
    ----------
    values : ndarray (N, ...)
        Contributions, in float64.
    promised : ndarray (N,)
        The score differences that they share out.
    scored : Scored
        What the model says of the inputs: the type it computes in, and the size of its scores.
    tolerance : float or None
        Share of the score differences, both summed over the batch, so that one small difference decides nothing.
    """
    estimate = replace(
        completeness(values, promised),
        meaning="Sum of the contributions minus the score difference they share out (the scale). Beyond rounding, the "
        "network has an operation without a rule.",
    )
    if tolerance is None:
        return estimate
    residual = np.abs(estimate.values).sum()
    rounding = 1000 * np.finfo(scored.scores.dtype).eps * (np.abs(values).sum() + np.abs(scored.explained).sum())
    if residual > max(non_negative("tolerance", tolerance) * np.abs(promised).sum(), rounding):
        raise MethodError(
            f"The contributions miss score differences of {np.abs(promised).sum():.3g} in all by {residual:.3g}: the "
            "network has operations without a rule, such as layer norm, a ReLU written as clamp, or activations whose "
            "first axis is not the samples.",
            "Choose integrated_gradients, write activations as layers, or accept it with tolerance=None.",
        )
    return estimate
