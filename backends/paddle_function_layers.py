"""Torch's functions of neural networks, except pooling and padding, on Paddle tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .paddle_functions import FUNCTIONS, clamp, function, implicit_axis, is_floating, paddle, single
from .paddle_function_reductions import norm

functional = paddle.nn.functional

Sizes = int | Sequence[int]

# -- activations -----------------------------------------------------------------------------------------------

FUNCTIONS |= {
    "sigmoid": functional.sigmoid,
    "tanhshrink": functional.tanhshrink,
    "softsign": functional.softsign,
    "logsigmoid": functional.log_sigmoid,
    "prelu": lambda input, weight: functional.prelu(input, weight),
    "pixel_unshuffle": functional.pixel_unshuffle,
    "channel_shuffle": functional.channel_shuffle,
    "pixel_shuffle": functional.pixel_shuffle,
    "one_hot": lambda tensor, num_classes: paddle.nn.functional.one_hot(tensor, num_classes).astype("int64"),
}


@function()
def relu(input: Any, inplace: bool = False) -> Any:
    return functional.relu(input)


@function()
def relu6(input: Any, inplace: bool = False) -> Any:
    return functional.relu6(input)


@function()
def silu(input: Any, inplace: bool = False) -> Any:
    return functional.silu(input)


@function()
def mish(input: Any, inplace: bool = False) -> Any:
    return functional.mish(input)


@function()
def hardswish(input: Any, inplace: bool = False) -> Any:
    return functional.hardswish(input)


@function()
def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    return functional.hardsigmoid(input, slope=1 / 6, offset=0.5)


@function()
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    return functional.leaky_relu(input, negative_slope)


@function()
def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    return functional.elu(input, alpha)


@function()
def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    # Paddle rounds alpha to single precision.
    return paddle.where(input > 0, input, alpha * paddle.expm1(clamp(input, max=0.0) / alpha))


@function()
def selu(input: Any, inplace: bool = False) -> Any:
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return scale * paddle.where(input > 0, input, alpha * paddle.expm1(clamp(input, max=0.0)))


@function()
def gelu(input: Any, approximate: str = "none") -> Any:
    return functional.gelu(input, approximate=approximate == "tanh")


@function()
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return functional.softplus(input, beta, threshold)


@function()
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    if single(min_val) and single(max_val):
        return functional.hardtanh(input, min_val, max_val)
    return clamp(input, min_val, max_val)


@function()
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    return input * (paddle.abs(input) > lambd).astype(input.dtype)


@function()
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    return paddle.sign(input) * functional.relu(paddle.abs(input) - lambd)


@function()
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    return paddle.where(input > threshold, input, paddle.full_like(input, value))


@function()
def rrelu(
    input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Any:
    return functional.rrelu(input, lower, upper, training) if training else leaky_relu(input, (lower + upper) / 2)


@function()
def glu(input: Any, dim: int = -1) -> Any:
    first, second = paddle.split(input, 2, axis=dim)
    return first * functional.sigmoid(second)


@function("special_softmax")
def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: str | None = None) -> Any:
    return functional.softmax(input, axis=implicit_axis(input) if dim is None else dim, dtype=dtype)


@function()
def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: str | None = None) -> Any:
    return softmax(-input, dim, dtype=dtype)


# -- weighted sums ---------------------------------------------------------------------------------------------


@function()
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    return functional.linear(input, paddle.transpose(weight, [1, 0]), bias)


@function()
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    product = paddle.einsum("...i,oij,...j->...o", input1, weight, input2)
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
    listed = [int(value)] if isinstance(value, int) else [int(v) for v in value]
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


# -- normalisation ---------------------------------------------------------------------------------------------


@function()
def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)


@function()
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    return paddle.sum(normalize(x1, dim=dim, eps=eps) * normalize(x2, dim=dim, eps=eps), axis=dim)


@function()
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return norm(x1 - x2 + eps, p, -1, keepdim)


def standardised(x: Any, axes: Sequence[int], eps: float) -> Any:
    """Zero mean and unit variance over some axes; Paddle's own layers round eps to single precision."""
    centred = x - paddle.mean(x, axis=list(axes), keepdim=True)
    return centred / paddle.sqrt(paddle.mean(centred * centred, axis=list(axes), keepdim=True) + eps)


