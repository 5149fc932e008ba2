"""Attention rollout: how much of every patch arrives at a token if attention were all that mixes tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model
from ...backends.objective import Target
from ...backends.protocol import Tensor
from ...errors import MethodError
from ..cams.running import settled
from ..checks import check_flags, non_negative, pictures
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .matrices import Watch, by_head, rows_at_once
from .tokens import Grid, Token, check_tokens, layout_of

Heads: TypeAlias = Literal["mean", "max", "min"]

_FUSED: dict[Heads, Callable[..., Array]] = {"mean": np.mean, "max": np.max, "min": np.min}


def mixing(attention: Array, heads: Heads, discard: float) -> Array:
    """``½ A + ½ I`` with rows that sum to 1, where A is made of all heads.

    Parameters
    ----------
    attention : ndarray (N, heads, T, T)
    heads : {"mean", "max", "min"}
    discard : float
        Share of A's smallest entries that are set to 0, in each sample by itself.

    Returns
    -------
    ndarray (N, T, T)
    """
    fused = _FUSED[heads](attention, axis=1)
    if discard:
        flat = fused.reshape(len(fused), -1)
        lowest = np.argsort(flat, axis=1)[:, : int(discard * flat.shape[1])]
        np.put_along_axis(flat, lowest, 0, axis=1)
    mixed = (fused + np.eye(fused.shape[-1])) / 2
    normalised: Array = mixed / mixed.sum(axis=-1, keepdims=True)
    return normalised


@register(
    "attention_rollout",
    family="attention",
    paper="Quantifying Attention Flow in Transformers (Abnar and Zuidema, 2020, arXiv:2005.00928)",
    needs="activations",
    error="share left out: what the token takes from tokens that are no patches",
)
def attention_rollout(
    model: Model,
    x: Array,
    target: Target,
    *,
    heads: Heads = "mean",
    discard: float = 0.0,
    grid: Grid = None,
    token: Token = None,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``Â_L ... Â_2 Â_1`` with ``Â = ½ A + ½ I``: A is the heads' mean attention of a layer, I its residual path.

    No class is explained: the target is not used, and none is recorded. What values, MLPs and the head make of the
    tokens does not count. The values are maps (N, 1, H, W) of shares; at the patches' own size they sum to 1 less the
    error estimate.

    For transformers on pictures in which all tokens look at all tokens, with one number of tokens throughout. Attention
    is seen as a softmax along the last axis, however it is written. Mixing of heads after the softmax is not seen.

    Parameters
    ----------
    heads : {"mean", "max", "min"}
        How the heads' matrices become one. The paper takes the mean.
    discard : float
        Share of each matrix's smallest entries that are left out, 0 to below 1. The paper leaves out none.
    grid : (int, int) or None
        Rows and columns of the patches, which are the last tokens, row by row. None takes those of the last
        convolution before the first attention; ``extras["leading"]`` says how many tokens then come before.
    token : int, "mean" or None
        Whose view is shown: a token by its number, or the mean over all patches. None is token 0, the class token, if
        there are tokens before the patches, and the mean otherwise.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    pictures(x, "attention_rollout")
    check_flags(upsample=upsample)
    grid, token = check_tokens(grid, token)
    if heads not in get_args(Heads):
        raise MethodError(f"heads={heads!r} is not known.", "Choose mean, max or min.")
    if non_negative("discard", discard) >= 1:
        raise MethodError(f"discard={discard!r} leaves nothing.", "Pass discard=0.9, for example.")
    backend = model.backend
    rows, scores = [], []
    # One interception around all the others: on Paddle, setting the first one up takes a while.
    with backend.frozen(model.net), backend.no_grad(), backend.intercept({}):
        for part in chunks(len(x), rows_at_once(model, x, batch_size)):
            piece = x[part]
            mixed: list[Array] = []

            def keep(y: Tensor, samples: int = len(piece), mixed: list[Array] = mixed) -> None:
                mixed.append(mixing(by_head(backend.numpy(y), samples), heads, discard))

            watch = Watch(model, len(piece), keep)
            scores.append(backend.numpy(watch.scores(model.tensor(piece))))
            layout = layout_of(watch.tokens, watch.convolution, grid, token)
            rows.append(layout.carried(mixed))
    joined, said = np.concatenate(rows), np.concatenate(scores)
    if target is not None:
        settled(target, said)
    error = ErrorEstimate(
        "share left out",
        joined[:, : layout.leading].sum(axis=1),
        "Share of the token's view that stays on tokens that are no patches, such as itself: the map at the patches' "
        "own size sums to 1 less this.",
    )
    return layout.attribution(x, joined, said, None, upsample, error)
