"""How far the score falls when a layer returns something else: the core of the ablation and permutation of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.layer_outputs import check_apart, check_real
from ...backends.model import Model
from ...backends.objective import Of
from ...errors import InputError, MethodError, NonFiniteError
from ..cams.after_layer import AfterLayer
from ..cams.target_layer import check_maps
from ..checks import baseline_like, channels_second, finite_scores
from ..evaluation import Points, Scored
from ..explanation import Array
from ..players import Players, players_of
from .units import observe


def observed(model: Model, x: Array, layer: str, batch_size: BatchSize) -> tuple[Array, Array]:
    """Scores and what the layer computes, (N, ...) each, for a layer whose output other numbers can be put in place of.

    Raises
    ------
    LayerError
        If there is no such layer.
    """
    scores, activations = observe(model, x, layer, batch_size)
    check_real(str(activations.dtype), layer)
    check_apart(model, model.tensor(x[: chunk_size(model, x.shape[1:], len(x), batch_size, held=1)]), layer)
    return scores, activations


def players_in(model: Model, x: Array, layer: str, activations: Array, segments: Any) -> list[Players]:
    """Which numbers of a layer's output are replaced at once, for each sample.

    Parameters
    ----------
    model, x, layer
        As for `observed`.
    activations : ndarray (N, ...)
        What the layer returns for `x`.
    segments : {"channels", "units"} or array of int

    Raises
    ------
    MethodError, InputError, LayerError
        If the partition is not known, does not fit what the layer returns, or leaves out channels that come last.
    """
    shape = activations.shape[1:]
    named = segments if isinstance(segments, str) else None
    if named == "units":
        count = int(np.prod(shape))
        return [Players(np.arange(count).reshape(shape), count)] * len(x)
    if named == "channels":
        _check_channels(model, x, layer, activations)
        count, places = (shape[0], (-1,) + (1,) * (len(shape) - 1)) if shape else (1, ())
        return [Players(np.arange(count).reshape(places), count)] * len(x)
    unknown = MethodError(
        f"segments={segments!r} is not known.",
        "Choose channels or units, or pass whole numbers in the shape of the layer's output for one sample.",
    )
    if segments is None or named is not None:
        raise unknown
    try:
        with _output_of(layer):
            players = players_of(activations, segments)
    except MethodError:  # of words, among which those for pictures are named
        raise unknown from None
    if players[0].labels.shape != shape:
        _check_channels(model, x, layer, activations)
    return players


def _check_channels(model: Model, x: Array, layer: str, activations: Array) -> None:
    """Raise `LayerError` unless the channels of maps of pictures are on the axis after the samples."""
    if x.ndim == activations.ndim == 4:
        channels_second(model)
        check_maps(model, activations.shape, layer, x)


def baseline_of(baseline: Any, layer: str, activations: Array) -> Array:
    """A baseline (a number or an array) in the shape of a layer's output (N, ...), or `InputError`."""
    with _output_of(layer):
        return baseline_like(baseline, activations)


@contextmanager
def _output_of(layer: str) -> Iterator[None]:
    """Errors that speak of the input say that it is the layer's output."""
    try:
        yield
    except InputError as error:
        raise InputError(f"At layer '{layer}', whose output is the input here: {error.cause}", error.cure) from error


def drops_at(
    model: Model,
    x: Array,
    layer: str,
    activations: Array,
    scored: Scored,
    points: Points,
    counts: Sequence[int],
    of: Of,
    batch_size: BatchSize,
) -> Iterator[tuple[int, slice, npt.NDArray[np.float64]]]:
    """Yield the explained number of each sample minus those that it has with other outputs of the layer.

    Parameters
    ----------
    model, x, layer, of, batch_size
        As for `observed`.
    activations : ndarray (N, ...)
        What the layer returns for `x`.
    scored : Scored
    points : callable
        ``points(sample, part)`` makes the outputs numbered `part`: (M, ...).
    counts : sequence of int
        How many each sample has.

    Yields
    ------
    sample : int
    part : slice
    drops : ndarray (M,)

    Raises
    ------
    NonFiniteError
        If the network makes no numbers of another output.
    """
    backend, behind = model.backend, AfterLayer(model, layer)
    with backend.frozen(model.net), backend.no_grad():
        for i, count in enumerate(counts):
            one = slice(i, i + 1)
            target = scored.resolved if callable(scored.resolved) else int(np.asarray(scored.resolved)[i])
            for part in chunks(count, chunk_size(model, x.shape[1:], count, batch_size, held=1)):
                native = behind.scores(x[one], activations[one], scored.scores[one], points(i, part))
                try:
                    values = finite_scores(backend.numpy(model.explained(native, target, of)))
                except NonFiniteError as error:
                    raise NonFiniteError(
                        f"With another output of layer '{layer}': {error.cause}",
                        "Put numbers there that the network can go on with, such as another baseline, or choose "
                        "another layer.",
                    ) from error
                yield i, part, float(scored.explained[i]) - values.astype(np.float64)


def spread(players: Sequence[Players], values: Sequence[Array], shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Each player's number at all of its places: (N, *shape)."""
    pairs = zip(players, values, strict=True)
    return np.stack([np.broadcast_to(each.spread(found), shape) for each, found in pairs]).astype(dtype)
