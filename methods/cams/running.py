"""What all class activation maps share: look at one layer while the network runs, and make a map of what is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.layer_outputs import check_apart
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target, class_targets
from ...backends.protocol import Tensor
from ...errors import NoGradientError, NonFiniteError
from ..budget import Budget
from ..checks import check_flags, finite_gradient, finite_scores, pictures
from ..explanation import Array, ErrorEstimate
from ..layers.sample_axis import check_samples
from ..registry import Attribution
from .target_layer import check_maps, target_layer
from .upsampling import resized

ToMap: TypeAlias = Callable[[Array, Array], Array]
"""Makes maps (N, h, w) of activations (N, K, h, w) and gradients of the same shape, all in float64."""

ToNumber: TypeAlias = Callable[[Tensor, Target], Tensor]
"""Makes the explained numbers (N,) of scores (N, classes) and targets, all native and with their graph."""

ToGradient: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Makes the gradient that a map is made of, from the sum of the explained numbers and a layer's output, all native."""


@dataclass(frozen=True)
class Seen:
    """What one run of the network shows of a layer.

    Attributes
    ----------
    scores : ndarray (N, classes)
    activation : ndarray (N, K, h, w)
        In float64.
    """

    scores: Array
    activation: Array


@dataclass(frozen=True)
class SeenBothWays(Seen):
    """What one run forward and backward shows of a layer.

    Attributes
    ----------
    explained : ndarray (N,)
        The number that is explained.
    gradient : ndarray (N, K, h, w)
        Of the explained number by the activation, or what the method puts in its place.
    """

    explained: Array
    gradient: Array


@dataclass(frozen=True)
class Estimate:
    """An error estimate that activation, gradient and map contain without a further run.

    Attributes
    ----------
    name, meaning : str
        As in `ErrorEstimate`.
    measure : callable
        ``measure(activation, gradient, maps)`` returns the values (N,) and the scale (N,), or None for no scale.
    """

    name: str
    meaning: str
    measure: Callable[[Array, Array, Array], tuple[Array, Array | None]]


def look(model: Model, x: Array, layer: str) -> Seen:
    """Run the network without gradient on samples that fit in memory."""
    backend = model.backend
    with backend.frozen(model.net), backend.no_grad():
        scores, [activation] = model.activations(model.tensor(x), [layer])
    return Seen(finite_scores(backend.numpy(scores)), _maps(model, activation, layer, x))


def look_with_gradient(
    model: Model, x: Array, layer: str, target: Target, to_number: ToNumber, to_gradient: ToGradient
) -> SeenBothWays:
    """Run the network forward, and backward as far as the layer, on samples that fit in memory."""
    backend = model.backend
    check_apart(model, model.tensor(x[:1]), layer)

    # The graph begins at the layer: nothing before it is kept for a backward pass.
    def begin(_layer: Any, _inputs: Any, output: Any) -> Any:
        return backend.leaf(output) if backend.is_tensor(output) and "float" in backend.dtype(output) else None

    with backend.frozen(model.net):
        with model.hook(layer, post=begin):
            scores, [activation] = model.activations(model.tensor(x), [layer])
        maps = _maps(model, activation, layer, x)
        explained = to_number(scores, target)
        try:
            gradient = to_gradient(backend.sum(explained), activation)
        except NoGradientError as error:
            raise NoGradientError(
                f"No gradient of the explained score arrives at layer '{layer}'.",
                "Choose a layer on the way from the input to the score, with nothing behind it that cuts the gradient "
                "(detach, no_grad) and nothing around it that computes it twice (checkpoint, recompute).",
            ) from error
    return SeenBothWays(
        finite_scores(backend.numpy(scores)),
        maps,
        backend.numpy(explained).astype(np.float64),
        finite_gradient(backend.numpy(gradient)).astype(np.float64),
    )


def map_by_gradient(
    model: Model,
    x: Array,
    target: Target,
    to_map: ToMap,
    method: str,
    *,
    layer: str | None,
    of: Of,
    relu: bool,
    upsample: bool,
    batch_size: BatchSize,
    estimate: Estimate | None = None,
    shares_score: bool = False,
    to_number: ToNumber | None = None,
    to_gradient: ToGradient | None = None,
    held: int = 2,
) -> Attribution:
    """The attribution of a method whose map needs nothing but one layer's activation and gradient.

    Parameters
    ----------
    to_map : callable
    method : str
        Its name, for messages.
    estimate : Estimate or None
    shares_score : bool
        The error estimate says how far the map shares out the score instead, which takes one more run.
    to_number : callable or None
        Makes what is differentiated; None takes what `of` names.
    to_gradient : callable or None
        None takes the gradient itself.
    held : int
        As for `chunk_size`.
    """
    pictures(x, method)
    check_flags(relu=relu, upsample=upsample)
    name = target_layer(model, x, layer)
    listed = per_sample(target, len(x))
    number = to_number or (lambda scores, chosen: model.explained(scores, chosen, of))
    derived = to_gradient or (lambda total, activation: model.backend.grad(total, [activation])[0])
    maps, scores, shared, measured = [], [], [], []
    for part in parts(model, x, batch_size, held):
        seen = look_with_gradient(model, x[part], name, listed(part), number, derived)
        maps.append(to_map(seen.activation, seen.gradient))
        scores.append(seen.scores)
        if shares_score:
            classes = settled(listed(part), seen.scores)
            resolved = listed(part) if classes is None else classes
            shared.append(seen.explained - _without(model, x[part], name, resolved, of))
        if estimate is not None:
            measured.append(estimate.measure(seen.activation, seen.gradient, maps[-1]))
    joined, said = np.concatenate(maps), np.concatenate(scores)
    error = _conservation(joined, np.concatenate(shared)) if shares_score else _joined(estimate, measured)
    return finished(x, joined, said, settled(target, said), name, relu=relu, upsample=upsample, error=error)


