"""Torch's normalisations and distances on Paddle tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .arithmetic import clamp
from .reductions import norm
from .table import dtype_name, exactly, function, paddle
from .weighted import pad_zeros


@function()
def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)


@function()
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    return paddle.sum(normalize(x1, dim=dim, eps=eps) * normalize(x2, dim=dim, eps=eps), axis=dim)


@function()
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return norm(x1 - x2 + exactly(eps, x1), p, -1, keepdim)


def standardised(x: Any, axes: Sequence[int], eps: float) -> Any:
    """Zero mean and unit variance over some axes; Paddle's own layers round eps to single precision."""
    centred = x - paddle.mean(x, axis=list(axes), keepdim=True)
    variance = paddle.mean(centred * centred, axis=list(axes), keepdim=True)
    return centred / paddle.sqrt(variance + exactly(eps, x))


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
    floor = float(np.finfo(dtype_name(input)).eps)
    squares = paddle.mean(input * input, axis=axes, keepdim=True)
    x = input / paddle.sqrt(squares + exactly(floor if eps is None else eps, input))
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
        count = math.prod(input.shape) // input.shape[1]
        if count < 2:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
        if running_mean is not None:
            mean = paddle.mean(input.detach(), axis=axes)
            deviation = by_channel(input.detach(), None, -mean)
            variance = paddle.sum(deviation * deviation, axis=axes) / (count - 1)
            for old, new in ((running_mean, mean), (running_var, variance)):
                paddle.assign((1 - momentum) * old + momentum * new, old)
        return by_channel(standardised(input, axes, eps), weight, bias)
    shifted = by_channel(input, None, -running_mean)
    return by_channel(by_channel(shifted, 1 / paddle.sqrt(running_var + exactly(eps, input)), None), weight, bias)


@function()
def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    channels = input.shape[1]
    sides = [0, 0] * (input.ndim - 2) + [size // 2, (size - 1) // 2]
    squares = pad_zeros(input * input, sides)
    total = sum(squares[:, start : start + channels] for start in range(size))
    base = total * exactly(alpha / size, input) + exactly(k, input)
    return input / base ** exactly(beta, input)
