"""Torch layers with the settings of Paddle layers, where torch has these settings; None where it has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...backends.protocol import Net
from .from_paddle_entries import as_list, single
from .torch_lazily import nn

Maker = Callable[[Net, Any], Any]
"""Takes a Paddle layer and its first input (None: it is never called)."""

_FIRST = ("NCL", "NCW", "NCHW", "NCDHW", "NC")


def channels_first(layer: Net) -> bool:
    """Whether the channels are the second axis."""
    return (getattr(layer, "_data_format", None) or getattr(layer, "data_format", None) or "NCHW") in _FIRST


def _amounts(value: Any, axes: int) -> list[int] | None:
    """Symmetric padding, one amount per axis; None for SAME, VALID and different amounts at both ends."""
    if isinstance(value, str):
        return [0] * axes if value.upper() == "VALID" else None
    amounts: list[Any] = as_list(value, axes)
    if len(amounts) == axes + 2 and not isinstance(amounts[0], int):
        amounts = [amount for pair in amounts[2:] for amount in pair]
    if any(not isinstance(amount, int) for amount in amounts):
        return None
    if len(amounts) == 2 * axes:
        return amounts[::2] if amounts[::2] == amounts[1::2] else None
    return amounts if len(amounts) == axes else None


def conv(axes: int, transposed: bool = False) -> Maker:
    """Convolutions of one to three axes."""

    def make(layer: Net, x: Any) -> Any:
        padding = _amounts(layer._padding, axes)
        if padding is None or not channels_first(layer):
            return None
        settings = {
            "stride": tuple(layer._stride),
            "padding": tuple(padding),
            "dilation": tuple(layer._dilation),
            "groups": layer._groups,
            "bias": layer.bias is not None,
            "padding_mode": layer._padding_mode,
        }
        if transposed:
            settings["output_padding"] = layer.output_padding
        cls = getattr(nn, f"Conv{'Transpose' if transposed else ''}{axes}d")
        return cls(layer._in_channels, layer._out_channels, tuple(layer._kernel_size), **settings)

    return make


def batch_norm(axes: int | None) -> Maker:
    """Batch norm; None for the number of axes: the input's."""

    def make(layer: Net, x: Any) -> Any:
        both = layer.weight is None, layer.bias is None
        given = getattr(layer, "_use_global_stats", None)
        plain = given is None if axes else not given and not layer._trainable_statistics and layer._act is None
        first = getattr(layer, "_data_layout", "NCHW") == "NCHW" and channels_first(layer)
        if both[0] != both[1] or not plain or not first:
            return None
        rank = axes or {None: 2, 2: 1}.get(x if x is None else len(x.shape), x is not None and len(x.shape) - 2)
        cls = getattr(nn, f"BatchNorm{rank}d")
        # Paddle's momentum is the share of the old statistics.
        return cls(len(layer._mean), single(layer._epsilon), round(1 - layer._momentum, 12), affine=not both[0])

    return make


def layer_norm(layer: Net, x: Any) -> Any:
    """Layer norm over the last axis."""
    if len(layer._normalized_shape) > 1 or (layer.weight is None and layer.bias is not None):
        return None  # Paddle's weight is flat
    shape, affine = tuple(layer._normalized_shape), layer.weight is not None
    return nn.LayerNorm(shape, single(layer._epsilon), elementwise_affine=affine, bias=layer.bias is not None)


def group_norm(layer: Net, x: Any) -> Any:
    """Group norm."""
    if (layer.weight is None) != (layer.bias is None) or not channels_first(layer):
        return None
    affine = layer.weight is not None
    return nn.GroupNorm(layer._num_groups, layer._num_channels, layer._epsilon, affine=affine)


def instance_norm(axes: int) -> Maker:
    """Instance norm of one to three axes."""

    def make(layer: Net, x: Any) -> Any:
        if (layer.scale is None) != (layer.bias is None) or not channels_first(layer):
            return None
        cls = getattr(nn, f"InstanceNorm{axes}d")
        return cls(layer._num_features, single(layer._epsilon), affine=layer.scale is not None)

    return make


def embedding(layer: Net, x: Any) -> Any:
    """A table of vectors."""
    if layer._max_norm is not None or layer._scale_grad_by_freq:
        return None
    padding = layer._padding_idx
    padding = None if padding is None else padding % layer.weight.shape[0]  # negative ones count from the end
    if padding is not None and np.any(layer.weight[padding].numpy()):
        return None  # Paddle returns zeros there, whatever the row holds
    return nn.Embedding(*layer.weight.shape, padding_idx=padding)


def max_pool(axes: int) -> Maker:
    """Max pooling of one to three axes."""

    def make(layer: Net, x: Any) -> Any:
        shape = _pooling(layer, axes)
        return None if shape is None or layer.return_mask else getattr(nn, f"MaxPool{axes}d")(**shape)

    return make


