"""What a score is made of: the input's term and one of every bias, all from one gradient.

A network of linear operations and ReLUs is linear around each input: ``f(x) = ∇f · x + Σ b ∂f/∂b`` over its biases b.
These are the biases of convolutions and linear layers, wherever they are called, and the shift t of a batch norm, which
is ``s z + t`` in evaluation mode. Each has a gradient for every place where it is added, and its term is taken where
that gradient comes by. Additions, poolings and reshapes add nothing of their own. Elsewhere the terms miss the score:
where an activation is bent, where two activations are multiplied or normalised by their own statistics, and where a
bias is added by an operation that nobody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...backends.model import Model
from ...backends.protocol import Handle, Net, OperationRule, SameOutput, Tensor
from ...errors import MethodError
from ..backpropagation.lrp.folding import ACTIVATIONS, Norms
from ..explanation import Array

# Convolutions that are known by their layers alone.
_LAYERS = ("conv1d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


class FullGradients:
    """The terms of one run of a network, known when its gradient has been taken.

    Parameters
    ----------
    model : Model
    norms : Norms
    samples : int
    to_map : callable
        Makes maps (N, h, w) of the native terms (N, C, h, w) of one bias.

    Attributes
    ----------
    calls : int
        How many linear layers and convolutions have run.
    """

    def __init__(self, model: Model, norms: Norms, samples: int, to_map: Callable[[Tensor], Tensor]) -> None:
        self.backend = model.backend
        self._model = model
        self._norms = norms
        self._samples = samples
        self._to_map = to_map
        self.calls = 0
        self._entered = False
        self._inside: Net | None = None
        self._input: Tensor = None
        self._sums: list[Tensor] = []
        self._maps: list[Tensor] = []

    @property
    def input(self) -> Tensor:
        """``x ∂f/∂x``, shaped like what enters the network."""
        return self._input

    @property
    def biases(self) -> Array:
        """Sum of all biases' terms (N,), in double precision."""
        total = np.zeros(self._samples)
        for found in self._sums:
            total += self.backend.numpy(found)
        return total

    @property
    def maps(self) -> list[Array]:
        """One (N, h, w) for every bias of a convolution or batch norm of pictures."""
        return [self.backend.numpy(found) for found in self._maps]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Run the network in here; gradients are taken afterwards."""
        backend, net = self.backend, self._model.net
        rules: dict[str, OperationRule | SameOutput] = dict.fromkeys(("conv2d", "linear"), SameOutput(self._affine))
        rules |= dict.fromkeys(ACTIVATIONS, SameOutput(self._activation))
        handles: list[Handle] = []
        try:
            handles.append(backend.on_enter(net, self._enter))
            for layer in backend.modules(net).values():
                if backend.kind(layer) in _LAYERS and layer.bias is not None:
                    handles.append(backend.on_exit(layer, self._leave_layer))
            for layer in self._norms.every:
                handles.append(backend.on_enter(layer, self._enter_norm))
                handles.append(backend.on_exit(layer, self._leave_norm))
            with backend.intercept(rules):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, _net: Net, inputs: tuple[Tensor, ...]) -> Any:
        backend, x = self.backend, inputs[0]
        shape = backend.shape(x)
        if len(shape) != 4 or shape[0] != self._samples:
            raise MethodError(
                f"The network's preprocessing makes an array of shape {shape} of {self._samples} pictures, which is no "
                "map for each.",
                "Choose input_x_gradient, which takes any input.",
            )
        self._entered, values = True, backend.detach(x)

        def seen(gradient: Tensor) -> None:
            self._input = values * gradient

        # A copy, which the network may overwrite, and which is no leaf: gradients may pass by those unseen.
        entered = x * 1
        backend.on_grad(entered, seen)
        return (entered, *inputs[1:])

    def _affine(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        output = call(*inputs)
        self.calls += 1
        if len(inputs) == 3:
            self._watch(output, inputs[2], self._channels(inputs[1]))
        return output

    def _activation(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        # Paddle's batch norm may hold an activation inside, which is not part of the norm.
        self._norm_ends(inputs[0])
        return call(*inputs)

    def _leave_layer(self, layer: Net, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._watch(output, layer.bias, self._channels(layer.weight))

    def _enter_norm(self, layer: Net, _inputs: tuple[Tensor, ...]) -> None:
        self._inside = layer

    def _leave_norm(self, _layer: Net, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._norm_ends(output)

    def _norm_ends(self, normed: Tensor) -> None:
        if self._inside is not None:
            shift, self._inside = self._norms.every[self._inside].shift, None
            self._watch(normed, shift, self._channels(normed))

    def _channels(self, t: Tensor) -> int:
        """Which axis of an output holds the channels, from its end: `t` has as many axes behind its first two."""
        return 1 - len(self.backend.shape(t))

    def _watch(self, output: Tensor, bias: Tensor, axis: int) -> None:
        """Take the terms of a bias, which has one number for each channel, when its gradient comes by."""
        backend, shape = self.backend, self.backend.shape(output)
        # Biases of the preprocessing are part of the input already.
        if not self._entered or not backend.takes_gradient(output):
            return
        # A sample alone, whose own axis has been squeezed away.
        shape = (1, *shape) if len(shape) == -axis else shape
        # Where the first axis is not the samples, nobody knows whose the terms are.
        if shape[0] != self._samples:
            return
        lengths = [1] * len(shape)
        lengths[axis] = -1
        constant = backend.reshape(backend.detach(bias), lengths)
        if backend.shape(constant)[axis] != shape[axis]:
            raise MethodError(
                f"A convolution returns shape {shape}: its channels come last (NHWC), where this method would take "
                "them for columns of a map.",
                "Call it with data_format='NCHW' and permute around it: its weights stay the same.",
            )

        def arriving(gradient: Tensor) -> None:
            terms = backend.reshape(gradient, shape) * constant
            self._sums.append(backend.sum(terms, tuple(range(1, len(shape)))))
            if len(shape) == 4 and axis == -3:
                self._maps.append(self._to_map(terms))

        backend.on_grad(output, arriving)
