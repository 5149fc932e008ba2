"""The layer namespace on PyTorch: what architectures written once are built from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from .padding import same_padding


class SamePad2d(nn.Module):
    """Zero padding that makes the next convolution or pooling behave like TensorFlow's ``SAME``.

    The output of the padded operation has ``ceil(size / stride)`` rows and columns; of an odd number of zeros the
    extra one goes to the right and to the bottom.

    Parameters
    ----------
    kernel_size, stride : int
        Those of the operation that follows, which itself has padding 0.
    """

    def __init__(self, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pad an (N, C, H, W) tensor."""
        padding = same_padding((x.shape[-2], x.shape[-1]), self.kernel_size, self.stride)
        return functional.pad(x, padding) if any(padding) else x

    def extra_repr(self) -> str:
        """Kernel size and stride, as torch prints them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class Module(nn.Module):
    """Named layers joined by a function.

    Parameters
    ----------
    forward : callable
        ``forward(self, x)``, defined at the top of a module so that the network can be copied and pickled; it
        reaches the layers as attributes of `self`.
    **children : torch.nn.Module
        The layers by name.
    """

    def __init__(self, forward: Callable[[Any, Any], Any], **children: nn.Module) -> None:
        super().__init__()
        self.definition = forward
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x: torch.Tensor) -> Any:
        """Run the function that the module was made with."""
        return self.definition(self, x)


def _sequential(*layers: nn.Module | Mapping[str, nn.Module]) -> nn.Sequential:
    if len(layers) == 1 and isinstance(layers[0], Mapping):
        return nn.Sequential(OrderedDict(layers[0]))
    return nn.Sequential(*layers)


def _batch_norm1d(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(num_features, _single(eps), momentum)


def _batch_norm2d(num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(num_features, _single(eps), momentum)


def _single(eps: float) -> float:
    """Paddle keeps it in single precision: one more digit here would part the frameworks in double precision."""
    return float(np.float32(eps))


namespace = SimpleNamespace(
    Conv2d=nn.Conv2d,
    BatchNorm1d=_batch_norm1d,
    BatchNorm2d=_batch_norm2d,
    Linear=nn.Linear,
    GRUCell=nn.GRUCell,
    ReLU=nn.ReLU,
    ReLU6=nn.ReLU6,
    LeakyReLU=nn.LeakyReLU,
    Sigmoid=nn.Sigmoid,
    Tanh=nn.Tanh,
    GELU=nn.GELU,
    SiLU=nn.SiLU,
    Softmax=nn.Softmax,
    MaxPool2d=nn.MaxPool2d,
    AvgPool2d=nn.AvgPool2d,
    AdaptiveAvgPool2d=nn.AdaptiveAvgPool2d,
    Flatten=nn.Flatten,
    Dropout=nn.Dropout,
    Identity=nn.Identity,
    SamePad2d=SamePad2d,
    Sequential=_sequential,
    Module=Module,
)
"""Layers in torch's spelling and semantics; see `twinlens.backends.paddle_layers` for the same on Paddle."""
