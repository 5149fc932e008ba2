"""Batch norms that belong to the layer before them: in evaluation mode the two are one layer.

A batch norm is ``s z + t`` per channel, with constants in evaluation mode. Right after a convolution or a linear layer
it makes of its weights ``s w`` and of its bias ``s b + t``, and the rules must see those: they depend on signs, which a
negative ``s`` turns. The network is not rewritten. Its first run, on one sample, tells which layer's output (the very
tensor) enters which batch norm; a second one, in which these outputs are spoilt for everybody but their batch norm,
tells whether anybody else reads them. A batch norm that stands elsewhere (before a convolution, after an addition) is
a layer of its own, treated by LRP-0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....backends.model import Model
from ....backends.protocol import Array, Backend, Handle, Net, Tensor
from ....errors import ModelError

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "softplus",
)  # fmt: skip


@dataclass(frozen=True)
class ScaleShift:
    """``s`` and ``t`` of a batch norm, one number per channel, of shape (1, channels, 1, ...)."""

    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Norms:
    """The batch norms of a network.

    Attributes
    ----------
    after : dict of int to ScaleShift
        Those that belong to a layer, by the number of that layer's call (convolutions and linear layers are counted
        together, in the order in which the network uses them).
    every : dict of layer to ScaleShift
        All that were used, those too.
    calls : int or None
        How many convolutions and linear layers one sample runs through; None if nobody counted.
    """

    after: Mapping[int, ScaleShift] = field(default_factory=dict)
    every: Mapping[Net, ScaleShift] = field(default_factory=dict)
    calls: int | None = None


def find_norms(model: Model, x: Tensor, count: bool) -> Norms:
    """Run the model on one sample (native, in evaluation mode) and find its batch norms; without any, just `count`."""
    backend = model.backend
    norms = [layer for layer in backend.modules(model.net).values() if _is_fixed_norm(backend, layer)]
    if not norms:
        return Norms(calls=_calls(model, x) if count else None)
    outputs: list[Tensor] = []
    follows: dict[int, Net] = {}
    entered: dict[Net, Tensor] = {}

    def watch(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        outputs.append(call(*inputs))
        return outputs[-1]

    def enter(layer: Net, inputs: tuple[Tensor, ...]) -> None:
        entered[layer] = x = first_of(inputs)
        for number, output in enumerate(outputs):
            if x is output and _has_channels_second(backend, output):
                follows.setdefault(number, layer)

    scores = _run(model, x, watch, norms, enter)
    # An activation that Paddle's batch norm may hold inside is left out.
    with backend.intercept(dict.fromkeys(ACTIVATIONS, lambda call, x: x)):
        every = {layer: _scale_shift(backend, layer, entering) for layer, entering in entered.items()}
    alone = _read_by_norm_only(model, x, scores, norms, follows)
    return Norms({number: every[follows[number]] for number in alone}, every, len(outputs))


def _calls(model: Model, x: Tensor) -> int | None:
    calls = 0

    def counted(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return call(*inputs)

    try:
        _run(model, x, counted, [], lambda _layer, _inputs: None)
    except Exception:  # a network may refuse a sample alone in any way it likes
        return None
    return calls


def _read_by_norm_only(
    model: Model, x: Tensor, scores: Array, norms: list[Net], follows: Mapping[int, Net]
) -> list[int]:
    """Numbers of the calls whose output matters to the scores through the batch norm alone."""

    def unchanged(spoilt: Collection[int]) -> bool:
        calls = 0
        swaps: list[tuple[Tensor, Tensor, Net]] = []

        def spoil(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
            nonlocal calls
            output, number = call(*inputs), calls
            calls += 1
            if number not in spoilt:
                return output
            swaps.append((1 - 2 * output, output, follows[number]))
            return swaps[-1][0]

        def enter(layer: Net, inputs: tuple[Tensor, ...]) -> Any:
            for wrong, right, owner in swaps:
                if first_of(inputs) is wrong and owner is layer:
                    return (right, *inputs[1:])
            return None

        changed = _run(model, x, spoil, norms, enter)
        # Some kernels on a GPU add up in another order each time.
        return bool(np.abs(changed - scores).max() <= 1e-6 * np.abs(scores).max())

    everything = list(follows)
    if not everything or unchanged(everything):
        return everything
    return [number for number in everything if unchanged([number])]


def _run(
    model: Model,
    x: Tensor,
    rule: Callable[..., Tensor],
    norms: list[Net],
    enter: Callable[[Net, tuple[Tensor, ...]], Any],
) -> Array:
    backend = model.backend
    handles: list[Handle] = []
    try:
        for layer in norms:
            handles.append(backend.on_enter(layer, enter))
        with backend.no_grad(), backend.intercept({"conv2d": rule, "linear": rule}):
            return backend.numpy(model.scores(x))
    finally:
        for handle in handles:
            handle.remove()


def first_of(inputs: tuple[Tensor, ...]) -> Tensor:
    """What enters a batch norm.

    Raises
    ------
    ModelError
        If it comes by keyword and the framework does not show it, see `Backend.on_enter`.
    """
    if not inputs:
        raise ModelError(
            "The network calls a batch norm by keyword, which this version of Paddle hides from hooks.",
            "Write norm(x) for norm(input=x) in its forward, or install Paddle 3.3.",
        )
    return inputs[0]


def _is_fixed_norm(backend: Backend, layer: Net) -> bool:
    """Whether a layer is a batch norm with statistics of its own; without them it takes the batch's."""
    return "batch_norm" in backend.kind(layer) and "running_mean" in backend.state(layer)


def _has_channels_second(backend: Backend, output: Tensor) -> bool:
    return len(backend.shape(output)) in (2, 4)


def _scale_shift(backend: Backend, layer: Net, entering: Tensor) -> ScaleShift:
    """Value and slope at 0."""
    shape = backend.shape(entering)
    zeros = np.zeros((1, shape[1], *[1] * (len(shape) - 2)))
    leaf = backend.leaf(backend.asarray(zeros, backend.dtype(entering), backend.tensor_device(entering)))
    # Not through the layer's call, which would run the user's hooks.
    shift = layer.forward(leaf)
    (scale,) = backend.grad(backend.sum(shift), [leaf])
    return ScaleShift(scale, backend.detach(shift))


def folded(
    backend: Backend, call: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None, norm: ScaleShift
) -> tuple[Tensor, Tensor]:
    """Weight and bias of the layer and its batch norm as one: ``s w`` and ``s b + t``."""
    axes = len(backend.shape(weight))
    along = [1] * axes
    along[0 if axes == 4 else _output_axis(backend, call, x, weight)] = -1
    scale, shift = backend.reshape(norm.scale, (-1,)), backend.reshape(norm.shift, (-1,))
    return weight * backend.reshape(scale, along), shift if bias is None else bias * scale + shift


def _output_axis(backend: Backend, call: Callable[..., Tensor], x: Tensor, weight: Tensor) -> int:
    """Which axis of a linear layer's weight counts its outputs: the frameworks differ."""
    rows, columns = backend.shape(weight)
    features = backend.shape(x)[-1]
    if rows != columns:
        return 1 if rows == features else 0
    numbered = weight * 0 + backend.asarray(
        np.arange(rows)[:, None], backend.dtype(weight), backend.tensor_device(weight)
    )
    outputs = backend.numpy(call(backend.detach(x) * 0 + 1, numbered))
    return 0 if np.ptp(outputs[0]) > 0 else 1
