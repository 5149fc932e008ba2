"""DeepLIFT's rules for the operations of a network, wherever they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from ...backends.protocol import Backend, OperationRule, Tensor
from ...errors import NoGradientError
from .multipliers import REVEAL_CANCEL, Group, Layout, Multiplier, check_parts, slope, with_multipliers
from .softmax_rule import softmax

Call: TypeAlias = Callable[..., Tensor]

NONLINEAR = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "hardswish",
    "hardsigmoid",
    "softplus",
)


@contextmanager
def difference_rules(backend: Backend, layout: Layout) -> Iterator[None]:
    """Run networks on rows of a layout so that gradients are DeepLIFT's multipliers."""

    def on_rows(rule: Callable[..., Tensor]) -> OperationRule:
        def apply(call: Call, *inputs: Tensor) -> Tensor:
            shape = backend.shape(inputs[0])
            # What holds the samples elsewhere keeps its own gradient, and the completeness residual judges.
            if not shape or shape[0] % layout.rows or not _depends_on_input(backend, inputs[0]):
                return call(*inputs)
            if layout is REVEAL_CANCEL:
                check_parts(backend, inputs[0])
            return rule(backend, layout, call, *inputs)

        return apply

    rules = dict.fromkeys(NONLINEAR, on_rows(_elementwise))
    rules |= {"relu": on_rows(_rectified), "max_pool2d": on_rows(_pooled), "softmax": on_rows(softmax)}
    if layout is REVEAL_CANCEL:
        rules |= dict.fromkeys(("linear", "conv2d"), on_rows(_parted))
    with backend.intercept(rules):
        yield


def _depends_on_input(backend: Backend, t: Tensor) -> bool:
    """Whether a tensor is more than parameters, which are frozen, and constants."""
    try:
        backend.on_grad(t, lambda gradient: None).remove()
    except NoGradientError:
        return False
    return True


def _elementwise(backend: Backend, layout: Layout, call: Call, t: Tensor) -> Tensor:
    x = backend.detach(t)
    y = call(x)
    xs, ys = layout.split(x), layout.split(y)

    def multiplier(start: int, end: int) -> Multiplier:
        halfway = backend.leaf((xs[start] + xs[end]) * 0.5)
        at_half = call(halfway)
        (derivative,) = backend.grad(at_half, [halfway], seeds=backend.detach(at_half) * 0.0 + 1.0)
        steepness = slope(backend, xs[start], xs[end], ys[start], ys[end], derivative)
        return lambda signal: signal * steepness

    return with_multipliers(backend, layout, t, y, multiplier)


def _rectified(backend: Backend, layout: Layout, call: Call, t: Tensor) -> Tensor:
    """ReLU: ``Δy / Δx`` is ``(y + y') / (|x| + |x'|)``: 1 or 0 on one side of zero, and no digits cancel across it."""
    x = backend.detach(t)
    y = call(x)
    xs, ys = layout.split(x), layout.split(y)

    def multiplier(start: int, end: int) -> Multiplier:
        size = backend.abs(xs[start]) + backend.abs(xs[end])
        # Of 0 and 0 nothing is handed on.
        steepness = backend.where(size > 0, (ys[start] + ys[end]) / size, size)
        return lambda signal: signal * steepness

    return with_multipliers(backend, layout, t, y, multiplier)


def _pooled(backend: Backend, layout: Layout, call: Call, t: Tensor) -> Tensor:
    """Max pooling: ``Δy`` belongs to where the larger of the two maxima is, and is no larger than Δx there.

    With y larger at the end, x there is at most y at the start: ``0 <= Δy <= Δx`` at the end's maximum. Windows that
    share a maximum add up. The pooling's own gradient finds the places.
    """
    x = backend.detach(t)
    y = call(x)
    xs, ys = layout.split(x), layout.split(y)
    steps = [(group, step) for group in layout.groups for step in group.steps]

    def placed(group: Group, start: int, end: int) -> Tensor:
        both = [xs[start], xs[end]]
        dx = xs[end] - xs[start]

        def vjp(gradient: Tensor) -> list[Tensor]:
            size = len(gradient) // 4
            low, high, one, other = (gradient[row * size : (row + 1) * size] for row in range(4))
            moves = backend.abs(dx) > 0
            ratio = (low + high) / backend.where(moves, dx, dx * 0.0 + 1.0)
            multiplier = backend.where(moves, ratio, one + other) * (1 / len(group.steps))
            nothing = multiplier * 0.0
            return [layout.spread(backend, [multiplier if each is group else nothing for each in layout.groups])]

        return call(backend.with_vjp(backend.concat([*both, *both]), [t], vjp))

    def vjp(gradient: Tensor) -> list[Tensor]:
        seeds = []
        for group, (start, end) in steps:
            signal, dy = layout.signal(group, gradient), ys[end] - ys[start]
            ends = [signal * backend.clip(dy, high=0.0), signal * backend.clip(dy, low=0.0)]
            seeds.append(backend.concat([*ends, signal * 0.5, signal * 0.5]))
        return seeds

    pooled = [placed(group, *step) for group, step in steps]
    return backend.with_vjp(layout.outcome(backend, y), pooled, vjp)


def _parted(backend: Backend, layout: Layout, call: Call, t: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
    """Linear layers: ``Δy⁺ = Σ [w Δx > 0] w Δx`` and ``Δy⁻ = Σ [w Δx < 0] w Δx``; half of w to each where Δx = 0."""
    x = backend.detach(t)
    difference = layout.split(x)[0] - layout.split(x)[1]
    delta = backend.with_vjp(difference, [t], lambda m: [layout.spread(backend, [m, m])])
    upward = 0.5 + 0.5 * backend.sign(difference)
    rising, falling = delta * upward, delta * (1.0 - upward)
    positive, negative = backend.clip(weight, low=0.0), backend.clip(weight, high=0.0)
    y_input, y_reference = layout.split(backend.detach(call(x, weight, *bias)))[:2]
    increase = call(rising, positive) + call(falling, negative)
    decrease = call(rising, negative) + call(falling, positive)
    return backend.concat([y_input, y_reference, y_reference + increase, y_reference + decrease])
