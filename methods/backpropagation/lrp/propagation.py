"""Relevance through a whole network, carried as ``c = R / z`` by the framework's own autograd.

Every activation z has relevance ``R = z c``, where c is the signal that runs backwards. At the scores c is the
gradient of the explained number (1 for a logit, so that R is the score itself). Then

- additions, concatenations, reshapes, permutations, padding, means, dropout, average pooling: the plain gradient of c
  **is** LRP-0, in proportion to the summands. A residual addition needs no rule, however it is spelled.
- max pooling: the plain gradient gives all to the winner.
- ReLU and leaky ReLU: the plain gradient hands R on unchanged, since ``f(z) / z`` is the slope.
- other activations: ``c_in = c_out f(z) / z`` hands R on unchanged (at 0, where there is no relevance, ``c_in = 0``).
- linear layers and convolutions: a rule of `rules`, ``c_in = Σ_j ∂y_j/∂x c_j``.
- a batch norm after such a layer is part of it (see `folding`): the layer's signal is divided by the scale that the
  batch norm's gradient has put on it, and the rule sees the folded weights.

The alternative, to carry R itself, needs to see every addition. What remains wrong here are products of two
activations (each gets all of R: squeeze-and-excitation blocks, attention) and layer norms, and the books below show
it. Gates (`gates`) are the way out for products: a gate is a constant factor, and the other factor gets all of R.

Rules for the first layer give relevance to inputs of 0, which no c can carry. They are differentiated by the bounds of
the input as well: ``R = x ∂/∂x + low ∂/∂low + high ∂/∂high``, with the bounds sent through whatever stands before the
first layer, so that a normalisation or padding inside the network is followed back exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ....backends.model import Model
from ....backends.protocol import Backend, Handle, Net, OperationRule, Tensor
from .composites import Composite
from .folding import Norms, ScaleShift, folded
from .rules import Affine, Rule, quotient

_CURVED = ("relu6", "elu", "gelu", "silu", "hardswish", "tanh", "softplus")
_GATES = ("sigmoid", "hardsigmoid", "softmax")


class Books:
    """Where relevance stayed on its way, per sample; native numbers of shape (N,).

    Attributes
    ----------
    started : tensor
        Relevance of the scores.
    biases, stabiliser : tensor
        What biases took, and what denominators moved by epsilon kept back.
    """

    def __init__(self, backend: Backend, samples: Tensor) -> None:
        self._backend = backend
        self._samples = backend.shape(samples)[0]
        self.started = self.biases = self.stabiliser = backend.detach(backend.sum(samples * 0, self._axes(samples)))

    def total(self, relevance: Tensor) -> Tensor:
        """Sum per sample; 0 where the first axis is not the samples: such relevance is booked nowhere."""
        if self._backend.shape(relevance)[0] != self._samples:
            return self.started * 0
        return self._backend.sum(relevance, self._axes(relevance))

    def product(self, activation: Tensor, signal: Tensor) -> Tensor:
        """``total(activation * signal)`` as products of rows with columns, which make nothing of the whole size."""
        backend, shape = self._backend, self._backend.shape(activation)
        if shape[0] != self._samples:
            return self.started * 0
        rows = math.prod(shape[:-2]) if len(shape) > 3 else shape[0]
        products = backend.matmul(backend.reshape(activation, (rows, 1, -1)), backend.reshape(signal, (rows, -1, 1)))
        return backend.sum(backend.reshape(products, (shape[0], -1)), 1)

    def _axes(self, t: Tensor) -> tuple[int, ...]:
        return tuple(range(1, len(self._backend.shape(t))))


class Propagation:
    """The rules of one run of a network.

    Parameters
    ----------
    backend : Backend
    composite : Composite
    norms : Norms
    box : (tensor, tensor) or None
        Bounds of the first layer's input, with a graph to the bounds of the network's input.
    x : tensor (N, ...)
        The network's input.
    gates : bool

    Attributes
    ----------
    calls : int
        How many linear layers and convolutions have run.
    books : Books
    """

    def __init__(
        self,
        backend: Backend,
        composite: Composite,
        norms: Norms,
        box: tuple[Tensor, Tensor] | None,
        x: Tensor,
        gates: bool,
    ) -> None:
        self.backend = backend
        self.composite = composite
        self.norms = norms
        self.box = box
        self.gates = gates
        self.calls = 0
        self.books = Books(backend, x)
        self._normed: list[Tensor] = []

    @contextmanager
    def rules(self) -> Iterator[None]:
        """Run the network by the rules; gradients are taken afterwards."""
        rules: dict[str, OperationRule] = dict.fromkeys(_CURVED, self._hand_on)
        rules |= dict.fromkeys(_GATES, self._gate) if self.gates else dict.fromkeys(_GATES[:2], self._hand_on)
        rules |= {
            "conv2d": lambda call, *inputs: self._layer(self.composite.convolution, call, *inputs),
            "linear": lambda call, *inputs: self._layer(self.composite.linear, call, *inputs),
        }
        handles: list[Handle] = []
        try:
            for layer in self.norms.every:
                handles.append(self.backend.on_enter(layer, self._book_norm))
            with self.backend.intercept(rules):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def start(self, scores: Tensor) -> None:
        """Book the relevance of the scores when its gradient is known."""

        def book(c: Tensor) -> None:
            self.books.started = self.books.product(self.backend.detach(scores), c)

        self.backend.on_grad(scores, book)

    def _layer(
        self, rule: Rule, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        backend, books = self.backend, self.books
        norm = self.norms.after.get(self.calls)
        first = self.composite.first if self.calls == 0 else None
        self.calls += 1
        if first is None:
            x = self._booked(x, lambda c: -books.product(values, c))
        values = backend.detach(x)
        output = z = call(x, weight) if bias is None else call(x, weight, bias)
        if norm is not None:
            weight, bias = folded(backend, call, x, weight, bias, norm)
            z = output * norm.scale + norm.shift
        y = (first or rule)(Affine(backend, call, x, weight, bias, z, None if first is None else self.box))
        shared = backend.detach(y)
        kept_back = backend.detach(z) - shared

        def vjp(c: Tensor) -> list[Tensor]:
            c = c if norm is None else c * quotient(backend, norm.scale * 0 + 1, norm.scale)
            books.stabiliser = books.stabiliser + books.product(kept_back, c)
            if first is None:
                books.biases = books.biases + books.product(shared, c)
                return [c]
            return [c, values * 0]

        # A first rule may not look at x, which is on the way from the input to the score all the same.
        output = backend.with_vjp(output, [y] if first is None else [y, x], vjp, own=y is not z)
        if norm is not None:
            self._normed.append(output)
        return output

    def _booked(self, x: Tensor, taken: Callable[[Tensor], Tensor]) -> Tensor:
        """``x``, which adds ``taken(c)`` to what biases took."""

        def vjp(c: Tensor) -> tuple[Tensor]:
            self.books.biases = self.books.biases + taken(c)
            return (c,)

        return self.backend.with_vjp(x, [x], vjp)

    def _book_norm(self, layer: Net, inputs: tuple[Tensor, ...]) -> Any:
        """The shift of a batch norm that stands alone is a bias; ``c`` behind it is ``c / s`` before it."""
        if not inputs or any(inputs[0] is output for output in self._normed):
            return None
        norm: ScaleShift = self.norms.every[layer]
        ratio = quotient(self.backend, norm.shift, norm.scale)
        return (self._booked(inputs[0], lambda c: self.books.total(c * ratio)), *inputs[1:])

    def _hand_on(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        (x,) = inputs
        y = call(x)
        slope = quotient(self.backend, y, x)
        return self.backend.with_vjp(y, [x], lambda c: [c * slope])

    def _gate(self, call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        return self.backend.detach(call(*inputs))


class _ReachedError(BaseException):
    """The first layer's input is known; not an `Exception`, which a network's own code may catch."""

    def __init__(self, x: Tensor) -> None:
        self.x = x


def input_of_first_layer(model: Model, x: Tensor) -> Tensor | None:
    """What `x` (native) is when it enters the first layer, with its graph; None when there is no layer."""

    def stop(call: Callable[..., Tensor], *inputs: Tensor) -> NoReturn:
        raise _ReachedError(inputs[0])

    try:
        with model.backend.intercept({"conv2d": stop, "linear": stop}):
            model.scores(x)
    except _ReachedError as reached:
        return reached.x
    return None
