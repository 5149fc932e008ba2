"""Torch's layers as Paddle's own, where Paddle has one that means exactly the same.

What is not here, or not with these settings, is rebuilt from the functions that torch's layer calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ModelError
from . import norm_layers as norms
from .attention import MultiheadAttention
from .table import paddle, single
from .weighted import per_axis

nn = paddle.nn


def _attr(present: Any) -> Any:
    return None if present is not None and present is not False else False


def _convolution(axes: int) -> Callable[[Any], Any]:
    def build(m: Any) -> Any:
        padding = m.padding
        if padding == "same":
            total = [d * (k - 1) for d, k in zip(m.dilation, m.kernel_size, strict=True)]
            padding = [n // 2 for n in total] if all(n % 2 == 0 for n in total) else None
        if padding is None or m.padding_mode != "zeros":
            return None
        return getattr(nn, f"Conv{axes}D")(
            m.in_channels,
            m.out_channels,
            list(m.kernel_size),
            stride=list(m.stride),
            padding=0 if padding == "valid" else list(padding),
            dilation=list(m.dilation),
            groups=m.groups,
            bias_attr=_attr(m.bias),
        )

    return build


def _transposed(axes: int) -> Callable[[Any], Any]:
    return lambda m: getattr(nn, f"Conv{axes}DTranspose")(
        m.in_channels,
        m.out_channels,
        list(m.kernel_size),
        stride=list(m.stride),
        padding=list(m.padding),
        output_padding=list(m.output_padding),
        dilation=list(m.dilation),
        groups=m.groups,
        bias_attr=_attr(m.bias),
    )


def _batch_norm(layer: Any) -> Callable[[Any], Any]:
    def build(m: Any) -> Any:
        if m.momentum is None:
            raise ModelError("momentum=None, the mean over all batches, has no counterpart", "")
        if not m.affine or not m.track_running_stats:
            return None
        return layer(m.num_features, momentum=1 - m.momentum, epsilon=m.eps)

    return build


def _layer_norm(m: Any) -> Any:
    if len(m.normalized_shape) > 1:
        return None  # Paddle keeps the weight flat
    sizes = list(m.normalized_shape)
    return norms.LayerNorm(sizes, epsilon=m.eps, weight_attr=_attr(m.weight), bias_attr=_attr(m.bias))


def _instance_norm(layer: Any) -> Callable[[Any], Any]:
    def build(m: Any) -> Any:
        if m.track_running_stats:
            raise ModelError("track_running_stats=True has no counterpart", "")
        affine = _attr(m.affine)
        return layer(m.num_features, epsilon=m.eps, weight_attr=affine, bias_attr=affine)

    return build


def _max_pool(axes: int) -> Callable[[Any], Any]:
    def build(m: Any) -> Any:
        if m.ceil_mode or m.return_indices or set(per_axis(m.dilation, axes)) != {1}:
            return None
        return getattr(nn, f"MaxPool{axes}D")(m.kernel_size, stride=m.stride, padding=m.padding)

    return build


def _average_pool(m: Any) -> Any:
    if m.ceil_mode or m.divisor_override is not None:
        return None
    sizes = (per_axis(size, 2) for size in (m.kernel_size, m.stride, m.padding))
    return nn.AvgPool2D(*sizes, exclusive=not m.count_include_pad)


def _recurrent(layer: Any) -> Callable[[Any], Any]:
    def build(m: Any) -> Any:
        if getattr(m, "proj_size", 0) or not m.bias:
            raise ModelError("proj_size and bias=False have no counterpart", "")
        return layer(
            m.input_size,
            m.hidden_size,
            num_layers=m.num_layers,
            direction="bidirect" if m.bidirectional else "forward",
            time_major=not m.batch_first,
            dropout=m.dropout,
            **({"activation": m.nonlinearity} if layer is nn.SimpleRNN else {}),
        )

    return build


def _attention(m: Any) -> Any:
    if not m._qkv_same_embed_dim or m.bias_k is not None or m.add_zero_attn:
        raise ModelError("kdim, vdim, add_bias_kv and add_zero_attn have no counterpart", "")
    return MultiheadAttention(m.embed_dim, m.num_heads, m.dropout, m.in_proj_bias is not None, m.batch_first)


def _plain_embedding(m: Any) -> Any:
    special = m.padding_idx is not None or m.max_norm is not None or m.scale_grad_by_freq or m.sparse
    return None if special else nn.Embedding(m.num_embeddings, m.embedding_dim)


MODULES: dict[str, Callable[[Any], Any]] = {
    "Linear": lambda m: nn.Linear(m.in_features, m.out_features, bias_attr=_attr(m.bias)),
    "BatchNorm1d": _batch_norm(norms.BatchNorm1D),
    "BatchNorm2d": _batch_norm(norms.BatchNorm2D),
    "BatchNorm3d": _batch_norm(norms.BatchNorm3D),
    "InstanceNorm1d": _instance_norm(norms.InstanceNorm1D),
    "InstanceNorm2d": _instance_norm(norms.InstanceNorm2D),
    "InstanceNorm3d": _instance_norm(norms.InstanceNorm3D),
    "LayerNorm": _layer_norm,
    "GroupNorm": lambda m: nn.GroupNorm(m.num_groups, m.num_channels, epsilon=m.eps) if m.affine else None,
    "Embedding": _plain_embedding,
    "MultiheadAttention": _attention,
    "LSTM": _recurrent(nn.LSTM),
    "GRU": _recurrent(nn.GRU),
    "RNN": _recurrent(nn.SimpleRNN),
    "ReLU": lambda m: nn.ReLU(),
    "ReLU6": lambda m: nn.ReLU6(),
    "LeakyReLU": lambda m: nn.LeakyReLU(m.negative_slope),
    "PReLU": lambda m: nn.PReLU(m.num_parameters),
    "ELU": lambda m: nn.ELU(m.alpha),
    "CELU": lambda m: nn.CELU(m.alpha),
    "GELU": lambda m: nn.GELU(approximate=m.approximate == "tanh"),
    "SiLU": lambda m: nn.Silu(),
    "Mish": lambda m: nn.Mish(),
    "Hardswish": lambda m: nn.Hardswish(),
    "Hardtanh": lambda m: nn.Hardtanh(m.min_val, m.max_val) if single(m.min_val) and single(m.max_val) else None,
    "Sigmoid": lambda m: nn.Sigmoid(),
    "Tanh": lambda m: nn.Tanh(),
    "Softplus": lambda m: nn.Softplus(m.beta, m.threshold),
    "Softsign": lambda m: nn.Softsign(),
    "Tanhshrink": lambda m: nn.Tanhshrink(),
    "LogSigmoid": lambda m: nn.LogSigmoid(),
    "Softmax": lambda m: None if m.dim is None else nn.Softmax(axis=m.dim),
    "Dropout": lambda m: nn.Dropout(m.p),
    "Dropout2d": lambda m: nn.Dropout2D(m.p),
    "Dropout3d": lambda m: nn.Dropout3D(m.p),
    "AlphaDropout": lambda m: nn.AlphaDropout(m.p),
    "Flatten": lambda m: nn.Flatten(m.start_dim, m.end_dim),
    "Identity": lambda m: nn.Identity(),
    "AvgPool2d": _average_pool,
    "AdaptiveAvgPool2d": lambda m: nn.AdaptiveAvgPool2D(m.output_size),
    "PixelShuffle": lambda m: nn.PixelShuffle(m.upscale_factor),
}
MODULES |= {f"Conv{axes}d": _convolution(axes) for axes in (1, 2, 3)}
MODULES |= {f"ConvTranspose{axes}d": _transposed(axes) for axes in (1, 2, 3)}
MODULES |= {f"MaxPool{axes}d": _max_pool(axes) for axes in (1, 2, 3)}
"""What makes the Paddle layer of each kind from torch's; None where these settings have no layer of their own."""


class Recorded(nn.Layer):  # type: ignore[name-defined]
    """A layer that runs recorded steps.

    Parameters
    ----------
    program : callable
        ``program(layer, *inputs)``; it reaches sublayers and weights as attributes of the layer.
    """

    def __init__(self, program: Callable[..., Any]) -> None:
        super().__init__()
        self.program = program

    def forward(self, *inputs: Any) -> Any:
        """Run the steps."""
        return self.program(self, *inputs)