def map_by_activation(
    model: Model,
    x: Array,
    target: Target,
    to_map: Callable[[Array], tuple[Array, Array]],
    method: str,
    *,
    layer: str | None,
    relu: bool,
    upsample: bool,
    batch_size: BatchSize,
    name: str,
    meaning: str,
) -> Attribution:
    """The attribution of a method whose map needs one layer's activation alone, and depends on no class.

    Parameters
    ----------
    target : Target
        Checked, though not used.
    to_map : callable
        Makes maps (N, h, w) and the values of the error estimate (N,) of activations (N, K, h, w) in float64.
    method : str
        Its name, for messages.
    name, meaning : str
        Of the error estimate.
    """
    pictures(x, method)
    check_flags(relu=relu, upsample=upsample)
    chosen = target_layer(model, x, layer)
    maps, errors, scores = [], [], []
    for part in parts(model, x, batch_size):
        seen = look(model, x[part], chosen)
        made, error = to_map(seen.activation)
        maps.append(made)
        errors.append(error)
        scores.append(seen.scores)
    joined = np.concatenate(scores)
    if target is not None:
        settled(target, joined)
    estimate = ErrorEstimate(name, np.concatenate(errors), meaning)
    return finished(x, np.concatenate(maps), joined, None, chosen, relu=relu, upsample=upsample, error=estimate)


def weighted(weights: ToMap) -> ToMap:
    """Sum over channels of activations times weights, which are (N, K, 1, 1) or differ from place to place."""
    return lambda activation, gradient: (weights(activation, gradient) * activation).sum(axis=1)


def parts(model: Model, x: Array, batch_size: BatchSize, held: int = 2) -> Iterator[slice]:
    """Slices of the samples that run at once."""
    return chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size, held))


def settled(target: Target, scores: Array) -> npt.NDArray[np.int64] | None:
    """The class of every sample, None for a target function."""
    return None if callable(target) else class_targets(target, len(scores), scores)


def finished(
    x: Array,
    maps: Array,
    scores: Array,
    classes: npt.NDArray[np.int64] | None,
    layer: str,
    *,
    relu: bool,
    upsample: bool,
    error: ErrorEstimate | None = None,
    budget: Budget | None = None,
) -> Attribution:
    """Clip and enlarge maps (N, h, w): the values are (N, 1, h, w), or (N, 1, H, W) and the small maps an extra."""
    small = (np.maximum(maps, 0) if relu else maps)[:, None]
    extras = {"layer": np.array(layer)}
    if upsample:
        extras["map"] = small.astype(x.dtype)
        small = resized(small, x.shape[2:])
    return Attribution(small.astype(x.dtype), scores, classes, error, extras, budget)


def _maps(model: Model, activation: Any, layer: str, x: Array) -> Array:
    check_samples(model, model.tensor(x), activation, layer)
    check_maps(model, model.backend.shape(activation), layer, x)
    return finite_scores(model.backend.numpy(activation), f"activations at '{layer}'").astype(np.float64)


def _without(model: Model, x: Array, layer: str, target: Target, of: Of) -> Array:
    """The explained number when the layer's output is 0 everywhere; NaN where the network cannot bear that."""
    backend = model.backend
    with backend.frozen(model.net), backend.no_grad(), model.hook(layer, post=lambda _l, _i, output: output * 0):
        try:
            return backend.numpy(model.explained(model.scores(model.tensor(x)), target, of)).astype(np.float64)
        except NonFiniteError:
            return np.full(len(x), np.nan)


def _joined(estimate: Estimate | None, measured: Sequence[tuple[Array, Array | None]]) -> ErrorEstimate | None:
    if estimate is None:
        return None
    values, scales = zip(*measured, strict=True)
    scale = None if scales[0] is None else np.concatenate(scales)
    return ErrorEstimate(estimate.name, np.concatenate(values), estimate.meaning, scale)


def _conservation(maps: Array, shared: Array) -> ErrorEstimate:
    return ErrorEstimate(
        "completeness residual",
        maps.sum(axis=(1, 2)) - shared,
        "Sum of the signed map at the layer's own size minus (score - score with the layer's output set to 0, the "
        "scale). It is 0 where the network behind the layer is linear, as global average pooling and one linear layer "
        "are; elsewhere it says how much of the score the map leaves out or invents.",
        shared,
    )
