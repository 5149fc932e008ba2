"""Backgrounds: the samples that stand for "feature absent", and what the model says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..backends.chunks import BatchSize
from ..backends.model import Model
from ..backends.objective import Of, Target
from ..backends.protocol import Tensor
from ..errors import InputError
from .checks import finite_scores
from .evaluation import score
from .explanation import Array


def background_rows(model: Model, background: Any, x: Array, what: str = "background") -> Array:
    """The background, or what else is given beside `x`, as a checked batch (B, ...) of samples like those of `x`.

    Raises
    ------
    InputError
        If it is not.
    """
    try:
        rows = model.check_input(background)
    except InputError as error:
        raise InputError(f"The {what} does not fit. {error.cause}", error.cure) from error
    if rows.shape[1:] != x.shape[1:]:
        raise InputError(
            f"The samples of the {what} have shape {rows.shape[1:]}, the input's {x.shape[1:]}.", "Make them alike."
        )
    return rows


def mean_worth(
    model: Model, rows: Array, target: Target, samples: int, of: Of, batch_size: BatchSize
) -> npt.NDArray[np.float64]:
    """Mean explained number of the rows for each sample's own target: (samples,). The rows are run once.

    Parameters
    ----------
    model : Model
    rows : ndarray (B, ...)
    target : ndarray of int (samples,) or callable
    samples : int
    of, batch_size
        As for `score`.

    Raises
    ------
    NonFiniteError
        If a mean is not finite: the logarithm of a score of 0 is not.
    """
    first = score(model, rows, target if callable(target) else int(np.asarray(target)[0]), of, batch_size)
    return mean_explained(model, first.scores, target, samples, of)


def mean_explained(model: Model, scores: Array, target: Target, samples: int, of: Of) -> npt.NDArray[np.float64]:
    """What `mean_worth` gives for rows whose scores (B, classes) are known."""
    backend = model.backend

    def mean(native: Tensor, label: Any) -> np.float64:
        found: np.float64 = backend.numpy(model.explained(native, label, of)).mean(dtype=np.float64)
        return found

    with backend.no_grad():
        # As precise as the network made them: its inputs may be of a coarser type.
        native = backend.asarray(scores, device=model.device)
        if callable(target):
            return np.full(samples, mean(native, target))
        means = {int(label): mean(native, int(label)) for label in np.unique(np.asarray(target))}
    return finite_scores(np.array([means[int(label)] for label in np.asarray(target)]), "explained numbers")


def worth(model: Model, baseline: Array, target: Target, of: Of, batch_size: BatchSize) -> npt.NDArray[np.float64]:
    """Explained number of each sample's baseline (N, ...): one run where all samples have the same."""
    if (baseline == baseline[:1]).all():
        return mean_worth(model, baseline[:1], target, len(baseline), of, batch_size)
    explained = score(model, baseline, target, of, batch_size).explained
    return finite_scores(explained.astype(np.float64), "explained numbers")


def stratified_draws(rng: np.random.Generator, samples: int, rows: int) -> tuple[Array, Array]:
    """Numbers α in [0, 1], one in each of as many equal intervals, and background rows, each used equally often."""
    alphas = (np.arange(samples) + rng.random(samples)) / samples
    rounds = [rng.permutation(rows) for _ in range(-(-samples // rows))]
    return alphas, np.concatenate(rounds)[:samples]
