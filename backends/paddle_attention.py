"""Paddle's fused softmax by its formula, and the kernels of whole attentions, whose softmax no rule can find."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import paddle
from paddle.nn import functional

from .protocol import Tensor

_CLOSED = {
    **dict.fromkeys(
        (
            "flash_attn",
            "flash_attn_qkvpacked",
            "flash_attn_unpadded",
            "flash_attn_v3",
            "flash_attn_v3_varlen",
            "flash_attn_varlen_qkvpacked",
            "flashmask_attention",
            "flashmask_attention_v2",
            "fused_dot_product_attention",
            "fused_gate_attention",
            "memory_efficient_attention",
            "variable_length_memory_efficient_attention",
            "self_dp_attention",
            "sparse_attention",
            "sparse_fused_attention",
            "block_multihead_attention",
            "masked_multihead_attention",
        ),
        ("softmax",),
    ),
    "fused_attention": ("softmax", "linear"),
    "fused_feedforward": ("linear", "relu", "gelu"),
    "fused_multi_transformer": ("softmax", "linear", "relu", "gelu"),
}


def written_out() -> Iterator[tuple[Callable[..., Any], Callable[..., Any]]]:
    """Compiled softmaxes that add a mask first, and what computes the same in two steps."""
    for operators in (paddle._C_ops, paddle._legacy_C_ops):
        for name, formula in (("fused_softmax_mask", _masked), ("fused_softmax_mask_upper_triangle", _causal)):
            if hasattr(operators, name):
                yield getattr(operators, name), formula


def closed() -> Iterator[tuple[Callable[..., Any], str, tuple[str, ...]]]:
    """Kernels that are not written out, their names, and the operations inside."""
    for operators in (paddle._C_ops, paddle._legacy_C_ops):
        for name, inside in _CLOSED.items():
            for spelling in (name, name + "_"):
                if hasattr(operators, spelling):
                    yield getattr(operators, spelling), name, inside


def _masked(x: Tensor, mask: Tensor) -> Tensor:
    return functional.softmax(x + mask)


def _causal(x: Tensor) -> Tensor:
    later = paddle.triu(paddle.ones(x.shape[-2:], dtype="int32"), 1).astype("bool")
    return functional.softmax(paddle.where(later, paddle.full([], -math.inf, dtype=x.dtype), x))
