"""The straight path from a baseline to the input, and integrals of one quantity over another along it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import InputError
from ..baselines import Baseline, baselines
from ..checks import finite_gradient, finite_scores, positive_count, random_seed
from ..explanation import Array
from .units import gradient_at_layer, targets_of

_DEGREE = 4


def path_start(baseline: Baseline, x: Array, seed: int) -> Array:
    """The array that one baseline means, or `InputError`."""
    found = baselines(baseline, x, random_seed(seed))
    if len(found) > 1:
        raise InputError(f"There are {len(found)} baselines.", "Pass one at a time, and average what comes back.")
    return found[0]


def straight_path(
    model: Model,
    start: Array,
    difference: Array,
    alphas: Array,
    sample_shape: tuple[int, ...],
    batch_size: BatchSize,
) -> Iterator[tuple[Array, Array, list[tuple[int, slice, slice]]]]:
    """Yield the points ``start + α difference`` of all samples in order, many in one batch.

    Parameters
    ----------
    model : Model
    start, difference : ndarray (N, ...)
    alphas : ndarray (steps,)
    sample_shape : tuple of int
        Of the network's input, which decides how many points fit.
    batch_size : int or "auto"

    Yields
    ------
    points : ndarray (M, ...)
    samples : ndarray of int (M,)
        Which sample each point belongs to.
    spans : list of (sample, slice of the batch, slice of `alphas`)
    """
    steps, total = len(alphas), len(start) * len(alphas)
    for part in chunks(total, chunk_size(model, sample_shape, total, batch_size)):
        samples, numbers = np.divmod(np.arange(part.start, part.stop), steps)
        alpha = alphas[numbers].astype(start.dtype).reshape((-1,) + (1,) * (start.ndim - 1))
        spans = []
        for sample in range(samples[0], samples[-1] + 1):
            first, last = max(part.start, sample * steps), min(part.stop, (sample + 1) * steps)
            spans.append(
                (
                    sample,
                    slice(first - part.start, last - part.start),
                    slice(first - sample * steps, last - sample * steps),
                )
            )
        yield start[samples] + alpha * difference[samples], samples, spans


@dataclass(frozen=True)
class Seen:
    """Points of one sample's path, as a layer sees them.

    Attributes
    ----------
    sample : int
    numbers : slice
        Which points of the path.
    explained : ndarray (M,)
    activations, gradients : ndarray (M, ...)
        The layer's output, and the gradient of the explained number with respect to it.
    """

    sample: int
    numbers: slice
    explained: Array
    activations: Array
    gradients: Array


def gradients_on_path(
    model: Model,
    layer: str,
    start: Array,
    difference: Array,
    alphas: Array,
    target: Target,
    of: Of,
    batch_size: BatchSize,
) -> Iterator[Seen]:
    """Yield activations and gradients of a layer on the straight path of inputs, sample by sample, in order."""
    backend = model.backend
    with backend.frozen(model.net):
        for points, samples, spans in straight_path(model, start, difference, alphas, start.shape[1:], batch_size):
            native = gradient_at_layer(model, model.tensor(points), layer, targets_of(target, samples), of)
            explained, activations, gradients = (backend.numpy(t) for t in native)
            finite_scores(activations, "activations")
            finite_gradient(gradients)
            for sample, rows, numbers in spans:
                yield Seen(sample, numbers, explained[rows], activations[rows], gradients[rows])


@dataclass(frozen=True)
class Pieces:
    """Gauss–Lobatto points on pieces of the path.

    Attributes
    ----------
    alphas, weights : ndarray (steps + 1,)
        Points from 0 to 1 and the weights of an ordinary integral over them.
    matrices : list of ndarray (d + 1, d + 1)
        One per piece: ``Σ_ab g_a M_ab y_b`` is ``∫ g dy`` for the polynomials through the piece's points. The last
        point of a piece is the first of the next.
    """

    alphas: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    matrices: list[npt.NDArray[np.float64]]


def pieces(steps: int) -> Pieces:
    """Cut the path into pieces of four steps (the last may have fewer), five points each."""
    steps = positive_count("steps", steps)
    degrees = [_DEGREE] * (steps // _DEGREE) + ([steps % _DEGREE] if steps % _DEGREE else [])
    alphas, weights, matrices = np.zeros(steps + 1), np.zeros(steps + 1), []
    done = 0
    for degree in degrees:
        points, piece_weights, derivative = _lobatto(degree)
        place = slice(done, done + degree + 1)
        alphas[place] = (done + degree * (points + 1) / 2) / steps
        weights[place] += piece_weights / 2 * degree / steps
        # Length and scale cancel in ∫ g (dy/dα) dα.
        matrices.append(piece_weights[:, None] * derivative)
        done += degree
    alphas[-1] = 1
    return Pieces(alphas, weights, matrices)


def _lobatto(degree: int) -> tuple[Array, Array, Array]:
    """Points on [-1, 1], weights, and the matrix that differentiates the polynomial through the points."""
    basis = np.polynomial.Legendre.basis(degree)
    points = np.concatenate([[-1.0], np.sort(basis.deriv().roots().real), [1.0]])
    at_points = basis(points)
    weights = 2 / (degree * (degree + 1) * at_points**2)
    gaps = points[:, None] - points[None, :] + np.eye(degree + 1)
    derivative = at_points[:, None] / at_points[None, :] / gaps
    np.fill_diagonal(derivative, 0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    return points, weights, derivative


class StieltjesSum:
    """``∫ g dy`` along the path, element by element, fed with the points of one sample in order.

    It holds the points of one piece at a time. Where g is constant the result is ``g (y(1) - y(0))`` for any number of
    steps; where g and y are polynomials of degree 4 on each piece it is exact.

    Attributes
    ----------
    total : ndarray
    """

    def __init__(self, path: Pieces) -> None:
        self.total: Any = 0.0
        self._matrices = iter(path.matrices)
        self._matrix = next(self._matrices)
        self._held: list[tuple[Array, Array]] = []

    def feed(self, values: Array, gradients: Array) -> None:
        """Add the y and the g of the next points: (M, ...) each."""
        for point in zip(values, gradients, strict=True):
            self._held.append(point)
            if len(self._held) == len(self._matrix):
                y = np.stack([value for value, _ in self._held]).astype(np.float64)
                for (_, g), dy in zip(self._held, np.tensordot(self._matrix, y, axes=1), strict=True):
                    self.total += g * dy
                self._matrix = next(self._matrices, self._matrix)
                del self._held[:-1]
