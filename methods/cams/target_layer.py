"""Which layer's activations a map is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ...backends.model import Model
from ...backends.protocol import Tensor
from ...errors import LayerError, NoGradientError
from ..checks import channel_axis, channels_second, may_be_last, second_in_shape
from ..explanation import Array

_CONVOLUTIONS = ("conv2d", "conv_transpose2d")


def target_layer(model: Model, x: Array, layer: str | None) -> str:
    """The layer asked for, or the last convolution that the network runs on `x`.

    Convolutions that see a single position (those of squeeze-and-excitation, or of pictures too small for the network)
    have no map, and those that the network uses several times, or on several views of a picture, have several: they are
    passed over. So are those of further heads, where the network returns more than its scores.

    Raises
    ------
    LayerError
        If the layer does not exist, or there is no such convolution.
    """
    check_layer(model, layer)
    return target_layers(model, x, 1, "layer=...")[0] if layer is None else layer


def target_layers(model: Model, x: Array, most: int, parameter: str) -> list[str]:
    """The last convolution of each size of map, at most so many: that of `target_layer`, then those before it.

    Parameters
    ----------
    most : int
    parameter : str
        How a layer is named to the method, for messages.

    Raises
    ------
    LayerError
        If there is no such convolution.
    """
    convolutions, further_heads = _convolutions(model, x, parameter)
    chosen: dict[tuple[int, ...], str] = {}
    for name, size in convolutions:
        if len(chosen) < most and size not in chosen and (not further_heads or _makes_scores(model, x, name)):
            chosen[size] = name
    return list(chosen.values()) or [convolutions[0][0]]


def _convolutions(model: Model, x: Array, parameter: str) -> tuple[list[tuple[str, tuple[int, int]]], bool]:
    """Names and sizes of those that have a map, the last first, and whether the network returns more than its scores.

    Raises
    ------
    LayerError
        If there are none.
    """
    backend = model.backend
    ran: list[tuple[str, tuple[int, ...]]] = []
    returned: list[Any] = []

    def watcher(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda _layer, _inputs, output: ran.append((name, backend.shape(output)))

    convolutions = {
        module: watcher(name)
        for name, module in backend.modules(model.net).items()
        if backend.kind(module) in _CONVOLUTIONS
    }
    model.measure(x[:1], {model.net: lambda _net, _inputs, output: returned.append(output)} | convolutions)
    times = Counter(name for name, _ in ran)
    spatial = [
        (name, shape[2:])
        for name, shape in reversed(ran)
        if times[name] == 1 and len(shape) == 4 and shape[0] == 1 and shape[2] * shape[3] > 1
    ]
    if not spatial:
        raise LayerError(
            "On this input the network runs no convolution once, and once a picture, that has more than one position.",
            f"Name a layer that returns maps: {parameter}, see model.layers(input_shape).",
        )
    return spatial, not all(backend.is_tensor(output) for output in returned)


def _makes_scores(model: Model, x: Array, layer: str) -> bool:
    """Whether a gradient of the scores arrives at the layer."""
    backend = model.backend
    leaves: list[Tensor] = []

    def begin(_layer: Any, _inputs: Any, output: Tensor) -> Tensor:
        leaves.append(backend.leaf(output))
        return leaves[0] * 1

    with backend.frozen(model.net), model.hook(layer, post=begin):
        scores = model.scores(model.tensor(x[:1]))
        try:
            backend.grad(backend.sum(scores), leaves)
        except NoGradientError:
            return False
    return True


def check_layer(model: Model, layer: str | None) -> None:
    """Raise `LayerError` unless `layer` is None or the name of a layer, and unless maps are (N, C, H, W)."""
    channels_second(model)
    if layer is None:
        return
    if not isinstance(layer, str):
        raise LayerError(f"layer={layer!r} is not the name of a layer.", "Pass a name, or None to have one chosen.")
    model.layer(layer)


def check_maps(model: Model, shape: tuple[int, ...], layer: str, x: Array) -> None:
    """Raise `LayerError` unless a layer's activations are maps (samples, channels, height, width) of the pictures."""
    if len(shape) != 4:
        raise LayerError(
            f"Layer '{layer}' returns shape {shape}, not maps (samples, channels, height, width).",
            "Choose a layer that does, such as a convolution; of a vision transformer that is its patch embedding.",
        )
    picture = x.shape[2:]
    doubtful = 0 not in shape and may_be_last(shape, picture)
    axis = channel_axis(model, model.layer(layer), shape)
    if axis is None and doubtful:
        axis = _axis_before(model, shape, layer, x)
    second_in_shape(shape, layer, picture, axis)
    if axis is None and doubtful:
        raise LayerError(
            f"Layer '{layer}' returns shape {shape}: its channels may come second or last; its form fits both.",
            "Choose a convolution, batch norm or pooling close to it.",
        )


def _axis_before(model: Model, shape: tuple[int, ...], layer: str, x: Array) -> int | None:
    """Which axis holds the channels by the last layer of a known kind, inside or before this one, of the same output.

    Activations, dropout and sums of branches leave the axes as they are.
    """
    backend = model.backend
    asked = model.layer(layer)
    ran: list[tuple[Any, int | None]] = []

    def watch(native: Any, _inputs: Any, output: Any) -> None:
        same = backend.is_tensor(output) and backend.shape(output)[1:] == shape[1:]
        ran.append((native, channel_axis(model, native, shape) if same else None))

    model.measure(x[:1], {module: watch for module in backend.modules(model.net).values()})
    done = next((place for place, (native, _) in enumerate(ran) if native is asked), 0)
    return next((axis for _, axis in reversed(ran[:done]) if axis is not None), None)
