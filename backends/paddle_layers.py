"""The layer namespace on Paddle, in torch's spelling and with torch's semantics.

Where Paddle's own layer already means the same, the namespace hands out that layer; what differs is named below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import SimpleNamespace
from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional

from .padding import same_padding

Pair = int | tuple[int, int]


class _UnbiasedStatistics:
    """Batch norm whose running variance is the unbiased one, as in torch; Paddle keeps the biased one."""

    training: bool
    weight: Any
    bias: Any
    _mean: Any
    _variance: Any
    _momentum: float
    _epsilon: float
    _data_format: str

    def forward(self, x: Any) -> Any:
        """Normalise over all axes but the second."""
        if not self.training:
            return super().forward(x)  # type: ignore[misc]
        count = prod(x.shape) // x.shape[1]
        if count < 2:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(x.shape)}")
        # With momentum 0 the kernel leaves the batch's own statistics behind, free of its float32 momentum.
        mean, variance = paddle.zeros_like(self._mean), paddle.zeros_like(self._variance)
        out = functional.batch_norm(
            x,
            mean,
            variance,
            self.weight,
            self.bias,
            training=True,
            momentum=0.0,
            epsilon=self._epsilon,
            data_format=self._data_format,
        )
        with paddle.no_grad():
            old, new = self._momentum, 1 - self._momentum
            paddle.assign(old * self._mean + new * mean, self._mean)
            paddle.assign(old * self._variance + new * count / (count - 1) * variance, self._variance)
        return out


class BatchNorm1D(_UnbiasedStatistics, nn.BatchNorm1D):
    """``paddle.nn.BatchNorm1D`` with torch's running variance."""


class BatchNorm2D(_UnbiasedStatistics, nn.BatchNorm2D):
    """``paddle.nn.BatchNorm2D`` with torch's running variance."""


class GRUCell(nn.GRUCell):
    """``paddle.nn.GRUCell`` that returns its new state alone, as torch's does; gates and weights are torch's."""

    def forward(self, x: Any, state: Any) -> Any:
        """The state (N, H) after an input (N, I)."""
        return super().forward(x, state)[0]


class SamePad2d(nn.Layer):
    """Zero padding that makes the next convolution or pooling behave like TensorFlow's ``SAME``.

    Parameters
    ----------
    kernel_size, stride : int
        Those of the operation that follows, which itself has padding 0.
    """

    def __init__(self, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """Pad an (N, C, H, W) tensor."""
        padding = same_padding((x.shape[-2], x.shape[-1]), self.kernel_size, self.stride)
        return functional.pad(x, padding) if any(padding) else x

    def extra_repr(self) -> str:
        """Kernel size and stride, as torch prints them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class Module(nn.Layer):
    """Named layers joined by a function, see `twinlens.backends.torch_layers.Module`."""

    def __init__(self, forward: Callable[[Any, Any], Any], **children: Any) -> None:
        super().__init__()
        self.definition = forward
        for name, child in children.items():
            self.add_sublayer(name, child)

    def forward(self, x: Any) -> Any:
        """Run the function that the module was made with."""
        return self.definition(self, x)


def _conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = True,
) -> Any:
    return nn.Conv2D(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias_attr=None if bias else False,
    )


def _batch_norm1d(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return BatchNorm1D(num_features, momentum=1 - momentum, epsilon=eps)


def _batch_norm2d(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return BatchNorm2D(num_features, momentum=1 - momentum, epsilon=eps)


def _linear(in_features: int, out_features: int, bias: bool = True) -> Any:
    return nn.Linear(in_features, out_features, bias_attr=None if bias else False)


def _softmax(dim: int) -> Any:
    return nn.Softmax(axis=dim)


def _max_pool2d(kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> Any:
    return nn.MaxPool2D(kernel_size, stride=stride, padding=padding)


def _avg_pool2d(
    kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, *, count_include_pad: bool = True
) -> Any:
    return nn.AvgPool2D(kernel_size, stride=stride, padding=padding, exclusive=not count_include_pad)


def _flatten(start_dim: int = 1, end_dim: int = -1) -> Any:
    return nn.Flatten(start_axis=start_dim, stop_axis=end_dim)


def _sequential(*layers: Any) -> Any:
    if len(layers) == 1 and isinstance(layers[0], Mapping):
        return nn.Sequential(*layers[0].items())
    return nn.Sequential(*layers)


namespace = SimpleNamespace(
    Conv2d=_conv2d,
    BatchNorm1d=_batch_norm1d,
    BatchNorm2d=_batch_norm2d,
    Linear=_linear,
    GRUCell=GRUCell,
    ReLU=nn.ReLU,
    ReLU6=nn.ReLU6,
    LeakyReLU=nn.LeakyReLU,
    Sigmoid=nn.Sigmoid,
    Tanh=nn.Tanh,
    GELU=nn.GELU,
    SiLU=nn.Silu,
    Softmax=_softmax,
    MaxPool2d=_max_pool2d,
    AvgPool2d=_avg_pool2d,
    AdaptiveAvgPool2d=nn.AdaptiveAvgPool2D,
    Flatten=_flatten,
    Dropout=nn.Dropout,
    Identity=nn.Identity,
    SamePad2d=SamePad2d,
    Sequential=_sequential,
    Module=Module,
)
"""Layers in torch's spelling and semantics; see `twinlens.backends.torch_layers` for the same on torch."""
