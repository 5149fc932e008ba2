"""How one linear layer hands its relevance down: every rule is one formula of the layer.

A layer computes ``z_j = Σ_i x_i w_ij + b_j``. Relevance is carried as ``c_j = R_j / z_j`` (see `propagation`), so that
a rule that shares ``R_j`` out in proportion to parts ``p_ij`` of ``p_j = Σ_i p_ij`` is the gradient of

    ``y_j = p_j [z_j / p_j]``,    ``R_i = x_i Σ_j (∂y_j / ∂x_i) c_j = Σ_j p_ij / p_j R_j``,

where what stands in brackets is a constant. A rule returns ``p`` and the bracket, which is computed on the way back;
autograd does the rest. Denominators are moved away from 0 by ``epsilon`` in the direction of their sign, and where one
is 0 nothing is handed down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ....backends.protocol import Backend, Tensor

# Numbers below this are 0 to a division: their reciprocals would not fit in single precision.
_TINY = 1e-30


@dataclass(frozen=True)
class Affine:
    """One use of a linear layer or of a convolution.

    Attributes
    ----------
    backend : Backend
    call : callable
        ``call(x, weight[, bias])`` computes the layer for any input and any weights.
    x, weight : tensor
    bias : tensor or None
    z : tensor
        What the layer computes of these.
    box : (tensor, tensor) or None
        The smallest and largest input there can be, of the shape of `x`; given to a rule for the first layer.
    """

    backend: Backend
    call: Callable[..., Tensor]
    x: Tensor
    weight: Tensor
    bias: Tensor | None
    z: Tensor
    box: tuple[Tensor, Tensor] | None = None

    def positive(self, biased: bool = True) -> Tensor:
        """``Σ_i (x_i w_ij)⁺ + b_j⁺``, the bias only if `biased`."""
        clip = self.backend.clip
        biases = (clip(self.bias, low=0.0),) if biased and self.bias is not None else ()
        return self._of_one_sign(clip(self.weight, low=0.0), clip(self.weight, high=0.0), biases)

    def negative(self) -> Tensor:
        """``Σ_i (x_i w_ij)⁻ + b_j⁻``."""
        clip = self.backend.clip
        biases = () if self.bias is None else (clip(self.bias, high=0.0),)
        return self._of_one_sign(clip(self.weight, high=0.0), clip(self.weight, low=0.0), biases)

    def _of_one_sign(self, for_positive: Tensor, for_negative: Tensor, biases: tuple[Tensor, ...]) -> Tensor:
        backend, x = self.backend, self.x
        total = self.call(backend.where(x > 0, x, x * 0), for_positive, *biases)
        # After a ReLU there is nothing below 0, and half of the work is saved.
        if float(backend.numpy(backend.amax(0 - x))) > 0:
            total = total + self.call(backend.where(x < 0, x, x * 0), for_negative)
        return total

    def biases(self, low: float | None = None, high: float | None = None) -> Tensor | None:
        """The bias, clipped, of a shape that is broadcast to the layer's output."""
        if self.bias is None:
            return None
        bias = self.backend.detach(self.bias)
        if low is not None or high is not None:
            bias = self.backend.clip(bias, low, high)
        # A convolution's outputs count along the third axis from the end, those of a linear layer along the last.
        return self.backend.reshape(bias, (-1, 1, 1)) if len(self.backend.shape(self.weight)) == 4 else bias

    def limits(self) -> tuple[Tensor, Tensor]:
        """The box in order: what comes before the layer may have turned it round."""
        assert self.box is not None
        one, other = self.box
        where = self.backend.where
        return where(one < other, one, other), where(one < other, other, one)

    def ones(self) -> Tensor:
        """1 wherever the input can vary (0 where it is padded), with a gradient to the box and none to `x`."""
        low, high = self.limits()
        return (high - low) * quotient(self.backend, self.backend.detach(high - low) * 0 + 1, high - low)


@dataclass(frozen=True)
class Share:
    """One summand of ``y``: what is shared out in proportion to one kind of parts.

    Attributes
    ----------
    parts : tensor
        ``p_j``, with its gradient to the input.
    biases : tensor or None
        What in ``p_j`` is no input's; of any shape that is broadcast to that of `parts`.
    factor : callable or None
        Computes the constant in brackets; None: it is 1.
    """

    parts: Tensor
    biases: Tensor | None = None
    factor: Callable[[], Tensor] | None = None


class Rule(Protocol):
    """``rule(layer)`` are the summands of the ``y`` whose gradient hands relevance down.

    Attributes
    ----------
    of_inputs : bool
        Whether the rule needs the layer's box.
    """

    of_inputs: bool

    def __call__(self, layer: Affine) -> list[Share]: ...


@dataclass(frozen=True)
class Zero:
    """LRP-0: ``R_i = Σ_j x_i w_ij / z_j R_j``."""

    of_inputs = False

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = z``."""
        return [Share(layer.z, layer.biases())]


@dataclass(frozen=True)
class Epsilon:
    """LRP-ε: ``R_i = Σ_j x_i w_ij / (z_j + ε sign z_j) R_j``."""

    epsilon: float
    of_inputs = False

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = z [z / (z + ε sign z)]``."""
        backend, z = layer.backend, layer.backend.detach(layer.z)

        def factor() -> Tensor:
            size = backend.abs(z)
            if self.epsilon < _TINY:
                return quotient(backend, size, size, self.epsilon)
            # z / (z + ε sign z) without asking for the sign.
            return size / (size + _number(backend, size, self.epsilon))

        return [Share(layer.z, layer.biases(), factor)]


