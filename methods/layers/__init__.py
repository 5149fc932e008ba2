"""Methods for layers and neurons inside the network."""

from . import (
    class_visualisation,
    filter_visualisation,
    internal_influence,
    layer_activation,
    layer_conductance,
    layer_gradient_x_activation,
    layer_integrated_gradients,
    neuron_conductance,
    neuron_gradient,
    neuron_guided_backprop,
    neuron_integrated_gradients,
)

__all__ = [
    "class_visualisation",
    "filter_visualisation",
    "internal_influence",
    "layer_activation",
    "layer_conductance",
    "layer_gradient_x_activation",
    "layer_integrated_gradients",
    "neuron_conductance",
    "neuron_gradient",
    "neuron_guided_backprop",
    "neuron_integrated_gradients",
]
