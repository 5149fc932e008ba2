"""What weights are copied between, and what is rebuilt or compared layer by layer: whole networks."""

from __future__ import annotations

from typing import Any

from ..backends import Model, wrap
from ..errors import InputError
from ..methods.layers.neuron_model import NeuronModel


def whole(thing: Any) -> Model:
    """The model of a network, wrapped if need be.

    Raises
    ------
    InputError
        If it is a neuron's.
    """
    model = thing if isinstance(thing, Model) else wrap(thing)
    if isinstance(model, NeuronModel):
        raise InputError(
            f"'{model.name}' is a neuron, where a whole network is asked for.",
            "Pass the model that the neuron was made from, and make a neuron of what comes back.",
        )
    return model
