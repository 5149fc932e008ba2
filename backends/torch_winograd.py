"""3 x 3 convolutions with a quarter of the multiplications, for torch networks on a processor.

``Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`` makes a tile of 4 x 4 outputs from 6 x 6 inputs ``d`` and a filter ``g`` by 36
products instead of 144 (Fast Algorithms for Convolutional Neural Networks, Lavin and Gray, 2015, arXiv:1509.09308).
Summed over the input channels, each of the 36 is a product of matrices: all of them together are one convolution with
1 x 1 filters in 36 groups, of a picture that has the tiles as its pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

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
# Padding, stride and dilation of a convolution with 1 x 1 filters.
_POINTWISE: tuple[list[int], ...] = ([0, 0], [1, 1], [1, 1])

# With fewer channels the transformations cost what the products save.
_LEAST_CHANNELS = 128
# Of the usual number of products; more are left where tiles reach far over the edges of a small map.
_MOST_PRODUCTS = 0.5
# Tiles that are multiplied at once: enough to keep the processor busy, and few enough to stay in its cache.
_TILES = 64
# Where a map has few tiles, so many pictures are put together at most. Fewer tiles than this are not worth it.
_MOST_PICTURES, _LEAST_TILES = 8, 32


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
        and module.weight.dtype == torch.float32
        and _is_measured()
    )


def _is_measured() -> bool:
    """Whether torch has what computes the products here, on a kind of processor on which that was seen to pay."""
    return (
        torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
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
        cut = _cut(*x.shape[2:]) if x.dim() == 4 and x.dtype == torch.float32 and x.numel() else None
        if cut is None or len(x) < cut.pictures:
            return super().forward(x)
        bias = None if self.bias is None else self.bias.detach()
        scores: Tensor = _Convolve.apply(x, bias, cut, self._there, self._back)
        return scores


class _Cut(NamedTuple):
    """The rows and columns of tiles that cover a map; so many pictures, or lines of one, are computed at once."""

    rows: int
    columns: int
    pictures: int
    lines: int

    @property
    def tiles(self) -> int:
        return self.pictures * self.lines * self.columns


@cache
def _cut(height: int, width: int) -> _Cut | None:
    """The cut for maps of this size, the same for every batch, or None where it does not pay.

    Filters that lie in memory as suits one number of tiles would have to be laid out anew for another.
    """
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    if _POINTS * rows * columns > _MOST_PRODUCTS * 9 * height * width:
        return None
    fewest = -(-_TILES // columns)
    if fewest >= rows:
        cut = _Cut(rows, columns, min(_MOST_PICTURES, -(-_TILES // (rows * columns))), rows)
        return cut if cut.tiles >= _LEAST_TILES else None
    # The last block reaches back over lines that are done: as few as possible.
    lines = min(range(fewest, min(rows, 3 * fewest) + 1), key=lambda each: -(-rows // each) * each)
    return _Cut(rows, columns, 1, lines)


class _Filters:
    """What Winograd's algorithm makes of filters (K, C, 3, 3) when it is first asked.

    The gradient of the input is a convolution, too: `back` from the outputs, with each filter turned half around.
    """

    def __init__(self, weight: Tensor, back: bool) -> None:
        self._weight, self._back = weight, back
        self._packed: dict[int, Tensor] = {}

    @property
    def outputs(self) -> int:
        return self._weight.shape[1 if self._back else 0]

    def direct(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """The same convolution of (N, C, H, W), as torch computes it."""
        convolve = nn.functional.conv_transpose2d if self._back else nn.functional.conv2d
        convolved: Tensor = convolve(x, self._weight, bias, padding=1)
        return convolved

    def packed(self, tiles: int) -> Tensor:
        """As 1 x 1 filters (36 K, C, 1, 1) in 36 groups, in the order that oneDNN wants for so many tiles."""
        if tiles not in self._packed:
            weight = self._weight.flip(2, 3).transpose(0, 1) if self._back else self._weight
            inputs = weight.shape[1]
            by_position = weight.permute(2, 3, 0, 1).reshape(9, -1)
            points = _both_axes(_G_TIMES_24) / 24**2 @ by_position
            self._packed[tiles] = torch._C._nn.mkldnn_reorder_conv2d_weight(
                points.view(-1, inputs, 1, 1).to_mkldnn(),
                *_POINTWISE,
                _POINTS,
                [1, _POINTS * inputs, tiles, 1],
            )
        return self._packed[tiles]


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, cut: _Cut, there: _Filters, back: _Filters) -> Tensor:
        ctx.kept = cut, there, back
        return _convolved(x, bias, cut, there)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        cut, there, back = ctx.kept
        return _Convolve.apply(gradients[0], None, cut, back, there), None, None, None, None


def _convolved(x: Tensor, bias: Tensor | None, cut: _Cut, filters: _Filters) -> Tensor:
    samples, inputs, height, width = x.shape
    rows, columns, pictures, lines = cut
    y = torch.empty((samples, filters.outputs, height, width), dtype=x.dtype, memory_format=torch.channels_last)
    # Pictures that fill no block go the usual way.
    whole = samples - samples % pictures
    if whole < samples:
        y[whole:] = filters.direct(x[whole:], bias)

    windows = _windows(x[:whole], rows, columns)
    by_pixel = y.permute(0, 2, 3, 1)
    into_points, into_tiles = (
        _both_axes(matrix).expand(cut.tiles, -1, -1) for matrix in (_B_TRANSPOSED, _A_TRANSPOSED)
    )
    packed = filters.packed(cut.tiles)
    if bias is not None:
        bias = nn.functional.pad(bias[None], (0, 0, _EVERYWHERE, _POINTS - 1 - _EVERYWHERE)).flatten()
    here, there = (x.new_empty(cut.tiles * _POINTS * max(inputs, filters.outputs)) for _ in range(2))
    for first, top in itertools.product(range(0, whole, pictures), range(0, rows, lines)):
        top = min(top, rows - lines)
        pieces = windows[first : first + pictures, top : top + lines]
        pixels = _part(here, cut.tiles, _POINTS, inputs)
        pixels.view(pieces.shape).copy_(pieces)
        points = torch.bmm(into_points, pixels, out=_part(there, cut.tiles, _POINTS, inputs))
        products = _multiplied(points, packed, bias)
        made = torch.bmm(into_tiles, products, out=_part(here, cut.tiles, _TILE**2, filters.outputs))
        region = by_pixel[first : first + pictures, _TILE * top : _TILE * (top + lines)]
        _put(made.view(pictures, lines, columns, _TILE, _TILE, filters.outputs), region)
    return y


def _windows(x: Tensor, rows: int, columns: int) -> Tensor:
    """(N, rows, columns, 6, 6, C): what each tile is made of, as a view of a copy with zeros around."""
    samples, inputs, height, width = x.shape
    padded = x.new_empty(samples, _TILE * rows + 2, _TILE * columns + 2, inputs)
    padded[:, 1 : height + 1, 1 : width + 1] = x.permute(0, 2, 3, 1)
    for border in (padded[:, :1], padded[:, height + 1 :], padded[:, :, :1], padded[:, :, width + 1 :]):
        border.zero_()
    return padded.unfold(1, _REACH, _TILE).unfold(2, _REACH, _TILE).permute(0, 1, 2, 4, 5, 3)


def _multiplied(points: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    """(tiles, 36, C) times the filters of each point, and a bias (36 K,): (tiles, 36, K).

    To oneDNN this is a convolution of one picture with the tiles as its pixels: 95 to 110 billion multiplications a
    second on two cores of a Zen 4, on which batched products of matrices come to 50 to 90.
    """
    tiles = len(points)
    picture = points.view(1, tiles, 1, -1).permute(0, 3, 1, 2)
    products: Tensor = torch.ops.mkldnn._convolution_pointwise(
        picture, packed, bias, *_POINTWISE, _POINTS, "none", [], ""
    )
    return products.permute(0, 2, 3, 1).view(tiles, _POINTS, -1)


def _put(tiles: Tensor, region: Tensor) -> None:
    """Tiles (n, rows, columns, 4, 4, K) into their places in (n, height, width, K), which may end within a tile."""
    for rows, row_tiles, high in _pieces(region.shape[1]):
        for columns, column_tiles, wide in _pieces(region.shape[2]):
            places = region[:, rows, columns].unflatten(1, (-1, high)).unflatten(3, (-1, wide))
            places.copy_(tiles[:, row_tiles, column_tiles, :high, :wide].transpose(2, 3))


def _pieces(length: int) -> Iterator[tuple[slice, slice, int]]:
    """Where pixels go, from which tiles, and how many of each: the tiles that lie inside, and one that reaches out."""
    whole, rest = divmod(length, _TILE)
    if whole:
        yield slice(0, _TILE * whole), slice(0, whole), _TILE
    if rest:
        yield slice(_TILE * whole, length), slice(whole, whole + 1), rest


def _part(memory: Tensor, *shape: int) -> Tensor:
    return memory[: torch.Size(shape).numel()].view(shape)


@cache
def _both_axes(matrix: tuple[tuple[int, ...], ...]) -> Tensor:
    """The transformation of a flattened square that a matrix makes of its rows and of its columns."""
    one = torch.tensor(matrix, dtype=torch.float32, device="cpu")
    return torch.kron(one, one)
