"""Planted faults: what is changed in the second network, where it must be found, and what it must be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .nets import Kit

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Fault:
    """One mistake.

    `only` is the framework without which it cannot be made; `says` is a piece of the explanation.
    """

    name: str
    first: str
    cause: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: Callable[[State], object] | None = None
    only: str | None = None
    says: str = ""


def _changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[State], None]:
    def apply(state: State) -> None:
        state[name] = change(state[name])

    return apply


def _one_entry(array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    changed[3, 2, 1, 0] += 0.5
    return changed


def _bfloat16(array: np.ndarray) -> np.ndarray:
    # Cutting off half of the bits is rounding where they are zero, as after rounding up first.
    bits = (array.astype(np.float32).view(np.uint32) + 0x8000) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32)


def _image_net(kit: Kit, x: Any) -> Any:
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    channels = [(x[:, i : i + 1] - mean[i]) / std[i] for i in range(3)]
    return kit.joined(channels)


FAULTS = [
    Fault("epsilon", "norm2", "epsilon", {"eps": 1e-3}, says="eps=1e-05 in A, 0.001 in B"),
    Fault("a small epsilon", "norm2", "epsilon", {"eps": 2e-5}),
    Fault("group norm's epsilon", "norm8", "epsilon", {"group_norm_eps": 1e-3}),
    Fault("momentum", "norm2", "momentum", {"momentum": 0.01}, says="momentum=0.1 in A, 0.01 in B"),
    Fault("dropout rate", "dropout", "dropout rate", {"rate": 0.3}),
    Fault("ceil_mode", "pool2", "ceil_mode", {"ceil_mode": True}),
    Fault("count_include_pad", "pool3", "count_include_pad", {"count_include_pad": False}),
    Fault("GELU", "gelu2", "GELU approximation", {"gelu_tanh": True}),
    Fault("align_corners", "up", "align_corners", {"align_corners": True}),
    Fault("align_corners of a function", "conv7", "align_corners", {"resize": lambda k, x: k.resize(x, 12, True)}),
    Fault("interpolation", "up", "interpolation mode", {"interpolation": "nearest"}),
    Fault("padding mode", "block.conv4", "padding mode", {"padding_mode": "zeros"}),
    Fault("padding layer", "pad", "padding mode", {"pad_layer": "replicate"}),
    Fault("padding amount", "block.conv4", "padding", {"padding": 2}, says="padding=1 in A, 2 in B"),
    Fault("stride", "conv3", "stride", {"stride": 2}),
    Fault("dilation", "block.conv5", "dilation", {"dilation": 2}),
    Fault("slope", "leaky3", "slope", {"slope": 0.2}),
    Fault("another activation", "block.act4", "activation", {"activation": "gelu"}, says="silu in A, gelu"),
    Fault("missing activation", "pad", "missing activation", {"functional": lambda k, x: x}, says="relu in A"),
    Fault("another function", "pad", "activation", {"functional": lambda k, x: k.f.silu(x)}, says="silu in B"),
    Fault("superfluous softmax", "output", "missing activation", {"end": lambda k, x: k.f.softmax(x, -1)}),
    Fault("missing skip connection", "block", "missing addition", {"skip": lambda k, x, y: k.f.relu(x)}),
    Fault("active dropout", "norm8", "dropout active", {"dropped": lambda k, x: k.f.dropout(x, 0.5, training=True)}),
    Fault("dropout that scales", "dropout", "dropout mode", {"dropout_mode": "downscale_in_infer"}, only="paddle"),
    Fault("scale", "output", "scale", {"end": lambda k, x: x * 0.5}, says="B is 0.5 of the other"),
    Fault("statistics of the batch", "norm3", "batch statistics", {"batch_statistics": True}),
    Fault("batch norm, a function", "leaky3", "batch statistics", {"norm3": lambda k, n, x: k.batch_norm(x, n)}),
    Fault("bfloat16", "norm8", "dtype", {"dropped": lambda k, x: k.cast(x, "bfloat16")}, says="bfloat16"),
    Fault("float16", "norm8", "dtype", {"dropped": lambda k, x: k.cast(x, "float16")}, says="float16"),
    Fault("weights in bfloat16", "conv3", "dtype", weights=_changed("conv3.weight", _bfloat16), says="bfloat16"),
    Fault(
        "weights in float16",
        "conv3",
        "dtype",
        weights=_changed("conv3.weight", lambda w: w.astype(np.float16).astype(np.float32)),
        says="float16",
    ),
    Fault("transposed weight", "fc2", "transposed weight", weights=_changed("fc2.weight", lambda w: w.T)),
    Fault("one weight", "conv3", "weights", weights=_changed("conv3.weight", _one_entry), says="[3, 2, 1, 0]"),
    Fault("turned kernels", "conv3", "weights", weights=_changed("conv3.weight", lambda w: w[..., ::-1, ::-1])),
    Fault("a running variance", "norm2", "weights", weights=_changed("norm2.running_var", lambda v: v + 1)),
    Fault("scaled weight", "fc3", "scale", weights=_changed("fc3.weight", lambda w: w * 3), says="times 3"),
    Fault("missing bias", "conv3", "bias", {"bias": False}, says="bias exists in A alone"),
    Fault("BGR", "conv1", "channel order", {"input": lambda k, x: x.flip([1])}, says="BGR"),
    Fault("BGR in the weights", "conv1", "channel order", weights=_changed("conv1.weight", lambda w: w[:, ::-1])),
    Fault("0 to 255", "conv1", "normalisation", {"input": lambda k, x: x / 255}, says="255"),
    Fault("mean and standard deviation", "conv1", "normalisation", {"input": _image_net}),
    Fault("layout", "fc1", "layout", {"flatten": lambda k, x: k.flat(k.permuted(x, (0, 2, 3, 1)))}),
]
