"""Torch's attention on Paddle: the function, and the layer with torch's weights, which Paddle's own keeps apart."""

from __future__ import annotations

import math
from typing import Any

from .table import function, is_floating, paddle

nn, functional = paddle.nn, paddle.nn.functional


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
    softmax = functional.softmax if attn_mask is None else kernel_softmax
    weights = softmax(masked(scores, attn_mask))
    if dropout_p:
        weights = functional.dropout(weights, dropout_p, training=True)
    return paddle.matmul(weights, value)


def kernel_softmax(scores: Any) -> Any:
    """Softmax as in torch's fused attention: what a mask leaves nothing gets 0, also as its gradient."""
    nothing = paddle.max(scores, axis=-1, keepdim=True) == -math.inf
    zeros = paddle.zeros_like(scores)
    return paddle.where(nothing, zeros, functional.softmax(paddle.where(nothing, zeros, scores), axis=-1))


def masked(scores: Any, mask: Any) -> Any:
    """Add a mask of numbers to scores; a mask of truth values keeps scores where it is true."""
    if mask is None or is_floating(mask):
        return scores if mask is None else scores + mask
    minus_infinity = paddle.full([], -math.inf, dtype=scores.dtype)
    return paddle.where(paddle.expand(mask, scores.shape), scores, minus_infinity)


class MultiheadAttention(nn.Layer):  # type: ignore[name-defined]
    """Several attentions side by side, in torch's spelling.

    Parameters
    ----------
    embed_dim, num_heads : int
    dropout : float
        Share of the attention weights left out in training.
    bias : bool
    batch_first : bool
        Whether inputs are (samples, places, features) or (places, samples, features).
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float, bias: bool, batch_first: bool) -> None:
        super().__init__()
        self.num_heads, self.dropout, self.batch_first = num_heads, dropout, batch_first
        self.in_proj_weight = self.create_parameter([3 * embed_dim, embed_dim])
        self.in_proj_bias = self.create_parameter([3 * embed_dim], is_bias=True) if bias else None
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias_attr=None if bias else False)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend; returns the result and, where wanted, the weights (samples, [heads,] to, from)."""
        inputs = [t if self.batch_first else paddle.transpose(t, [1, 0, 2]) for t in (query, key, value)]
        q, k, v = (self._projected(t, part) for part, t in enumerate(inputs))
        scores = paddle.matmul(q * q.shape[-1] ** -0.5, k, transpose_y=True)
        if attn_mask is not None:
            if attn_mask.ndim == 3:
                attn_mask = paddle.reshape(attn_mask, scores.shape)
            scores = masked(scores, _allowed(attn_mask))
        if key_padding_mask is not None:
            scores = masked(scores, _allowed(paddle.unsqueeze(key_padding_mask, [1, 2])))
        # Torch's own layer calls the fused attention where nobody asks for the weights.
        masks = attn_mask is not None or key_padding_mask is not None
        softmax = kernel_softmax if masks and not need_weights else functional.softmax
        weights = functional.dropout(softmax(scores), self.dropout, training=self.training)
        joined = paddle.transpose(paddle.matmul(weights, v), [0, 2, 1, 3])
        out = self.out_proj(paddle.reshape(joined, [*joined.shape[:2], -1]))
        out = out if self.batch_first else paddle.transpose(out, [1, 0, 2])
        if not need_weights:
            return out, None
        return out, paddle.mean(weights, axis=1) if average_attn_weights else weights

    def _projected(self, x: Any, part: int) -> Any:
        weights = paddle.chunk(self.in_proj_weight, 3, axis=0)[part]
        bias = None if self.in_proj_bias is None else paddle.chunk(self.in_proj_bias, 3, axis=0)[part]
        projected = functional.linear(x, paddle.transpose(weights, [1, 0]), bias)
        heads = paddle.reshape(projected, [*projected.shape[:2], self.num_heads, -1])
        return paddle.transpose(heads, [0, 2, 1, 3])


def _allowed(mask: Any) -> Any:
    """Torch's masks of truth values name what is left out."""
    return paddle.logical_not(mask) if mask.dtype == paddle.bool else mask
