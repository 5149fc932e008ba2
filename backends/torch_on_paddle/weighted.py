"""Torch's linear maps, convolutions and embeddings on Paddle tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .table import FUNCTIONS, function, paddle

functional = paddle.nn.functional

Sizes = int | Sequence[int]


@function()
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    return functional.linear(input, paddle.transpose(weight, [1, 0]), bias)


@function()
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    outputs, first, second = weight.shape
    rows = paddle.reshape(paddle.transpose(weight, [1, 0, 2]), [first, outputs * second])
    halves = paddle.reshape(paddle.matmul(input1, rows), [*input1.shape[:-1], outputs, second])
    product = paddle.sum(halves * paddle.unsqueeze(input2, -2), axis=-1)
    return product if bias is None else product + bias


def _convolution(axes: int) -> Any:
    convolve = getattr(functional, f"conv{axes}d")

    def conv(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Sizes = 1,
        padding: Any = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Any:
        if padding == "valid":
            padding = 0
        elif padding == "same":
            # Paddle's own SAME takes every dilation to be 1.
            total = [d * (k - 1) for d, k in zip(per_axis(dilation, axes), weight.shape[2:], strict=True)]
            padding = [n // 2 for n in total]
            if any(n % 2 for n in total):
                sides = [side for n in reversed(total) for side in (n // 2, n - n // 2)]
                input, padding = pad_zeros(input, sides), 0
        return convolve(
            input,
            weight,
            bias,
            stride=per_axis(stride, axes),
            padding=per_axis(padding, axes),
            dilation=per_axis(dilation, axes),
            groups=groups,
        )

    return conv


def _transposed(axes: int) -> Any:
    convolve = getattr(functional, f"conv{axes}d_transpose")

    def conv(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        dilation: Sizes = 1,
    ) -> Any:
        return convolve(
            input,
            weight,
            bias,
            stride=per_axis(stride, axes),
            padding=per_axis(padding, axes),
            output_padding=per_axis(output_padding, axes),
            groups=groups,
            dilation=per_axis(dilation, axes),
        )

    return conv


FUNCTIONS |= {f"conv{axes}d": _convolution(axes) for axes in (1, 2, 3)}
FUNCTIONS |= {f"conv_transpose{axes}d": _transposed(axes) for axes in (1, 2, 3)}


def per_axis(value: Any, axes: int) -> list[int]:
    """One number, or one for each spatial axis, as one for each."""
    listed = [value] if isinstance(value, int) else list(value)
    return listed * axes if len(listed) == 1 else listed


def pad_zeros(x: Any, sides: Sequence[int], value: float = 0.0) -> Any:
    """Pad the last axes with a number; `sides` as torch counts them, from the last axis on."""
    for axis, (before, after) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        at = x.ndim - 1 - axis
        parts = [
            paddle.full([*x.shape[:at], count, *x.shape[at + 1 :]], value, dtype=x.dtype) for count in (before, after)
        ]
        kept = [t for t in (parts[0], x, parts[1]) if t.shape[at]]
        x = paddle.concat(kept, axis=at) if len(kept) > 1 else x
    return x


@function(scale_grad_by_freq=(False,), sparse=(False,), max_norm=(None,))
def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    rows = functional.embedding(input, weight)
    if padding_idx is None:
        return rows
    # Torch gives the padding's row no gradient; Paddle's own would also blank its values.
    padded = paddle.unsqueeze(input == padding_idx % weight.shape[0], -1)
    return paddle.where(paddle.expand(padded, rows.shape), rows.detach(), rows)


@function()
def one_hot(tensor: Any, num_classes: int) -> Any:
    return functional.one_hot(tensor, num_classes).astype("int64")