def avg_pool(axes: int) -> Maker:
    """Average pooling of one to three axes."""

    def make(layer: Net, x: Any) -> Any:
        shape = _pooling(layer, axes)
        if shape is None or getattr(layer, "divisor", None) is not None:
            return None
        return getattr(nn, f"AvgPool{axes}d")(**shape, count_include_pad=not layer.exclusive)

    return make


def _pooling(layer: Net, axes: int) -> dict[str, Any] | None:
    kernel = as_list(getattr(layer, "ksize", None) or layer.kernel_size, axes)
    stride = kernel if layer.stride is None else as_list(layer.stride, axes)
    padding = _amounts(layer.padding, axes)
    if padding is None or not channels_first(layer) or not pools_alike(kernel, stride, padding, layer.ceil_mode):
        return None
    return {
        "kernel_size": tuple(kernel),
        "stride": tuple(stride),
        "padding": tuple(padding),
        "ceil_mode": bool(layer.ceil_mode),
    }


def pools_alike(kernel: list[int], stride: list[int], padding: list[int], ceil_mode: bool) -> bool:
    """Whether torch has all the windows that Paddle has; with ``ceil_mode`` it drops those in the last padding."""
    fits = all(2 * p <= k for k, p in zip(kernel, padding, strict=True))
    return fits and (not ceil_mode or all(s + p <= k for k, s, p in zip(kernel, stride, padding, strict=True)))


def adaptive(name: str) -> Maker:
    """Pooling to a given size."""

    def make(layer: Net, x: Any) -> Any:
        size = getattr(layer, "_output_size", None) or layer.output_size
        if getattr(layer, "_return_mask", False) or getattr(layer, "return_mask", False) or not channels_first(layer):
            return None
        return getattr(nn, name)(size if isinstance(size, int) else tuple(size))

    return make


def dropout(layer: Net, x: Any) -> Any:
    """Dropout of single numbers."""
    return nn.Dropout(layer.p) if layer.axis is None and layer.mode == "upscale_in_train" else None


def upsample(layer: Net, x: Any) -> Any:
    """Resizing by any of the modes."""
    nearest = type(layer).__name__ == "UpsamplingNearest2D"
    mode = str(getattr(layer, "mode", "nearest" if nearest else "bilinear")).lower()
    size, scale = layer.size, layer.scale_factor
    sizes = [] if size is None else list(np.ravel(size))
    scales = [] if scale is None else list(np.ravel(scale))
    # Towards a single row, and with other positions, Paddle resizes as torch does not.
    alike = channels_first(layer) and not getattr(layer, "align_mode", 0) and 1 not in sizes
    plain = all(isinstance(each, (int, np.integer)) for each in sizes) and all(each >= 1 for each in scales)
    if not alike or not plain or getattr(layer, "recompute_scale_factor", None):
        return None
    align = getattr(layer, "align_corners", None if hasattr(layer, "mode") else not nearest)
    linear = mode in ("linear", "bilinear", "trilinear", "bicubic")
    factor = tuple(map(float, scale)) if isinstance(scale, (list, tuple)) else scale
    where = tuple(size) if isinstance(size, (list, tuple)) else size
    return nn.Upsample(where, factor, mode, bool(align) if linear else None)


def pad(axes: int) -> Maker:
    """Padding of one to three axes."""
    names = {"constant": "ConstantPad", "reflect": "ReflectionPad", "replicate": "ReplicationPad"}
    names["circular"] = "CircularPad"

    def make(layer: Net, x: Any) -> Any:
        if not channels_first(layer) or any(not isinstance(amount, int) for amount in layer.padding):
            return None
        amounts = tuple(layer.padding)
        cls = getattr(nn, f"{names[layer._mode]}{axes}d")
        return cls(amounts, layer.value) if layer._mode == "constant" else cls(amounts)

    return make


def recurrent(name: str) -> Maker:
    """Recurrent layers, all of their directions and depths."""

    def make(layer: Net, x: Any) -> Any:
        if getattr(layer, "proj_size", 0):
            return None
        settings = {"nonlinearity": layer.mode.partition("_")[2].lower()} if name == "RNN" else {}
        return getattr(nn, name)(
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            bias="bias_ih_l0" in layer._parameters,
            batch_first=not layer.time_major,
            dropout=float(layer.dropout),
            bidirectional=layer.num_directions == 2,
            **settings,
        )

    return make


def prelu(layer: Net, x: Any) -> Any:
    """A learned slope for negative numbers."""
    return nn.PReLU(layer._num_parameters) if channels_first(layer) or layer._num_parameters == 1 else None


def selu(layer: Net, x: Any) -> Any:
    """SELU with its usual numbers."""
    usual = (1.0507009873554804934193349852946, 1.6732632423543772848170429916717)
    return nn.SELU() if (layer._scale, layer._alpha) == usual else None


def linear(layer: Net, x: Any) -> Any:
    """A matrix product."""
    return nn.Linear(*layer.weight.shape, bias=layer.bias is not None)
