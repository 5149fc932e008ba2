"""How far the score falls when parts of the input are replaced: the core of occlusion, ablation and permutation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..budget import Budget
from ..evaluation import Points, Scored, score, values_at
from ..explanation import Array
from ..players import Players


def fast(
    model: Model, x: Array, scored: Scored, evaluations: int, of: Of, batch_size: BatchSize
) -> tuple[Model, npt.NDArray[np.float64]]:
    """The model that perturbed copies are run on, and the explained number of `x` by that same model.

    With both from one model, what does not matter is exactly 0 and not a matter of rounding.
    """
    quick = model.streamlined(x, evaluations)
    whole = scored.explained if quick is model else score(quick, x, scored.resolved, of, batch_size).explained
    return quick, whole.astype(np.float64)


def drops(
    model: Model,
    whole: npt.NDArray[np.float64],
    points: Points,
    counts: Sequence[int],
    sample_shape: tuple[int, ...],
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Iterator[tuple[int, slice, npt.NDArray[np.float64]]]:
    """Yield the explained number of each sample minus that of its perturbed copies.

    Parameters
    ----------
    model : Model
    whole : ndarray (N,)
        The explained number of the samples themselves.
    points : callable
        ``points(sample, part)`` makes the perturbed copies numbered `part`: (M, ...).
    counts : sequence of int
        How many copies each sample has.
    sample_shape, target, of, batch_size
        As for `values_at`.

    Yields
    ------
    sample : int
    part : slice
    drops : ndarray (M,)
    """
    for sample, part, values in values_at(
        model, points, range(len(counts)), counts, sample_shape, target, of, batch_size
    ):
        yield sample, part, whole[sample] - values.astype(np.float64)


def spent(inputs: int, evaluations: int) -> Budget:
    """The record of a method that makes what it is asked for, whatever it takes."""
    budget = Budget(inputs)
    budget.evaluations = evaluations
    return budget


def spread(players: Sequence[Players], values: Sequence[Array], dtype: npt.DTypeLike) -> Array:
    """Each player's number at all of its places: (N, *labels.shape), which is (N, 1, H, W) for superpixels."""
    return np.stack([each.spread(found) for each, found in zip(players, values, strict=True)]).astype(dtype)


def segments_of(players: Sequence[Players], x: Array) -> dict[str, Array]:
    """The players of pictures as ``extras`` keep them: (N, H, W), or (N, C, H, W) where channels play separately."""
    if x.ndim != 4:
        return {}
    labels = np.stack([each.labels for each in players])
    return {"segments": labels[:, 0] if labels.shape[1] == 1 else labels}
