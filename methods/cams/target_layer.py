"""Which layer's activations a map is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ...backends.model import Model
from ...errors import LayerError
from ..checks import channels_second, second_in_shape
from ..explanation import Array

_CONVOLUTIONS = ("conv2d", "conv_transpose2d")


def target_layer(model: Model, x: Array, layer: str | None) -> str:
    """The layer asked for, or the last convolution that the network runs on `x`.

    Convolutions that see a single position (those of squeeze-and-excitation, or of pictures too small for the network)
    have no map, and those that the network uses several times have several: they are passed over.

    Raises
    ------
    LayerError
        If the layer does not exist, or there is no such convolution.
    """
    check_layer(model, layer)
    if layer is not None:
        return layer
    backend = model.backend
    ran: list[tuple[str, tuple[int, ...]]] = []

    def watcher(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda _layer, _inputs, output: ran.append((name, backend.shape(output)))

    model.measure(
        x[:1],
        {
            module: watcher(name)
            for name, module in backend.modules(model.net).items()
            if backend.kind(module) in _CONVOLUTIONS
        },
    )
    times = Counter(name for name, _ in ran)
    spatial = [name for name, shape in ran if times[name] == 1 and len(shape) == 4 and shape[2] * shape[3] > 1]
    if not spatial:
        raise LayerError(
            "On this input the network runs no convolution once that has more than one position.",
            "Name a layer that returns maps: layer=..., see model.layers(input_shape).",
        )
    return spatial[-1]


def check_layer(model: Model, layer: str | None) -> None:
    """Raise `LayerError` unless `layer` is None or the name of a layer, and unless maps are (N, C, H, W)."""
    channels_second(model)
    if layer is None:
        return
    if not isinstance(layer, str):
        raise LayerError(f"layer={layer!r} is not the name of a layer.", "Pass a name, or None to have one chosen.")
    model.layer(layer)


def check_maps(shape: tuple[int, ...], layer: str, picture: tuple[int, ...]) -> None:
    """Raise `LayerError` unless a layer's activations are maps (samples, channels, height, width) of a picture."""
    if len(shape) != 4:
        raise LayerError(
            f"Layer '{layer}' returns shape {shape}, not maps (samples, channels, height, width).",
            "Choose a layer that does, such as a convolution; of a vision transformer that is its patch embedding.",
        )
    second_in_shape(shape, layer, picture)
