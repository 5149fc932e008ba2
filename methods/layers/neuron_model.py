"""A neuron seen as the only score of a model, so that the methods for scores explain it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ...backends.layer_outputs import check_real
from ...backends.layer_table import LayerInfo
from ...backends.model import Model
from ...backends.objective import Of, Target, check_of
from ...backends.protocol import Handle, Net, Tensor
from ...errors import InputError, LayerError, NoGradientError
from ..explanation import Array
from .sample_axis import check_samples
from .units import Neuron, check_layer, neuron_value, unit_index, whole_index


def neuron(model: Model, layer: str, neuron: Neuron) -> Model:
    """One neuron inside of a network as a model of its own, with the neuron as its only score.

    Methods explain it as they explain a class: ``explain(neuron(model, "conv3", 7), x, "lime", of="logit")``. Those
    that need several classes or the last layer refuse it by name: cam, finercam, lime_package, partition_shap.
    Leave `target` out, or pass 0. One number has no softmax, so that `of` has to be ``"logit"``, also where a method's
    own default is the probability. Maps are made of a layer before the neuron's, or of that layer itself.

    It works on the very network of `model`, not on a copy, and runs all of it.

    Parameters
    ----------
    model : Model
        From `twinlens.wrap` or `twinlens.load_model`.
    layer : str
        Name of a layer that the network uses once in a run and that returns one tensor, samples first; ``""`` is the
        network itself, whose neurons are its outputs.
    neuron : int or tuple of int
        Index into the layer's output without the batch axis. One that leaves axes over, such as the channel of a
        convolution, means the sum of all its units.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        If `model` is no model.
    LayerError
        If the layer does not exist, or the neuron cannot: checked against the layer's shape here where the model knows
        its `input_shape`, and otherwise in the first run.

    Examples
    --------
    >>> unit = tl.neuron(model, "layer3", (7, 4, 4))
    >>> tl.explain(unit, pictures, method="deeplift", baseline=0.5)
    >>> tl.compare(unit, tl.neuron(tl.twin(model), "layer3", (7, 4, 4)), pictures, method="occlusion")
    """
    if not isinstance(model, Model):
        raise InputError(
            f"The model is a {type(model).__name__}, not a twinlens Model.", "Wrap it first: twinlens.wrap(net)."
        )
    if not isinstance(layer, str):
        raise LayerError(f"layer={layer!r} is not the name of a layer.", "Pass a name, see model.layers().")
    network = model.network if isinstance(model, NeuronModel) else model
    network.layer(layer)
    if whole_index(neuron) is None:
        raise LayerError(f"neuron={neuron!r} is no index.", "Pass one int from 0, or a tuple of them.")
    if network.input_shape is not None:
        _check_exists(network, layer, neuron, network.input_shape)
    return NeuronModel(network, layer, neuron)


def _check_exists(model: Model, layer: str, neuron: Neuron, input_shape: tuple[int, ...]) -> None:
    """Raise `LayerError` if the layer, run on zeros, has no such neuron."""
    shapes: list[tuple[int, ...]] = []

    def watch(_layer: Net, _inputs: Any, output: Any) -> None:
        if model.backend.is_tensor(output):
            shapes.append(model.backend.shape(output))

    with suppress(Exception):  # a network may refuse zeros in any way it likes
        model.measure(np.zeros((1, *input_shape)), {model.layer(layer): watch})
    if len(shapes) == 1:
        unit_index(neuron, shapes[0][1:], layer)


class NeuronModel(Model):
    """The model with one neuron in the place of its scores: (N, 1).

    Parameters
    ----------
    network : Model
    layer : str
    neuron : int or tuple of int
        Index into the layer's output without the batch axis; the units that it leaves open are summed.
    on_scores : callable, optional
        Told the network's own native scores of every run.

    Attributes
    ----------
    network : Model
        The one that the neuron is part of.
    """

    def __init__(
        self, network: Model, layer: str, neuron: Neuron, on_scores: Callable[[Tensor], None] = lambda scores: None
    ) -> None:
        # Before all else: `measuring` is the network's.
        self.network = network
        index = whole_index(neuron)
        shown = index[0] if index is not None and len(index) == 1 else index
        title = f"neuron {shown} of layer '{layer}'"
        super().__init__(
            network.net,
            network.backend,
            network.preprocess,
            [title],
            network.output,
            network.input_shape,
            f"{network.name}, {title}",
        )
        self.sample_bytes = network.sample_bytes
        self._layer, self._neuron, self._on_scores = layer, neuron, on_scores
        self._tried: set[tuple[Any, ...]] = set()

    @property
    def measuring(self) -> bool:
        """Whether runs are for their own sake: hooks of both models know nothing of those that the other begins."""
        return self.network.measuring

    @measuring.setter
    def measuring(self, value: bool) -> None:
        self.network.measuring = value

    def scores(self, x: Tensor) -> Tensor:
        """Run the network on a native input and return the neuron: (N, 1)."""
        scores, (activation,) = self.network.activations(x, [self._layer])
        check_real(self.backend.dtype(activation), self._layer)
        self._on_scores(scores)
        shape = self.backend.shape(activation)
        samples = self.backend.shape(x)[0]
        check_samples(self.network, x, activation, self._layer)
        index = unit_index(self._neuron, shape[1:], self._layer)
        return self.backend.reshape(neuron_value(self.network, activation, index), (samples, 1))

    def explained(self, scores: Tensor, target: Target, of: Of) -> Tensor:
        """The neuron, (N,), or what a target function makes of it."""
        check_of(of)
        if of != "logit" and not callable(target):
            raise NoGradientError(
                f"A neuron is one number: it has no {of.replace('_', ' ')}.", 'Explain the neuron itself: of="logit".'
            )
        return super().explained(scores, target, of)

    def check_input(self, x: Any) -> Array:
        """Return the input as an array; what is tried out on the layer once is tried out here.

        A method that puts other operations into the network would take these runs for its own.
        """
        checked = super().check_input(x)
        make_up = self.make_up(checked.shape[1:])
        if make_up not in self._tried:
            self._tried.add(make_up)
            with suppress(LayerError):  # the run that it matters to says it
                check_layer(self.network, checked, self._layer)
        return checked

    def activations(self, x: Tensor, layers: Sequence[str | Net]) -> tuple[Tensor, list[Tensor]]:
        """As `Model.activations`, for layers that do not come after the neuron's: those have no part in it."""
        passed = False

        def refuse(layer: str | Net) -> Callable[[Net, Any, Any], None]:
            def watch(_layer: Net, _inputs: Any, _output: Any) -> None:
                if passed:
                    raise LayerError(
                        f"Layer '{layer}' comes after layer '{self._layer}', whose neuron is explained.",
                        "Choose a layer before that one, or that one itself.",
                    )

            return watch

        def end(_layer: Net, _inputs: Any, _output: Any) -> None:
            nonlocal passed
            passed = True

        handles: list[Handle] = []
        try:
            handles.extend(self.hook(layer, post=refuse(layer)) for layer in layers)
            handles.append(self.hook(self._layer, post=end))
            return super().activations(x, layers)
        finally:
            for handle in handles:
                handle.remove()

    def measure(self, x: Array, watchers: Mapping[Net, Callable[[Net, Any, Any], None]]) -> None:
        """As `Model.measure`; what the network returns is shown as more than the score, which it is.

        Of such networks, the layers that no gradient of the score arrives at are not chosen for maps.
        """
        watch = watchers.get(self.net)
        if watch is not None:
            watchers = {**watchers, self.net: lambda net, inputs, output: watch(net, inputs, (output,))}
        # What is tried out at the first input of a shape must not be watched.
        super().measure(self.check_input(x), watchers)

    def layers(self, input_shape: tuple[int, ...] | None = None) -> list[LayerInfo]:
        """Those of the whole network, see `Model.layers`."""
        return self.network.layers(input_shape)

    # -- the same neuron of another model of the network --------------------------------------------------------

    def arranged(self, x: Array) -> Model:
        """The neuron of `Model.arranged`."""
        arranged = self.network.arranged(x)
        return self if arranged is self.network else self._of(arranged)

    def usual_order(self, x: Array) -> bool:
        """As `Model.usual_order`, of the whole network."""
        return self.network.usual_order(x)

    def in_dtype(self, dtype: str) -> Model:
        """The neuron of `Model.in_dtype`."""
        return self._of(self.network.in_dtype(dtype))

    def streamlined(self, x: Array, evaluations: int, gradients: bool = False) -> Model:
        """No other model: the layer that is watched need not survive in a faster copy."""
        return self

    def rough(self, x: Array, precision: str) -> Model:
        """No other model: a layer inside would return numbers of less precision, which NumPy lacks."""
        raise InputError("A neuron is computed in the network's own precision.", "Leave precision out.")

    def _of(self, network: Model) -> Model:
        return NeuronModel(network, self._layer, self._neuron, self._on_scores)
