"""Torch's fused attention by its formula, so that a rule for softmax finds the one inside."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from .protocol import Tensor

_CLOSED = {
    "_scaled_dot_product_attention_math": ("softmax",),
    "_scaled_dot_product_flash_attention_for_cpu": ("softmax",),
    "_scaled_dot_product_flash_attention": ("softmax",),
    "_scaled_dot_product_efficient_attention": ("softmax",),
    "_scaled_dot_product_cudnn_attention": ("softmax",),
    "_scaled_dot_product_fused_attention_overrideable": ("softmax",),
    "_flash_attention_forward": ("softmax",),
    "_efficient_attention_forward": ("softmax",),
    "_native_multi_head_attention": ("softmax", "linear"),
    "_transformer_encoder_layer_fwd": ("softmax", "linear", "relu", "gelu"),
}


@functools.cache
def spellings() -> frozenset[Any]:
    """The callables that `attention` computes as well, with the same arguments."""
    return frozenset({functional.scaled_dot_product_attention, *_spellings("scaled_dot_product_attention")})


@functools.cache
def closed() -> dict[Any, tuple[str, tuple[str, ...]]]:
    """Kernels that are not written out: their names, and the operations inside."""
    return {function: (name, inside) for name, inside in _CLOSED.items() for function in _spellings(name)}


def _spellings(name: str) -> Iterator[Any]:
    packet = getattr(torch.ops.aten, name, None)
    if packet is None:
        return
    yield packet
    yield from (getattr(packet, overload) for overload in packet.overloads())
    if hasattr(torch, name):
        yield getattr(torch, name)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(q kᵀ / √d + mask) v``; where the masks leave nothing it is 0, as from the kernels."""
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    if enable_gqa:
        key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
    scores = torch.matmul(query * factor, key.transpose(-2, -1))
    masks = [] if attn_mask is None else [attn_mask]
    if is_causal:
        masks.append(torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril())
    for mask in masks:
        scores = scores.masked_fill(mask.logical_not(), -math.inf) if mask.dtype == torch.bool else scores + mask
    weights = torch.dropout(torch._safe_softmax(scores, -1), dropout_p, True)
    return torch.matmul(weights, value)
