"""Contributions of inputs, or of a layer's units, against references: what DeepLIFT's methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target, class_targets
from ...backends.protocol import Backend, Net, Tensor
from ...errors import MethodError
from ..background import background_rows
from ..checks import baseline_like, finite_gradient, finite_scores, non_negative
from ..estimates import completeness
from ..evaluation import score
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution
from .differences import difference_rules
from .multipliers import Layout, Rule, check_parts, layout_of
from .softmax_rule import log_softmax, softmax


@dataclass(frozen=True, eq=False)
class Pairs:
    """What one run gives for its M pairs.

    Attributes
    ----------
    values : ndarray (M, ...)
        Contributions, in the precision of the model.
    scores : ndarray (M, classes)
        Of the inputs.
    explained, reference : ndarray (M,)
        The explained number at the inputs and at the references, in float64.
    around : ndarray (M,)
        Sum of the inputs' contributions that go around the layer; NaN where the inputs have none, because the layer
        cuts the graph.
    """

    values: Array
    scores: Array
    explained: Array
    reference: Array
    around: Array


def against_baseline(
    model: Model,
    x: Array,
    target: Target,
    baseline: Any,
    rule: Rule,
    of: Of,
    tolerance: float | None,
    batch_size: BatchSize,
    layer: str | None = None,
) -> Attribution:
    """DeepLIFT of the inputs, or of a layer's units: then ``extras["around"]`` is the `around` of `Pairs`."""
    layout = layout_of(rule)
    start = baseline_like(baseline, x)
    listed = per_sample(target, len(x))

    def pairs(part: slice) -> tuple[Array, Array, Target]:
        return x[part], start[part], listed(part)

    runs = [found for _, found in contributions(model, pairs, len(x), x.shape[1:], of, layout, batch_size, layer)]
    values, scores, explained, reference, around = (
        np.concatenate([getattr(run, name) for run in runs])
        for name in ("values", "scores", "explained", "reference", "around")
    )
    classes = None if callable(target) else class_targets(target, len(x), scores)
    beside = None if layer is None else around
    error = judged(values, explained - reference, explained, float(np.finfo(x.dtype).eps), tolerance, beside)
    extras = {} if layer is None else {"around": around}
    return Attribution(values.astype(x.dtype), scores, classes, error, extras)


def against_background(
    model: Model,
    x: Array,
    target: Target,
    background: Any,
    rule: Rule,
    of: Of,
    tolerance: float | None,
    batch_size: BatchSize,
    layer: str | None = None,
) -> Attribution:
    """The mean over background rows of what `against_baseline` gives, with ``extras["standard_error"]``."""
    layout = layout_of(rule)
    rows = background_rows(model, background, x)
    # All pairs of a sample are asked for one class, also where rounding would tell two apart.
    settled = score(model, x, target, of, batch_size).resolved if target is None else target
    chosen = per_sample(settled, len(x))(slice(None))

    def pairs(part: slice) -> tuple[Array, Array, Target]:
        sample, row = np.divmod(np.arange(part.start, part.stop), len(rows))
        return x[sample], rows[row], chosen[sample] if isinstance(chosen, np.ndarray) else chosen

    scores, explained = [], []
    # The shape of a layer's units is not known before the first run.
    firsts, total, squares = np.zeros(()), np.zeros(()), np.zeros(())
    promised, around = np.zeros(len(x)), np.zeros(len(x))
    for part, found in contributions(model, pairs, len(x) * len(rows), x.shape[1:], of, layout, batch_size, layer):
        samples, row = np.divmod(np.arange(part.start, part.stop), len(rows))
        if part.start == 0:
            firsts, total, squares = (np.zeros((len(x), *found.values.shape[1:])) for _ in range(3))
        firsts[samples[row == 0]] = found.values[row == 0]
        scores.append(found.scores[row == 0])
        explained.append(found.explained[row == 0])
        # One after the other: what a layer holds for all of them at once would not stay in the processor's cache.
        for sample, single in zip(samples, found.values, strict=True):
            # From the first row's on: around 0 the squares would lose the digits that all rows share.
            values = single - firsts[sample]
            total[sample] += values
            squares[sample] += np.square(values, out=values)
        np.add.at(promised, samples, found.explained - found.reference)
        np.add.at(around, samples, found.around)
    shift, around = total / len(rows), around / len(rows)
    mean = firsts + shift
    beside = None if layer is None else around
    rounding = float(np.finfo(x.dtype).eps)
    error = judged(mean, promised / len(rows), np.concatenate(explained), rounding, tolerance, beside)
    spread = np.maximum(squares / len(rows) - shift**2, 0) / max(1, len(rows) - 1)
    known = np.sqrt(spread) if len(rows) > 1 else np.full(mean.shape, np.nan)
    extras = {"standard_error": known.astype(x.dtype)} | ({} if layer is None else {"around": around})
    said = np.concatenate(scores)
    classes = None if callable(settled) else class_targets(settled, len(x), said)
    return Attribution(mean.astype(x.dtype), said, classes, error, extras)


