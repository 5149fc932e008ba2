"""Attention relevance: attention weighted with the gradient of a class, carried from layer to layer."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ...backends.protocol import Tensor
from ...errors import NoGradientError
from ..cams.running import settled
from ..checks import check_flags, finite_gradient, pictures
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .matrices import Watch, by_head, rows_at_once
from .tokens import Grid, Token, check_tokens, layout_of


class _Weighted:
    """The attentions of one run, each weighted with its gradient as soon as that is known.

    Attributes
    ----------
    relevant : list of ndarray (N, T, T)
        ``mean over heads of (∇A ⊙ A)⁺``, the first layer's first.
    """

    def __init__(self, model: Model, samples: int) -> None:
        self.relevant: list[Array] = []
        self._kept, self._clipped = np.zeros(samples), np.zeros(samples)
        self._reached = self._cut = False
        self._backend = model.backend
        self._samples = samples

    def keep(self, y: Tensor) -> None:
        """Note an attention, and ask for its gradient."""
        attention, place = self._backend.numpy(y), len(self.relevant)
        self.relevant.append(np.zeros((self._samples, *attention.shape[-2:])))
        if not self._backend.takes_gradient(y):
            self._cut = True
        else:
            self._backend.on_grad(y, lambda gradient: self._weigh(place, attention, gradient))

    def _weigh(self, place: int, attention: Array, gradient: Tensor) -> None:
        native = finite_gradient(self._backend.numpy(gradient))
        product = by_head(native, self._samples) * by_head(attention, self._samples)
        above = np.maximum(product, 0)
        self.relevant[place] = above.mean(axis=1)
        self._kept += above.sum(axis=(1, 2, 3))
        self._clipped += (above - product).sum(axis=(1, 2, 3))
        self._reached = True

    def check(self) -> None:
        """Raise `NoGradientError` unless every attention took a gradient, and some arrived."""
        if self._cut or not self._reached:
            raise NoGradientError(
                "The gradient of the explained score does not arrive at every attention.",
                "Look for detach, no_grad, and parts that are computed twice (checkpoint, recompute) in the network; "
                "attention_rollout needs no gradient.",
            )

    def share_clipped(self) -> Array:
        """What is below 0, as a share of the absolute sum, (N,)."""
        products = self._kept + self._clipped
        return np.divide(self._clipped, products, out=np.zeros(self._samples), where=products > 0)


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
            found = _Weighted(model, len(piece))
            watch = Watch(model, len(piece), found.keep)
            leaf = backend.leaf(model.tensor(piece))
            native = watch.scores(leaf)
            layout = layout_of(watch.tokens, watch.convolution, grid, token)
            backend.grad(backend.sum(model.explained(native, listed(part), of)), [leaf])
            found.check()
            rows.append(layout.carried([np.eye(watch.tokens) + relevant for relevant in found.relevant]))
            scores.append(backend.numpy(native))
            shares.append(found.share_clipped())
    joined = np.concatenate(scores)
    error = ErrorEstimate(
        "share clipped",
        np.concatenate(shares),
        "Share of the absolute sum of gradient times attention, over all layers, heads and tokens, that is below 0 and "
        "set to 0: what speaks against the class and is not in the map.",
    )
    return layout.attribution(x, np.concatenate(rows), joined, settled(target, joined), upsample, error)
