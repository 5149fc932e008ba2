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

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ....backends.model import Model
from ....backends.protocol import Backend, Handle, Net, OperationRule, Tensor
from .composites import Composite
from .folding import Norms, ScaleShift, first_of, folded
from .rules import Affine, Rule, Share, quotient

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

    def inner(self, activation: Tensor, signal: Tensor) -> Tensor:
        """``total(activation * signal)``."""
        if self._backend.shape(activation)[0] != self._samples:
            return self.started * 0
        return self._backend.inner(activation, signal)

    def add_biases(self, biases: Tensor, signal: Tensor) -> None:
        """Book what biases, which are broadcast to the shape of their signal, took."""
        lengths = self._backend.shape(biases)
        first = len(self._backend.shape(signal)) - len(lengths)
        alike = tuple(first + axis for axis, length in enumerate(lengths) if length == 1 and first + axis > 0)
        summed = self._backend.sum(signal, alike, keepdims=True) if alike else signal
        self.biases = self.biases + self.total(summed * biases)

    def _axes(self, t: Tensor) -> tuple[int, ...]:
        return tuple(range(1, len(self._backend.shape(t))))


class Propagation:
    """The rules of one run of a network.

    Parameters
    ----------
    backend : Backend
    composite : Composite
    norms : Norms
    x : tensor (N, ...)
        The network's input.
    gates : bool

    Attributes
    ----------
    box : (tensor, tensor) or None
        Bounds of the first layer's input, with a graph to the bounds of the network's input.
    calls : int
        How many linear layers and convolutions have run.
    books : Books
    """

    def __init__(
        self,
        backend: Backend,
        composite: Composite,
        norms: Norms,
        x: Tensor,
        gates: bool,
    ) -> None:
        self.backend = backend
        self.composite = composite
        self.norms = norms
        self.box: tuple[Tensor, Tensor] | None = None
        self.gates = gates
        self.calls = 0
        self._begun = False
        self.books = Books(backend, x)
        self._normed: list[tuple[Tensor, ScaleShift]] = []

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
            # Their graph leads to this object: neither would ever be freed.
            self._normed.clear()

    def start(self, scores: Tensor) -> None:
        """Book the relevance of the scores when its gradient is known."""
        values = self.backend.detach(scores)

        def book(c: Tensor) -> None:
            self.books.started = self.books.inner(values, c)

        # Where they take no gradient, taking it says why.
        if self.backend.takes_gradient(scores):
            self.backend.on_grad(scores, book)

    def norm_behind(self, output: Tensor) -> ScaleShift | None:
        """The batch norm that is part of the layer which returned this tensor."""
        return next((norm for each, norm in self._normed if each is output), None)

    def relevance(self, output: Tensor, norm: ScaleShift | None, gradient: Tensor) -> Tensor:
        """``z c`` of what a layer returned; with a batch norm that is part of it, of both as one layer."""
        z = self.backend.detach(output)
        if norm is None:
            return z * gradient
        return (z * norm.scale + norm.shift) * self._before(norm, gradient)

    def _before(self, norm: ScaleShift, gradient: Tensor) -> Tensor:
        """The signal of a layer and its batch norm as one: without the scale that the norm's gradient put on it."""
        return gradient * quotient(self.backend, norm.scale * 0 + 1, norm.scale)

    def copied(self, output: Tensor) -> Tensor:
        """A copy of what a layer returns, in whose place the network goes on with it."""
        copy, norm = output * 1, self.norm_behind(output)
        if norm is not None:
            self._normed.append((copy, norm))
        return copy

    def _layer(
        self, rule: Rule, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        backend = self.backend
        norm = self.norms.after.get(self.calls)
        self.calls += 1
        first = None
        # A layer that runs on constants alone, such as positions, comes before the first one.
        if not self._begun and backend.takes_gradient(x):
            self._begun, first = True, self.composite.first
        output = z = call(x, weight) if bias is None else call(x, weight, bias)
        if norm is not None:
            weight, bias = folded(backend, call, x, weight, bias, norm)
            z = output * norm.scale + norm.shift
        box = None if first is None else self.box
        shares = (first or rule)(Affine(backend, call, x, weight, bias, z, box))
        # A first rule may not look at x, which is on the way from the input to the score all the same.
        unused = [] if first is None else [x]
        nothing = [backend.detach(t) * 0 for t in unused]

        def vjp(c: Tensor) -> list[Tensor]:
            c = c if norm is None else self._before(norm, c)
            signals = [c if share.factor is None else c * share.factor() for share in shares]
            self._book(z, c, shares, signals)
            return signals + nothing

        inputs = [share.parts for share in shares] + unused
        output = backend.with_vjp(output, inputs, vjp, own=output is not z)
        if norm is not None:
            self._normed.append((output, norm))
        return output

    def _book(self, z: Tensor, c: Tensor, shares: Sequence[Share], signals: Sequence[Tensor]) -> None:
        """Book what a layer that computes `z` keeps of ``z c`` when its shares hand on ``parts signal``."""
        backend, books = self.backend, self.books
        for share, signal in zip(shares, signals, strict=True):
            if share.biases is not None:
                books.add_biases(share.biases, signal)
        # Single numbers are subtracted, not sums: the stabiliser's part may be less than the rounding of those.
        if len(shares) == 1 and shares[0].parts is z:
            if shares[0].factor is not None:
                books.stabiliser = books.stabiliser + books.inner(backend.detach(z), c - signals[0])
            return
        rest = backend.detach(z) * c
        for share, signal in zip(shares, signals, strict=True):
            rest = rest - backend.detach(share.parts) * signal
        books.stabiliser = books.stabiliser + books.total(rest)

    def _book_norm(self, layer: Net, inputs: tuple[Tensor, ...]) -> Any:
        """The shift of a batch norm that stands alone is a bias; ``c`` behind it is ``c / s`` before it."""
        x = first_of(inputs)
        if self.norm_behind(x) is not None:
            return None
        norm: ScaleShift = self.norms.every[layer]
        biases = quotient(self.backend, norm.shift, norm.scale)

        def vjp(c: Tensor) -> list[Tensor]:
            self.books.add_biases(biases, c)
            return [c]

        return (self.backend.with_vjp(x, [x], vjp), *inputs[1:])

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

    def stop(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        if model.backend.takes_gradient(inputs[0]):
            raise _ReachedError(inputs[0])
        return call(*inputs)

    try:
        with model.backend.intercept({"conv2d": stop, "linear": stop}):
            model.scores(x)
    except _ReachedError as reached:
        return reached.x
    return None
