"""Activation maximisation: the picture that one filter answers to most."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ...backends.protocol import Tensor
from ...errors import LayerError
from ..checks import channel_axis, channels_second, pictures, second_in_shape
from ..explanation import Array
from ..registry import Attribution, register
from .ascent import Ascent, last_rise
from .sample_axis import check_samples


@register(
    "filter_visualisation",
    family="layers",
    paper="Visualizing Higher-Layer Features of a Deep Network (Erhan et al., 2009)",
    needs="gradient",
    error="rise in the last tenth of the steps, beside the whole rise: whether the ascent has arrived",
    scope="global",
    targeted=False,
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
    l2: float = 0.0,
    total_variation: float = 0.0,
    baseline: Any = 0.5,
    blur: float = 0.0,
    blur_every: int = 4,
    jitter: int = 0,
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Gradient ascent on the pictures, by Adam, that raises the summed activation of one filter.

    The values are the pictures reached, not attributions; nothing keeps them within 0 to 1. There is no target.
    ``extras["activation"]`` is the filter's summed activation before, at every step and at the end, without penalties;
    a step with jitter sees the shifted picture.

    Parameters
    ----------
    layer : str
        A layer with one channel per filter, usually a convolution.
    filter : int
        Channel of its output.
    steps : int
    learning_rate : float
        Step of Adam, in the units of the pictures.
    l2 : float
        Weight of the penalty ``‖picture - baseline‖²``.
    total_variation : float
        Weight of the penalty on squared differences of neighbouring pixels.
    baseline : number or array
        What the L2 penalty pulls towards; 0.5 is grey.
    blur : float
        Standard deviation, in pixels, of a Gaussian blur now and then (Yosinski et al., 2015, arXiv:1506.06579).
    blur_every : int
        Steps from one blur to the next.
    jitter : int
        Each step sees the pictures shifted by up to so many pixels.
    seed : int
        Of the shifts.
    batch_size : int or "auto"
    """
    ascent = Ascent(steps, learning_rate, l2, total_variation, baseline, blur, blur_every, jitter, seed)
    pictures(x, "filter_visualisation")
    channels_second(model)

    def raised(native: Tensor, _part: slice) -> Tensor:
        activation = model.activation(native, layer)
        check_samples(model, native, activation, layer)
        shape = model.backend.shape(activation)
        second_in_shape(shape, layer, x.shape[2:], channel_axis(model, model.layer(layer), shape))
        return _channel(model, activation, layer, filter)

    reached, course = ascent.climb(model, x, raised, batch_size)
    return Attribution(reached, model.forward(x, batch_size), None, last_rise(course), extras={"activation": course})


def _channel(model: Model, activation: Tensor, layer: str, channel: int) -> Tensor:
    shape = model.backend.shape(activation)
    if len(shape) < 2:
        raise LayerError(f"Layer '{layer}' returns shape {shape}, without filters.", "Choose a convolution.")
    if isinstance(channel, bool) or not isinstance(channel, (int, np.integer)) or not 0 <= channel < shape[1]:
        raise LayerError(
            f"Filter {channel!r} does not exist: layer '{layer}' has {shape[1]}.", f"Choose 0 to {shape[1] - 1}."
        )
    return activation[:, int(channel)]
