"""A neuron seen as the only score of a model, so that the methods for scores explain it."""

from __future__ import annotations

from collections.abc import Callable

from ...backends.layer_outputs import check_real
from ...backends.model import Model
from ...backends.protocol import Tensor
from ..explanation import Array
from .sample_axis import check_samples
from .units import Neuron, neuron_value, unit_index


class NeuronModel(Model):
    """The model with one neuron in the place of its scores: (N, 1).

    Parameters
    ----------
    model : Model
    layer : str
    neuron : int or tuple of int
        Index into the layer's output without the batch axis; the units that it leaves open are summed.
    on_scores : callable, optional
        Told the network's own native scores of every run.
    """

    def __init__(
        self, model: Model, layer: str, neuron: Neuron, on_scores: Callable[[Tensor], None] = lambda scores: None
    ) -> None:
        super().__init__(model.net, model.backend, model.preprocess, None, model.output, model.input_shape, model.name)
        self.sample_bytes = model.sample_bytes
        self._model, self._layer, self._neuron, self._on_scores = model, layer, neuron, on_scores

    def streamlined(self, x: Array, evaluations: int) -> Model:
        """No other model: the layer that is watched need not survive in a faster copy."""
        return self

    def scores(self, x: Tensor) -> Tensor:
        """Run the network on a native input and return the neuron: (N, 1)."""
        scores, (activation,) = self._model.activations(x, [self._layer])
        check_real(self.backend.dtype(activation), self._layer)
        self._on_scores(scores)
        shape = self.backend.shape(activation)
        samples = self.backend.shape(x)[0]
        check_samples(self._model, x, activation, self._layer)
        index = unit_index(self._neuron, shape[1:], self._layer)
        return self.backend.reshape(neuron_value(self._model, activation, index), (samples, 1))