def contributions(
    model: Model,
    pairs: Callable[[slice], tuple[Array, Array, Target]],
    total: int,
    sample_shape: tuple[int, ...],
    of: Of,
    layout: Layout,
    batch_size: BatchSize,
    layer: str | None = None,
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
    layer : str, optional
        Whose units the contributions are of, instead of the inputs.

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
            yield part, _run(model, x, reference, target, of, layout, layer)


def _run(model: Model, x: Array, reference: Array, target: Target, of: Of, layout: Layout, layer: str | None) -> Pairs:
    backend, rows = model.backend, layout.rows
    difference = x - reference
    parts = [difference] if rows == 2 else [np.maximum(difference, 0), np.minimum(difference, 0)]
    batch = np.concatenate([x, reference, *(reference + part for part in parts if rows > 2)])
    leaf = backend.leaf(model.tensor(batch))
    with difference_rules(backend, layout):
        scores, places = (model.scores(leaf), [leaf]) if layer is None else _watched(model, leaf, layer)
        own = backend.numpy(scores)[: len(x)]
        # The references are asked for the classes of their inputs, also when those are the predicted ones.
        everyone = target if callable(target) else np.tile(class_targets(target, len(x), own), rows)
        explained = model.explained(scores, everyone, of)
    if not callable(target) and of != "logit":
        explained = _of_class(model, scores, everyone, of, layout)
    if rows > 2:
        check_parts(backend, explained)
    if len(places) > 1:
        # No way may go around the layer: then the input's gradient is 0, and the part before the layer is left out.
        explained = explained + backend.sum(leaf * 0.0)
    # Every row that carries a multiplier is given its share of 1.
    seeds = layout.spread(backend, [backend.detach(explained)[: len(x)] * 0.0 + 1.0 for _ in layout.groups])
    gradients = backend.grad(explained, places, seeds=seeds)
    around = np.full(len(x), 0.0 if layer is None else np.nan)
    if layer is None:
        values = _shared_out(backend, layout, gradients[0], [model.tensor(part) for part in parts])
    else:
        values = _of_units(backend, layout, gradients[0], places[0])
        if len(places) > 1:
            around = _sums(_shared_out(backend, layout, gradients[1], [model.tensor(part) for part in parts]))
    ends = backend.numpy(explained).astype(np.float64)
    return Pairs(values, finite_scores(own), ends[: len(x)], ends[len(x) : 2 * len(x)], around)


def _watched(model: Model, leaf: Tensor, layer: str) -> tuple[Tensor, list[Tensor]]:
    """Scores, and what gradients are taken of: the layer's output, and the input unless the layer cuts the graph.

    The graph is cut at the layer's output, so that the input's gradient is of what goes around the layer.
    """
    backend = model.backend
    joined: list[bool] = []

    def cut(_layer: Net, _inputs: Any, output: Any) -> Tensor | None:
        joined.append(backend.is_tensor(output) and backend.takes_gradient(output))
        # The network goes on with a copy, see `activations`.
        return backend.leaf(output, copied=False) if joined[-1] else None

    with model.hook(layer, post=cut):
        scores, activations = model.activations(leaf, [layer])
    return scores, [*activations, *([leaf] if all(joined) else [])]


def _shared_out(backend: Backend, layout: Layout, gradient: Tensor, parts: Sequence[Tensor]) -> Array:
    """Multipliers times differences from the reference, part by part."""
    first, *others = (layout.signal(group, gradient) * part for group, part in zip(layout.groups, parts, strict=True))
    values = backend.numpy(sum(others, first))
    if not np.isfinite(values).all():
        finite_gradient(backend.numpy(gradient))
    return values


def _of_units(backend: Backend, layout: Layout, gradient: Tensor, activation: Tensor) -> Array:
    """The same for what a layer returned: the parts are how far its rows are from the reference."""
    rows = layout.split(backend.detach(activation))
    parts = [rows[end] - rows[start] for start, end in (group.steps[0] for group in layout.groups)]
    for part in parts:
        if not np.isfinite(backend.numpy(backend.sum(part))):
            finite_scores(backend.numpy(activation), "activations")
    return _shared_out(backend, layout, gradient, parts)


def _sums(values: Array) -> Array:
    total: Array = values.reshape(len(values), -1).sum(axis=1, dtype=np.float64)
    return total


def _of_class(model: Model, scores: Tensor, target: Target, of: Of, layout: Layout) -> Tensor:
    """A probability or its logarithm, by the rules of softmax."""
    backend = model.backend
    if of == "probability":
        probabilities = softmax(backend, layout, lambda t: backend.softmax(t, 1), scores)
        return model.explained(probabilities, target, "logit")
    log_probability = model.explained(log_softmax(backend, layout, scores), target, "logit")
    return -log_probability if of == "loss" else log_probability


def judged(
    values: Array,
    promised: Array,
    explained: Array,
    rounding: float,
    tolerance: float | None,
    around: Array | None = None,
) -> ErrorEstimate:
    """The completeness residual, or `MethodError` where it is too large.

    Parameters
    ----------
    values : ndarray (N, ...)
        Contributions.
    promised : ndarray (N,)
        The score differences that they share out.
    explained : ndarray (N,)
        The explained number of each input: the size of what the promised differences are made of.
    rounding : float
        Relative rounding of the type that the model computes in.
    tolerance : float or None
        Share of the score differences, both summed over the batch, so that one small difference decides nothing.
    around : ndarray (N,) or None
        Of a layer's units: the contributions that go around the layer; NaN where they are not known.
    """
    meaning = (
        "Sum of the contributions minus the score difference they share out (the scale). Beyond rounding, the network "
        "has an operation without a rule."
        if around is None
        else "Sum of the contributions minus the score difference (the scale). With extras['around'], which goes "
        "around the layer, added, it is 0 up to rounding where every operation has a rule."
    )
    estimate = replace(completeness(values, promised), meaning=meaning)
    if tolerance is None:
        return estimate
    # What goes around a layer is no defect of the rules.
    with_around = estimate.values + (0.0 if around is None else around)
    residual = np.fmin(np.abs(estimate.values), np.abs(with_around)).sum()
    unavoidable = 1000 * rounding * (np.abs(values).sum(dtype=np.float64) + np.abs(explained).sum())
    if residual > max(non_negative("tolerance", tolerance) * np.abs(promised).sum(), unavoidable):
        raise MethodError(
            f"The contributions miss score differences of {np.abs(promised).sum():.3g} in all by {residual:.3g}: the "
            "network has operations without a rule, such as layer norm, a ReLU written as clamp, or activations whose "
            "first axis is not the samples.",
            "Choose integrated_gradients, write activations as layers, or accept it with tolerance=None.",
        )
    return estimate