def by_channel(x: Any, weight: Any, bias: Any) -> Any:
    """Scale and shift each channel, where there is something to do it with."""
    shape = [1, -1, *[1] * (x.ndim - 2)]
    x = x if weight is None else x * paddle.reshape(weight, shape)
    return x if bias is None else x + paddle.reshape(bias, shape)


@function()
def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    x = standardised(input, range(-len(normalized_shape), 0), eps)
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@function()
def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    axes = list(range(-len(normalized_shape), 0))
    floor = {"float32": 1.1920928955078125e-07, "float64": 2.220446049250313e-16}[str(input.dtype).split(".")[-1]]
    x = input / paddle.sqrt(paddle.mean(input * input, axis=axes, keepdim=True) + (floor if eps is None else eps))
    return x if weight is None else x * weight


@function()
def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    grouped = paddle.reshape(input, [input.shape[0], num_groups, -1])
    return by_channel(paddle.reshape(standardised(grouped, [-1], eps), input.shape), weight, bias)


@function(use_input_stats=(True,))
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    return by_channel(standardised(input, range(2, input.ndim), eps), weight, bias)


@function()
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    axes = [0, *range(2, input.ndim)]
    if training:
        if running_mean is not None:
            count = math.prod(input.shape) // input.shape[1]
            mean = paddle.mean(input.detach(), axis=axes)
            deviation = by_channel(input.detach(), None, -mean)
            variance = paddle.sum(deviation * deviation, axis=axes) / (count - 1)
            for old, new in ((running_mean, mean), (running_var, variance)):
                paddle.assign((1 - momentum) * old + momentum * new, old)
        return by_channel(standardised(input, axes, eps), weight, bias)
    shifted = by_channel(input, None, -running_mean)
    return by_channel(by_channel(shifted, 1 / paddle.sqrt(running_var + eps), None), weight, bias)


@function()
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    channels = input.shape[1]
    sides = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad_zeros(input * input, sides)
    total = sum(squares[:, start : start + channels] for start in range(size))
    base = k + alpha / size * total
    return input / base ** paddle.full([], beta, dtype=input.dtype)


# -- chance ----------------------------------------------------------------------------------------------------


@function()
def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return functional.dropout(input, p, training=training)


@function("dropout1d", "dropout2d", "dropout3d")
def feature_dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return functional.dropout(input, p, axis=[0, 1], training=training)


@function()
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    return functional.alpha_dropout(input, p, training=training)


@function()
def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """Torchvision's: whole branches are left out."""
    if not training or p == 0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    kept = paddle.full([rows, *[1] * (input.ndim - 1)], 1 - p, dtype=input.dtype)
    return input * paddle.bernoulli(kept) / (1 - p if p < 1 else 1)


# -- attention -------------------------------------------------------------------------------------------------


@function(enable_gqa=(False,))
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = paddle.matmul(query * factor, key, transpose_y=True)
    if is_causal:
        attn_mask = paddle.tril(paddle.ones(scores.shape[-2:], dtype="int32")).astype("bool")
    scores = masked(scores, attn_mask)
    weights = functional.softmax(scores, axis=-1)
    if dropout_p:
        weights = functional.dropout(weights, dropout_p, training=True)
    return paddle.matmul(weights, value)


def masked(scores: Any, mask: Any) -> Any:
    """Add a mask of numbers to scores; a mask of truth values keeps scores where it is true."""
    if mask is None or is_floating(mask):
        return scores if mask is None else scores + mask
    minus_infinity = paddle.full([], -math.inf, dtype=scores.dtype)
    return paddle.where(paddle.expand(mask, scores.shape), scores, minus_infinity)
