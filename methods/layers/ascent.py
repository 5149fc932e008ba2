"""Gradient ascent on pictures, by Adam, with what keeps them smooth: shared by the visualisations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.protocol import Tensor
from ...errors import MethodError
from ..checks import baseline_like, finite_gradient, finite_scores, non_negative, positive_count, random_seed
from ..explanation import Array, ErrorEstimate


@dataclass(frozen=True)
class Ascent:
    """How to climb. What is raised is ``f(picture) - l2 · ‖picture - baseline‖² - total_variation · TV(picture)``.

    TV is the sum of the squared differences of neighbours, total variation with β = 2 (Mahendran & Vedaldi, 2014,
    arXiv:1412.0035).

    Attributes
    ----------
    steps : int
    learning_rate : float
    l2, total_variation : float
        Weights of the two penalties.
    baseline : number or array
        The picture that the L2 penalty pulls towards.
    blur : float
        Standard deviation in pixels of a Gaussian blur after every `blur_every` steps.
    blur_every : int
    jitter : int
        Each step but the first looks at pictures shifted by up to so many pixels, around the edge.
    seed : int
        Of the shifts, which are the same for all pictures.
    """

    steps: int
    learning_rate: float
    l2: float = 0.0
    total_variation: float = 0.0
    baseline: Any = 0.0
    blur: float = 0.0
    blur_every: int = 4
    jitter: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "blur_every"):
            positive_count(name, getattr(self, name))
        for name in ("learning_rate", "l2", "total_variation", "blur"):
            object.__setattr__(self, name, non_negative(name, getattr(self, name)))
        if isinstance(self.jitter, bool) or not isinstance(self.jitter, (int, np.integer)) or self.jitter < 0:
            raise MethodError(f"jitter={self.jitter!r} is not a whole number of pixels.", "Pass jitter=0 or more.")
        random_seed(self.seed)

    def climb(
        self, model: Model, x: Array, raised: Callable[[Tensor, slice], Tensor], batch_size: BatchSize
    ) -> tuple[Array, Array]:
        """The pictures reached, and the sum of what is raised before, at every step and at the end: (N, steps + 1).

        Parameters
        ----------
        model : Model
        x : ndarray (N, C, H, W)
        raised : callable (native pictures, which of the batch)
            Returns one native number or array per picture.
        batch_size : int or "auto"
        """
        reached, course = np.empty_like(x), np.zeros((len(x), self.steps + 1))
        centre = baseline_like(self.baseline, x).astype(np.float64)
        with model.backend.frozen(model.net):
            for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
                reached[part], course[part] = self._climb(model, x[part], centre[part], raised, part)
        return reached, course

    def _climb(
        self, model: Model, x: Array, centre: Array, raised: Callable[[Tensor, slice], Tensor], part: slice
    ) -> tuple[Array, Array]:
        backend = model.backend
        picture, adam, course = x.astype(np.float64), _Adam(self.learning_rate), []
        shifts = np.random.default_rng(self.seed).integers(-self.jitter, self.jitter + 1, (self.steps, 2))
        # The course begins with the picture itself.
        shifts[0] = 0
        for step, (down, right) in enumerate(shifts):
            leaf = backend.leaf(model.tensor(np.roll(picture, (down, right), (2, 3)).astype(x.dtype)))
            activation = raised(leaf, part)
            (native,) = backend.grad(backend.sum(activation), [leaf])
            course.append(_per_picture(backend.numpy(activation)))
            gradient = np.roll(finite_gradient(backend.numpy(native)), (-down, -right), (2, 3)).astype(np.float64)
            picture += adam.step(gradient - self._penalty_gradient(picture, centre))
            if self.blur and (step + 1) % self.blur_every == 0 and step + 1 < self.steps:
                picture = _blurred(picture, self.blur)
        reached = picture.astype(x.dtype)
        with backend.no_grad():
            course.append(_per_picture(backend.numpy(raised(model.tensor(reached), part))))
        return reached, np.stack(course, axis=1)

    def _penalty_gradient(self, picture: Array, centre: Array) -> Array:
        gradient: Array = 2 * self.l2 * (picture - centre)
        if self.total_variation:
            for axis in (2, 3):
                steps = 2 * self.total_variation * np.diff(picture, axis=axis)
                # Each neighbour's difference pulls the one down and the other up.
                gradient -= np.diff(steps, axis=axis, prepend=0, append=0)
        return gradient


def last_rise(course: Array) -> ErrorEstimate:
    """Whether the ascent has arrived: the rise in the last tenth of the steps, beside the whole rise."""
    before = -1 - max(1, (course.shape[1] - 1) // 10)
    return ErrorEstimate(
        "rise in the last tenth of the steps",
        course[:, -1] - course[:, before],
        "The scale is the rise from the first step to the last: a small share means that more steps change little.",
        course[:, -1] - course[:, 0],
    )


class _Adam:
    """Adam (Kingma & Ba, 2014, arXiv:1412.6980) with its usual constants, in float64."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.mean: Any = 0.0
        self.square: Any = 0.0
        self.count = 0

    def step(self, gradient: Array) -> Array:
        self.count += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.count), self.square / (1 - 0.999**self.count)
        step: Array = self.learning_rate * mean / (np.sqrt(square) + 1e-8)
        return step


def _blurred(picture: Array, sigma: float) -> Array:
    from scipy import ndimage

    blurred: Array = ndimage.gaussian_filter(picture, (0, 0, sigma, sigma), mode="nearest")
    return blurred


def _per_picture(activation: Array) -> Array:
    summed: Array = activation.reshape(len(activation), -1).sum(axis=1, dtype=np.float64)
    return finite_scores(summed, "activations")
