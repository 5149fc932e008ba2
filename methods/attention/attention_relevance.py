"""Attention relevance: attention weighted with the gradient of a class, carried from layer to layer."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ..cams.running import settled
from ..checks import check_flags, pictures
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .matrices import Watch, Weighing, rows_at_once
from .tokens import Grid, Token, check_tokens, layout_of


class _Relevance:
    """``mean over heads of (∇A ⊙ A)⁺``, and how much the negative parts are that are left out."""

    def __init__(self, samples: int) -> None:
        self._kept, self._clipped = np.zeros(samples), np.zeros(samples)

    def __call__(self, attention: Array, gradient: Array) -> Array:
        product = gradient * attention
        above = np.maximum(product, 0)
        self._kept += above.sum(axis=(1, 2, 3))
        self._clipped += (above - product).sum(axis=(1, 2, 3))
        relevant: Array = above.mean(axis=1)
        return relevant

    def share_clipped(self) -> Array:
        """What is below 0, as a share of the absolute sum, (N,)."""
        products = self._kept + self._clipped
        return np.divide(self._clipped, products, out=np.zeros_like(products), where=products > 0)


@register(
    "attention_relevance",
    family="attention",
    paper="Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers "
    "(Chefer et al., 2021, arXiv:2103.15679)",
    needs="gradient",
    error="share clipped: the part of gradient times attention that is below 0 and does not count",
)
def attention_relevance(
    model: Model,
    x: Array,
    target: Target,
    *,
    of: Of = "logit",
    grid: Grid = None,
    token: Token = None,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``R <- R + mean_heads((∇A ⊙ A)⁺) R`` from layer to layer, from ``R = I``: A is the attention, ∇A its gradient.

    The gradient is that of the explained score by the attention, through all that comes after. Negative products, which
    speak against the class, are set to 0, as in the paper; the error estimate says how much they are. The values are
    maps (N, 1, H, W), not below 0.

    For transformers on pictures in which all tokens look at all tokens, with one number of tokens throughout. Attention
    is seen as a softmax along the last axis, however it is written.

    Parameters
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    grid : (int, int) or None
        Rows and columns of the patches, which are the last tokens, row by row. None takes those of the last
        convolution before the first attention; ``extras["leading"]`` says how many tokens then come before.
    token : int, "mean" or None
        Whose row of R is shown: a token's by its number, or the mean over all patches. None is token 0, the class
        token, if there are tokens before the patches, and the mean otherwise.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    pictures(x, "attention_relevance")
    check_flags(upsample=upsample)
    grid, token = check_tokens(grid, token)
    backend, listed = model.backend, per_sample(target, len(x))
    rows, scores, shares = [], [], []
    # One interception around all the others: on Paddle, setting the first one up takes a while.
    with backend.frozen(model.net), backend.intercept({}):
        for part in chunks(len(x), rows_at_once(model, x, batch_size)):
            piece = x[part]
            relevance = _Relevance(len(piece))
            found = Weighing(model, len(piece), relevance)
            watch = Watch(model, len(piece), found.keep)
            leaf = backend.leaf(model.tensor(piece))
            native = watch.scores(leaf)
            layout = layout_of(watch.tokens, watch.convolution, grid, token)
            backend.grad(backend.sum(model.explained(native, listed(part), of)), [leaf])
            found.check()
            # What a token of one's own choice has gathered in earlier layers may matter nevertheless.
            for reached in found.reached[-1] if token is None else ():
                layout.check_reached(reached)
            rows.append(layout.carried([np.eye(watch.tokens) + relevant for relevant in found.weighed]))
            scores.append(backend.numpy(native))
            shares.append(relevance.share_clipped())
    joined = np.concatenate(scores)
    error = ErrorEstimate(
        "share clipped",
        np.concatenate(shares),
        "Share of the absolute sum of gradient times attention, over all layers, heads and tokens, that is below 0 and "
        "set to 0: what speaks against the class and is not in the map.",
    )
    return layout.attribution(x, np.concatenate(rows), joined, settled(target, joined), upsample, error)