@dataclass(frozen=True)
class Gamma:
    """LRP-γ: ``R_i = Σ_j (x_i w_ij + γ (x_i w_ij)⁺) / (z_j + γ Σ_i (x_i w_ij)⁺ + γ b_j⁺) R_j`` where ``z_j > 0``.

    Where ``z_j < 0`` the negative parts are strengthened instead, as in the generalised rule, so that the denominator
    is never nearer to 0 than ``z_j``. Between ReLUs, where such a ``z_j`` has no relevance, this is the usual rule.
    """

    gamma: float
    epsilon: float
    of_inputs = False

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = p [z / p]`` with ``p = z + γ z⁺`` or ``p = z + γ z⁻ = (1 + γ) z − γ z⁺``, where ``z = z⁺ + z⁻``."""
        backend, positive = layer.backend, layer.positive()
        z, above = backend.detach(layer.z), backend.detach(positive)

        def ratio() -> Tensor:
            return quotient(backend, z, z + self.gamma * backend.where(z > 0, above, z - above), self.epsilon)

        def of_all() -> Tensor:
            shared = ratio()
            return backend.where(z > 0, shared, (1 + self.gamma) * shared)

        def of_positive() -> Tensor:
            strengthened = self.gamma * ratio()
            return backend.where(z > 0, strengthened, -strengthened)

        return [Share(layer.z, layer.biases(), of_all), Share(positive, layer.biases(low=0.0), of_positive)]


@dataclass(frozen=True)
class AlphaBeta:
    """LRP-αβ: ``R_i = Σ_j (α (x_i w_ij)⁺ / z_j⁺ − β (x_i w_ij)⁻ / z_j⁻) R_j``; with α=1, β=0 it is z⁺."""

    alpha: float
    beta: float
    epsilon: float
    of_inputs = False

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = z⁺ [α z / z⁺] − z⁻ [β z / z⁻]``."""
        shares = [_in_proportion(layer, layer.positive(), self.epsilon, layer.biases(low=0.0), self.alpha)]
        if self.beta != 0:
            shares.append(_in_proportion(layer, layer.negative(), self.epsilon, layer.biases(high=0.0), -self.beta))
        return shares


@dataclass(frozen=True)
class Excitation:
    """Excitation backprop: ``R_i = Σ_j (x_i w_ij)⁺ / Σ_i (x_i w_ij)⁺ R_j``, which is z⁺ without a share for biases."""

    epsilon: float
    of_inputs = False

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = p [z / p]`` with ``p_j = Σ_i (x_i w_ij)⁺``."""
        return [_in_proportion(layer, layer.positive(biased=False), self.epsilon)]


@dataclass(frozen=True)
class Box:
    """zB: ``R_i = Σ_j (x_i w_ij − l_i w_ij⁺ − h_i w_ij⁻) / Σ_i (the same) R_j``, for inputs between l and h."""

    epsilon: float
    of_inputs = True

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = p [z / p]`` with ``p = x w − l w⁺ − h w⁻``."""
        clip, call, weight = layer.backend.clip, layer.call, layer.weight
        low, high = layer.limits()
        parts = call(layer.x, weight) - call(low, clip(weight, low=0.0)) - call(high, clip(weight, high=0.0))
        return [_in_proportion(layer, parts, self.epsilon)]


@dataclass(frozen=True)
class Flat:
    """Flat: ``R_i = Σ_j R_j / (number of inputs of j)``."""

    epsilon: float
    of_inputs = True

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = p [z / p]`` with ``p_j = Σ_i 1``."""
        return [_in_proportion(layer, layer.call(layer.ones(), layer.weight * 0 + 1), self.epsilon)]


@dataclass(frozen=True)
class WSquared:
    """w²: ``R_i = Σ_j w_ij² / Σ_i w_ij² R_j``, for inputs without bounds."""

    epsilon: float
    of_inputs = True

    def __call__(self, layer: Affine) -> list[Share]:
        """``y = p [z / p]`` with ``p_j = Σ_i w_ij²``."""
        return [_in_proportion(layer, layer.call(layer.ones(), layer.weight * layer.weight), self.epsilon)]


def _in_proportion(
    layer: Affine, parts: Tensor, epsilon: float, biases: Tensor | None = None, weight: float = 1.0
) -> Share:
    """``p [weight z / p]``."""
    backend, z = layer.backend, layer.z

    def factor() -> Tensor:
        ratio = quotient(backend, z, parts, epsilon)
        return ratio if weight == 1 else weight * ratio

    return Share(parts, biases, factor)


def quotient(backend: Backend, above: Tensor, below: Tensor, epsilon: float = 0.0) -> Tensor:
    """``above / (below + ε sign below)`` without gradient, with ``sign 0 = 1``; 0 where the denominator is 0."""
    above, below = backend.detach(above), backend.detach(below)
    shift = _number(backend, below, epsilon)
    moved = backend.where(below < 0, below - shift, below + shift)
    if epsilon >= _TINY:
        return above / moved
    nothing = backend.abs(moved) < _TINY
    return backend.where(nothing, moved * 0, above / backend.where(nothing, moved * 0 + 1, moved))


def _number(backend: Backend, like: Tensor, value: float) -> Tensor:
    """A number in the precision of a tensor: what is added to a tensor otherwise, Paddle 2.6 rounds to single."""
    return backend.asarray(value, backend.dtype(like), backend.tensor_device(like))
