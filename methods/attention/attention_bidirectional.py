"""Bidirectional attention: heads weighted by what they mean to the score, times what the score says back."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ..baselines import Baseline
from ..checks import check_flags, pictures
from ..explanation import Array
from ..layers.path import path_start
from ..registry import Attribution, register
from .feedback import Perceived, check_steps, first_layer, weighted_by_feedback
from .matrices import Watch, Weighing, rows_at_once
from .tokens import Grid, Token, check_tokens, layout_of


def fused_by_importance(attention: Array, gradient: Array) -> Array:
    """``Σ_h I_h A_h`` with ``I_h = mean|A_hᵀ ∇A_h|`` as shares of their sum; 0 where no head means anything.

    Parameters
    ----------
    attention, gradient : ndarray (N, heads, T, T)

    Returns
    -------
    ndarray (N, T, T)
    """
    importance = np.abs(attention.swapaxes(-1, -2) @ gradient).mean(axis=(-1, -2))
    total = importance.sum(axis=1, keepdims=True)
    shares = np.divide(importance, total, out=np.zeros_like(importance), where=total > 0)
    fused: Array = np.einsum("nh,nhij->nij", shares, attention)
    return fused


@register(
    "attention_bidirectional",
    family="attention",
    paper="Beyond Intuition: Rethinking Token Attributions inside Transformers (Chen et al., 2022, TMLR)",
    needs="gradient",
    error="quadrature gap: norm of the map minus the map with half the steps",
)
def attention_bidirectional(
    model: Model,
    x: Array,
    target: Target,
    *,
    of: Of = "logit",
    start_layer: int | None = None,
    steps: int = 20,
    baseline: Baseline = 0.0,
    grid: Grid = None,
    token: Token = None,
    upsample: bool = True,
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``(I + Â_L) ... (I + Â_s) ⊙ mean_heads((∫₀¹ ∇A_L dα)⁺)``: Â weighs a layer's heads A_h with ``mean|A_hᵀ ∇A_h|``.

    The weights of a layer's heads sum to 1. The first factor, the attention perception, is taken on the input: it is
    the paper's head-wise one. The token-wise one needs the tokens and projected values of every layer, which a softmax
    does not show. In the second, the reasoning feedback, the gradient of the explained score by the last attention is
    integrated over the inputs on the straight path from the baseline; what is negative then, and speaks against the
    class, is set to 0. Of the product the explained token's row is shown. The values are maps (N, 1, H, W), not below
    0.

    The integral is approximated by the Gauss–Legendre rule, and once more with half the steps, which takes half as
    many gradients again: their difference is the error estimate. ``extras["share_clipped"]`` is the share of the
    integral, in the shown rows, that is below 0: where it is 1, nothing speaks for the class and the map is 0.

    For transformers on pictures in which all tokens look at all tokens, with one number of tokens throughout. Attention
    is seen as a softmax along the last axis, however it is written.

    Parameters
    ----------
    of : {"logit", "probability", "log_probability", "loss"}
        What is differentiated.
    start_layer : int or None
        The first attention that counts, s above, from 0. None leaves out the first quarter, as the authors' experiments
        do with 3 of 12.
    steps : int
        Points on the path, 2 or more.
    baseline : number, array, {"blur", "mean", "noise"}
        Where the path starts: one number, one sample, one per sample, or made of the input. 0 is black. The authors' 0
        is that of pictures normalised with mean 0.5, which is grey here: ``baseline=0.5``.
    grid : (int, int) or None
        Rows and columns of the patches, which are the last tokens, row by row. None takes those of the last
        convolution before the first attention; ``extras["leading"]`` says how many tokens then come before.
    token : int, "mean" or None
        Whose row is shown: a token's by its number, or the mean over all patches. None is token 0, the class token, if
        there are tokens before the patches, and the mean otherwise. The score has to depend on what the token looks at
        in the last attention: pass "mean" for a network that averages its patches beside a class token.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    seed : int
        Of the noise baseline.
    batch_size : int or "auto"
        How many inputs run at once, those on the paths too.
    """
    pictures(x, "attention_bidirectional")
    check_flags(upsample=upsample)
    grid, token = check_tokens(grid, token)
    steps, start = check_steps(steps), path_start(baseline, x, seed)
    backend, listed = model.backend, per_sample(target, len(x))
    views, scores = [], []
    # One interception around all the others: on Paddle, setting the first one up takes a while.
    with backend.frozen(model.net), backend.intercept({}):
        size = rows_at_once(model, x, batch_size, steps)
        for part in chunks(len(x), size):
            piece = x[part]
            found = Weighing(model, len(piece), fused_by_importance)
            watch = Watch(model, len(piece), found.keep)
            leaf = backend.leaf(model.tensor(piece))
            native = watch.scores(leaf)
            layout = layout_of(watch.tokens, watch.convolution, grid, token)
            first = first_layer(start_layer, len(found.weighed), len(found.weighed) // 4)
            backend.grad(backend.sum(model.explained(native, listed(part), of)), [leaf])
            found.check()
            views.append(layout.views([np.eye(watch.tokens) + fused for fused in found.weighed[first:]]))
            scores.append(backend.numpy(native))
        perceived = Perceived(np.concatenate(views), np.concatenate(scores), len(found.weighed), layout)
        return weighted_by_feedback(model, x, target, of, perceived, start, steps, size, upsample)
