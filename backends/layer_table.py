"""The table of a network's layers: names, kinds, output shapes, parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .protocol import Net

if TYPE_CHECKING:
    from .model import Model


@dataclass(frozen=True)
class LayerInfo:
    """One row of the table of layers.

    Attributes
    ----------
    name : str
        Dotted name, ``""`` for the network itself.
    kind : str
        Such as ``"conv2d"``.
    output_shape : tuple of int or None
        Without the batch axis; None when the layer did not run or returns no tensor.
    parameters : int
        Trained numbers of the layer itself, its sublayers not counted.
    calls : int
        How often one run of the network uses it; 0 when it was not run.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    calls: int


def layer_table(model: Model, input_shape: tuple[int, ...] | None) -> list[LayerInfo]:
    """One row per layer; the network is run once on zeros when the shape of a sample is known."""
    backend = model.backend
    modules = backend.modules(model.net)
    shapes: dict[str, tuple[int, ...]] = {}
    calls = dict.fromkeys(modules, 0)

    def watch(name: str) -> Callable[[Net, Any, Any], None]:
        def record(_layer: Net, _inputs: Any, output: Any) -> None:
            calls[name] += 1
            if backend.is_tensor(output):
                shapes[name] = backend.shape(output)[1:]

        return record

    if input_shape is not None:
        model.measure(np.zeros((1, *input_shape)), {layer: watch(name) for name, layer in modules.items()})
    sizes = _own_parameters(model)
    return [
        LayerInfo(name, backend.kind(layer), shapes.get(name), sizes.get(name, 0), calls[name])
        for name, layer in modules.items()
    ]


def _own_parameters(model: Model) -> dict[str, int]:
    sizes: dict[str, int] = {}
    state = model.backend.state(model.net)
    for name in model.backend.parameter_names(model.net):
        layer = name.rpartition(".")[0]
        sizes[layer] = sizes.get(layer, 0) + math.prod(state[name].shape)
    return sizes
