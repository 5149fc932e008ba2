"""3 x 3 convolutions with a quarter of the multiplications, for torch networks on a processor.

``Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`` makes a tile of 4 x 4 outputs from 6 x 6 inputs ``d`` and a filter ``g`` by 36
products instead of 144 (Fast Algorithms for Convolutional Neural Networks, Lavin and Gray, 2015, arXiv:1509.09308).
Summed over the input channels, each of the 36 is a product of matrices: all of them together are one convolution with
1 x 1 filters in 36 groups, of a picture that has the tiles as its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from .protocol import Tensor

# What the filters become at 0, 1, -1, 2, -2 and infinity; the pixels' part is in `winograd_kernels`.
_G_TIMES_24 = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))
_TILE, _POINTS = 4, 36
# Padding, stride and dilation of a convolution with 1 x 1 filters.
_POINTWISE: tuple[list[int], ...] = ([0, 0], [1, 1], [1, 1])

# With fewer channels the transformations cost what the products save.
_LEAST_CHANNELS = 64
# Of the usual number of products; more are left where tiles reach far over the edges of a small map.
_MOST_PRODUCTS = 0.5
# Tiles times channels that are multiplied at once: few enough to stay in the processor's cache. And the tiles that
# keep it busy.
_AT_ONCE, _FEWEST_TILES, _MOST_TILES = 8192, 32, 128


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
    """Whether all is there that is needed, on a kind of processor on which it was seen to pay."""
    return (
        torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
        and _kernels() is not None
    )


@cache
def _kernels() -> tuple[Callable[..., None], Callable[..., None]] | None:
    """See `winograd_kernels.kernels`; None without numba, or where torch's threads cannot be had."""
    try:
        from .winograd_kernels import kernels

        return kernels(torch._C.__file__)
    except Exception:  # a compiler may fail in any way it likes: the convolutions are computed without it then
        return None


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
        suited = x.dim() == 4 and x.dtype == torch.float32 and x.numel()
        cut = _cut(*x.shape[2:], max(self.in_channels, self.out_channels)) if suited else None
        if cut is None or len(x) * cut.rows * cut.columns < cut.tiles:
            return super().forward(x)
        bias = None if self.bias is None else self.bias.detach()
        scores: Tensor = _Convolve.apply(x, bias, cut, self._there, self._back)
        return scores


class _Cut(NamedTuple):
    """The rows and columns of tiles that cover a map, and how many tiles, of one or more maps, are computed at once."""

    rows: int
    columns: int
    tiles: int


@cache
def _cut(height: int, width: int, channels: int) -> _Cut | None:
    """The cut for maps of this size, the same for every batch, or None where it does not pay.

    Filters that lie in memory as suits one number of tiles would have to be laid out anew for another.
    """
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    if _POINTS * rows * columns > _MOST_PRODUCTS * 9 * height * width:
        return None
    wanted = min(max(_AT_ONCE // channels, _FEWEST_TILES), _MOST_TILES)
    # Whole maps, or equal parts of one: the last tiles of a batch would be computed twice otherwise.
    whole = rows * columns
    return _Cut(rows, columns, -(-whole // round(whole / wanted)) if whole > wanted else whole * -(-wanted // whole))


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

    def packed(self, tiles: int) -> Tensor:
        """As 1 x 1 filters (36 K, C, 1, 1) in 36 groups, in the order that oneDNN wants for so many tiles."""
        if tiles not in self._packed:
            weight = self._weight.flip(2, 3).transpose(0, 1) if self._back else self._weight
            inputs = weight.shape[1]
            by_position = weight.permute(2, 3, 0, 1).reshape(9, -1)
            one = torch.tensor(_G_TIMES_24, dtype=torch.float32, device="cpu")
            points = torch.kron(one, one) / 24**2 @ by_position
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
    kernels = _kernels()
    assert kernels is not None  # without them no layer suits
    into_points, into_pixels = kernels
    by_pixel = x.permute(0, 2, 3, 1).contiguous()
    samples, height, width, inputs = by_pixel.shape
    # Not a view: what a function of autograd returns may be changed in place, but for views.
    shape = samples, filters.outputs, height, width
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    points = x.new_empty(cut.tiles, _POINTS * inputs)
    shift = x.new_zeros(filters.outputs) if bias is None else bias.contiguous()
    packed, threads = filters.packed(cut.tiles), torch.get_num_threads()
    there = _job(cut, by_pixel, points, shift)
    back = _job(cut, y.permute(0, 2, 3, 1), points, shift)
    total = samples * cut.rows * cut.columns
    for first in range(0, total, cut.tiles):
        # The last tiles go together with some that are done.
        there["first"] = back["first"] = min(first, total - cut.tiles)
        into_points(there, threads)
        products = _multiplied(points, packed)
        back["points"] = products.data_ptr()
        into_pixels(back, threads)
    return y


def _job(cut: _Cut, pixels: Tensor, points: Tensor, bias: Tensor) -> np.ndarray:
    """What the kernels are told, of pixels (N, H, W, C)."""
    from .winograd_kernels import JOB

    job = np.zeros((), JOB)
    job["rows"], job["columns"], job["tiles"] = cut
    job["pictures"], job["height"], job["width"], job["channels"] = pixels.shape
    job["pixels"], job["points"], job["bias"] = (each.data_ptr() for each in (pixels, points, bias))
    return job


def _multiplied(points: Tensor, packed: Tensor) -> Tensor:
    """(tiles, 36 C) times the filters of each point: (tiles, 36 K).

    To oneDNN this is a convolution of one picture with the tiles as its pixels: 95 to 110 billion multiplications a
    second on two cores of a Zen 4, on which batched products of matrices come to 50 to 90.
    """
    picture = points.view(1, len(points), 1, -1).permute(0, 3, 1, 2)
    products: Tensor = torch.ops.mkldnn._convolution_pointwise(
        picture, packed, None, *_POINTWISE, _POINTS, "none", [], ""
    )
    return products.permute(0, 2, 3, 1)
