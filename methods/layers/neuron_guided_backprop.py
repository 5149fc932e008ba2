"""Guided backpropagation of one neuron inside the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ..backpropagation.guided_backprop import guided_backprop
from ..backpropagation.rectifiers import Rectifiers
from ..checks import finite_scores
from ..explanation import Array
from ..registry import Attribution, register
from .neuron_model import NeuronModel
from .units import Neuron


@register(
    "neuron_guided_backprop",
    family="layers",
    paper="Striving for Simplicity: The All Convolutional Net (Springenberg et al., 2014, arXiv:1412.6806)",
    needs="gradient",
    error="none: the rule is exact up to rounding",
    targeted=False,
)
def neuron_guided_backprop(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    neuron: Neuron,
    rectifiers: Rectifiers = "relu",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``d neuron / d x`` with ``g -> [x > 0] max(g, 0)`` at every ReLU: what excites the neuron.

    There is no target: the neuron takes its place. Its value for every sample is in ``extras["neuron"]``; the rest is
    as in ``guided_backprop``.

    Parameters
    ----------
    layer : str
    neuron : int or tuple of int
        Index into the layer's output without the batch axis. One that leaves axes over, such as the channel of a
        convolution, means the sum of all its units.
    rectifiers : {"relu", "all"}
        ``"all"`` extends the rule to leaky ReLU, ELU, GELU, SiLU and hardswish.
    batch_size : int or "auto"
    """
    scores: list[Array] = []
    watched = NeuronModel(model, layer, neuron, lambda native: scores.append(model.backend.numpy(native)))
    found = guided_backprop(watched, x, 0, rectifiers=rectifiers, batch_size=batch_size)
    return replace(
        found,
        scores=finite_scores(np.concatenate(scores)),
        target=None,
        extras={**found.extras, "neuron": found.scores[:, 0]},
    )
