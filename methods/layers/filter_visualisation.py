"""Activation maximisation: the picture that one filter answers to most."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.model import Model
from ...backends.objective import Target
from ...errors import LayerError, MethodError
from ..checks import finite_gradient, finite_scores, non_negative, pictures, positive_count
from ..explanation import Array
from ..registry import Attribution, register


@register(
    "filter_visualisation",
    family="layers",
    paper="Visualizing Higher-Layer Features of a Deep Network (Erhan et al., 2009)",
    needs="gradient",
    error="none: extras['activation'] is the filter's summed activation before, at every step and at the end",
    scope="global",
)
def filter_visualisation(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    filter: int = 0,
    steps: int = 100,
    learning_rate: float = 0.1,
) -> Attribution:
    """Gradient ascent on the pictures, by Adam, that raises the summed activation of one filter.

    The values are the pictures reached, not attributions; nothing keeps them within 0 to 1. There is no target.

    Parameters
    ----------
    layer : str
        A layer with one channel per filter, usually a convolution.
    filter : int
        Channel of its output.
    steps : int
    learning_rate : float
        Step of Adam, in the units of the pictures.
    """
    steps, learning_rate = positive_count("steps", steps), non_negative("learning_rate", learning_rate)
    pictures(x, "filter_visualisation")
    if target is not None:
        raise MethodError("filter_visualisation has no target.", "Leave target out; choose layer= and filter=.")
    backend = model.backend
    picture = x.astype(np.float64)
    ascent = _Adam(learning_rate)
    course = []
    with backend.frozen(model.net):
        for _ in range(steps):
            leaf = backend.leaf(model.tensor(picture.astype(x.dtype)))
            activation = _channel(model, model.activation(leaf, layer), layer, filter)
            (gradient,) = backend.grad(backend.sum(activation), [leaf])
            course.append(_per_picture(backend.numpy(activation)))
            picture += ascent.step(finite_gradient(backend.numpy(gradient)))
        reached = picture.astype(x.dtype)
        with backend.no_grad():
            last = _channel(model, model.activation(model.tensor(reached), layer), layer, filter)
    course.append(_per_picture(backend.numpy(last)))
    return Attribution(reached, model.forward(x), None, extras={"activation": np.stack(course, axis=1)})


class _Adam:
    """Adam (Kingma & Ba, 2014, arXiv:1412.6980) with its usual constants, in float64."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.mean: Any = 0.0
        self.square: Any = 0.0
        self.count = 0

    def step(self, gradient: Array) -> Array:
        gradient = gradient.astype(np.float64)
        self.count += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.count), self.square / (1 - 0.999**self.count)
        step: Array = self.learning_rate * mean / (np.sqrt(square) + 1e-8)
        return step


def _channel(model: Model, activation: Any, layer: str, channel: int) -> Any:
    shape = model.backend.shape(activation)
    if len(shape) < 2:
        raise LayerError(f"Layer '{layer}' returns shape {shape}, without filters.", "Choose a convolution.")
    if isinstance(channel, bool) or not isinstance(channel, (int, np.integer)) or not 0 <= channel < shape[1]:
        raise LayerError(
            f"Filter {channel!r} does not exist: layer '{layer}' has {shape[1]}.", f"Choose 0 to {shape[1] - 1}."
        )
    return activation[:, int(channel)]


def _per_picture(activation: Array) -> Array:
    summed: Array = activation.reshape(len(activation), -1).sum(axis=1, dtype=np.float64)
    return finite_scores(summed, "activations")
