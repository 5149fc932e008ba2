"""3 x 3 convolutions with a quarter of the multiplications, for torch networks on a processor.

``Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`` makes a tile of 4 x 4 outputs from 6 x 6 inputs ``d`` and a filter ``g`` by 36
products instead of 144 (Fast Algorithms for Convolutional Neural Networks, Lavin and Gray, 2015, arXiv:1509.09308).
Summed over the input channels, each of the 36 is a product of matrices.
"""

from __future__ import annotations

import itertools
from functools import cache, cached_property
from typing import Any

import torch
from torch import nn

from .protocol import Tensor

# Interpolation at 0, 1, -1, 2, -2 and infinity.
_A_TRANSPOSED = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_B_TRANSPOSED = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G_TIMES_24 = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))
_TILE, _REACH, _POINTS = 4, 6, 36
# What is added to the product at the points (1, 1) arrives in all 16 outputs of a tile, with the factor 1.
_EVERYWHERE = _REACH + 1

# With fewer channels the transformations cost what the products save.
_LEAST_CHANNELS = 128
# Of the usual number of products; more are left where tiles reach far over the edges of a small map.
_MOST_PRODUCTS = 0.5
# Bytes of input that are transformed at once: few enough to stay in the processor's cache.
_BLOCK = 5 << 20


def suits(module: nn.Module) -> bool:
    """Whether a layer is a convolution that `WinogradConvolution` computes, and computes in less time."""
    return (
        type(module) is nn.Conv2d
        and "forward" not in vars(module)  # somebody's own, put on this one layer
        and module.kernel_size == (3, 3)
        and module.stride == module.dilation == (1, 1)
        and module.padding in ((1, 1), "same")
        and module.padding_mode == "zeros"
        and module.groups == 1
        and min(module.in_channels, module.out_channels) >= _LEAST_CHANNELS
        and module.weight.device.type == "cpu"
    )


class WinogradConvolution(nn.Conv2d):
    """The same convolution, with the weights as they are now: they are transformed once, on the first run.

    Parameters
    ----------
    like : torch.nn.Conv2d
        3 x 3, with a padding of 1 and neither strides, dilation nor groups; its weights are shared.
    """

    def __init__(self, like: nn.Conv2d) -> None:
        super().__init__(
            like.in_channels, like.out_channels, 3, padding=like.padding, bias=like.bias is not None, device="meta"
        )
        self.weight, self.bias = like.weight, like.bias
        self._there, self._back = (_Filters(like.weight.detach(), back) for back in (False, True))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, H, W), channels last."""
        if x.dim() != 4 or x.numel() == 0 or _products(*x.shape[2:]) > _MOST_PRODUCTS:
            return super().forward(x)
        bias = None if self.bias is None else self.bias.detach()
        scores: Tensor = _Convolve.apply(x, bias, self._there, self._back)
        return scores


def _products(height: int, width: int) -> float:
    """How many products there are for a map of this size, in parts of the usual nine per output."""
    tiles = -(-height // _TILE) * -(-width // _TILE)
    return _POINTS * tiles / (9 * height * width)


class _Filters:
    """What Winograd's algorithm makes of filters (K, C, 3, 3) when it is first asked.

    The gradient of the input is a convolution, too: `back` from the outputs, with each filter turned half around.
    """

    def __init__(self, weight: Tensor, back: bool) -> None:
        self._weight, self._back = weight, back

    @cached_property
    def transformed(self) -> Tensor:
        """(36, C, K), or back (36, K, C)."""
        weight = self._weight.flip(2, 3).transpose(0, 1) if self._back else self._weight
        outputs, inputs = weight.shape[:2]
        by_position = weight.permute(2, 3, 1, 0).reshape(9, -1)
        return (_both_axes(_G_TIMES_24, weight.dtype) / 24**2 @ by_position).view(-1, inputs, outputs)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, there: _Filters, back: _Filters) -> Tensor:
        ctx.filters = there, back
        return _convolved(x, there.transformed, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        there, back = ctx.filters
        return _Convolve.apply(gradients[0], None, back, there), None, None, None


def _convolved(x: Tensor, filters: Tensor, bias: Tensor | None) -> Tensor:
    samples, inputs, height, width = x.shape
    outputs = filters.shape[2]
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    tall, wide = _TILE * rows, _TILE * columns
    padded = x.new_empty(samples, tall + 2, wide + 2, inputs)
    padded[:, 1 : height + 1, 1 : width + 1] = x.permute(0, 2, 3, 1)
    for border in (padded[:, :1], padded[:, height + 1 :], padded[:, :, :1], padded[:, :, width + 1 :]):
        border.zero_()
    windows = padded.unfold(1, _REACH, _TILE).unfold(2, _REACH, _TILE).permute(4, 5, 0, 1, 2, 3)
    into_points, into_tiles = _both_axes(_B_TRANSPOSED, x.dtype), _both_axes(_A_TRANSPOSED, x.dtype)

    y = torch.empty((samples, outputs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    by_pixel = y.permute(0, 2, 3, 1)
    # So many pictures at once, and of large ones so many rows of tiles, as stay in the cache.
    room = _BLOCK // (_POINTS * columns * inputs * x.element_size())
    lines = min(rows, max(1, room))
    pictures = min(samples, max(1, room // rows))
    here, there = (x.new_empty(_POINTS * pictures * lines * columns * max(inputs, outputs)) for _ in range(2))
    for first, top in itertools.product(range(0, samples, pictures), range(0, rows, lines)):
        pieces = windows[:, :, first : first + pictures, top : top + lines]
        some, high = pieces.shape[2:4]
        tiles = some * high * columns
        flat = _part(here, _POINTS, tiles * inputs)
        flat.view(pieces.shape).copy_(pieces)
        points = torch.mm(into_points, flat, out=_part(there, _POINTS, tiles * inputs))
        products = torch.bmm(points.view(-1, tiles, inputs), filters, out=_part(here, _POINTS, tiles, outputs))
        if bias is not None:
            products[_EVERYWHERE] += bias
        made = torch.mm(into_tiles, products.view(_POINTS, -1), out=_part(there, _TILE**2, tiles * outputs))
        by_place = made.view(_TILE, _TILE, some, high, columns, outputs)
        region = by_pixel[first : first + some, _TILE * top : _TILE * (top + high)]
        for row, column in itertools.product(range(_TILE), repeat=2):
            mine = region[:, row::_TILE, column::_TILE]
            mine.copy_(by_place[row, column, :, : mine.shape[1], : mine.shape[2]])
    return y


def _part(memory: Tensor, *shape: int) -> Tensor:
    return memory[: torch.Size(shape).numel()].view(shape)


@cache
def _both_axes(matrix: tuple[tuple[int, ...], ...], dtype: torch.dtype) -> Tensor:
    """The transformation of a flattened square that a matrix makes of its rows and of its columns."""
    one = torch.tensor(matrix, dtype=dtype, device="cpu")
    return torch.kron(one, one)
