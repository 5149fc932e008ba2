"""Contributions of many inputs against many references: what DeepLIFT and DeepSHAP share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target, class_targets
from ...backends.protocol import Tensor
from ...errors import MethodError
from ..checks import finite_gradient, finite_scores, non_negative
from ..estimates import completeness
from ..explanation import Array, ErrorEstimate
from .differences import difference_rules
from .multipliers import Layout, check_parts
from .softmax_rule import log_softmax, softmax


@dataclass(frozen=True, eq=False)
class Pairs:
    """What one run gives for its M pairs.

    Attributes
    ----------
    values : ndarray (M, ...)
        Contributions, in float64.
    scores : ndarray (M, classes)
        Of the inputs.
    explained, reference : ndarray (M,)
        The explained number at the inputs and at the references, in float64.
    """

    values: Array
    scores: Array
    explained: Array
    reference: Array


def contributions(
    model: Model,
    pairs: Callable[[slice], tuple[Array, Array, Target]],
    total: int,
    sample_shape: tuple[int, ...],
    of: Of,
    layout: Layout,
    batch_size: BatchSize,
) -> Iterator[tuple[slice, Pairs]]:
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
    pairs : Pairs
    """
    rows = layout.rows
    size = max(1, chunk_size(model, sample_shape, rows * total, batch_size, held=3) // rows)
    with model.backend.frozen(model.net):
        for part in chunks(total, size):
            x, reference, target = pairs(part)
            yield part, _run(model, x, reference, target, of, layout)


def _run(model: Model, x: Array, reference: Array, target: Target, of: Of, layout: Layout) -> Pairs:
    backend, rows = model.backend, layout.rows
    difference = x - reference
    parts = [difference] if rows == 2 else [np.maximum(difference, 0), np.minimum(difference, 0)]
    batch = np.concatenate([x, reference, *(reference + part for part in parts if rows > 2)])
    leaf = backend.leaf(model.tensor(batch))
    with difference_rules(backend, layout):
        scores = model.scores(leaf)
        own = backend.numpy(scores)[: len(x)]
        # The references are asked for the classes of their inputs, also when those are the predicted ones.
        everyone = target if callable(target) else np.tile(class_targets(target, len(x), own), rows)
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
    return Pairs(values, finite_scores(own), ends[: len(x)], ends[len(x) : 2 * len(x)])


def _of_class(model: Model, scores: Tensor, target: Target, of: Of, layout: Layout) -> Tensor:
    """A probability or its logarithm, by the rules of softmax."""
    backend = model.backend
    if of == "probability":
        probabilities = softmax(backend, layout, lambda t: backend.softmax(t, 1), scores)
        return model.explained(probabilities, target, "logit")
    log_probability = model.explained(log_softmax(backend, layout, scores), target, "logit")
    return -log_probability if of == "loss" else log_probability


def judged(values: Array, promised: Array, explained: Array, rounding: float, tolerance: float | None) -> ErrorEstimate:
    """The completeness residual, or `MethodError` where it is too large.

    Parameters
    ----------
    values : ndarray (N, ...)
        Contributions, in float64.
    promised : ndarray (N,)
        The score differences that they share out.
    explained : ndarray (N,)
        The explained number of each input: the size of what the promised differences are made of.
    rounding : float
        Relative rounding of the type that the model computes in.
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
    unavoidable = 1000 * rounding * (np.abs(values).sum() + np.abs(explained).sum())
    if residual > max(non_negative("tolerance", tolerance) * np.abs(promised).sum(), unavoidable):
        raise MethodError(
            f"The contributions miss score differences of {np.abs(promised).sum():.3g} in all by {residual:.3g}: the "
            "network has operations without a rule, such as layer norm, a ReLU written as clamp, or activations whose "
            "first axis is not the samples.",
            "Choose integrated_gradients, write activations as layers, or accept it with tolerance=None.",
        )
    return estimate
