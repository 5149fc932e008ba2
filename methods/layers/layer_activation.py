"""Layer activation: what a layer computes."""

from __future__ import annotations

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ..explanation import Array
from ..registry import Attribution, register
from .units import observe


@register(
    "layer_activation",
    family="layers",
    paper="Visualizing and Understanding Convolutional Networks (Zeiler & Fergus, 2013, arXiv:1311.2901)",
    needs="activations",
    error="none: the activation is exact up to rounding",
    targeted=False,
)
def layer_activation(
    model: Model, x: Array, target: Target, *, layer: str, batch_size: BatchSize = "auto"
) -> Attribution:
    """The layer's output ``y(x)``, also when an operation in place overwrites it later.

    The values have the shape of the layer's output. There is no target.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    batch_size : int or "auto"
    """
    scores, activations = observe(model, x, layer, batch_size)
    return Attribution(activations, scores, None)
