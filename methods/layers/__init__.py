"""Methods for layers and neurons inside the network."""

from . import (
    class_visualisation,
    filter_visualisation,
    internal_influence,
    layer_activation,
    layer_conductance,
    layer_deeplift,
    layer_deepshap,
    layer_expected_gradients,
    layer_feature_ablation,
    layer_feature_permutation,
    layer_gradient_x_activation,
    layer_integrated_gradients,
    layer_lrp,
    neuron_conductance,
    neuron_gradient,
    neuron_guided_backprop,
    neuron_integrated_gradients,
)
from .neuron_model import neuron

__all__ = [
    "class_visualisation",
    "filter_visualisation",
    "internal_influence",
    "layer_activation",
    "layer_conductance",
    "layer_deeplift",
    "layer_deepshap",
    "layer_expected_gradients",
    "layer_feature_ablation",
    "layer_feature_permutation",
    "layer_gradient_x_activation",
    "layer_integrated_gradients",
    "layer_lrp",
    "neuron",
    "neuron_conductance",
    "neuron_gradient",
    "neuron_guided_backprop",
    "neuron_integrated_gradients",
]
