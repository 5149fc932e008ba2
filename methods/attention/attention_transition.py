"""Transition attention maps: a state carried from the last attention back, times what the score says back to it."""

from __future__ import annotations

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...backends.protocol import Tensor
from ..baselines import Baseline
from ..checks import check_flags, pictures
from ..explanation import Array
from ..layers.path import path_start
from ..registry import Attribution, register
from .feedback import Perceived, check_steps, first_layer, weighted_by_feedback
from .matrices import Watch, by_head, rows_at_once
from .tokens import Grid, Token, check_tokens, layout_of


@register(
    "attention_transition",
    family="attention",
    paper="Explaining Information Flow Inside Vision Transformers Using Markov Chain (Yuan et al., 2021, NeurIPS "
    "workshop on explainable AI approaches for debugging and diagnosis)",
    needs="gradient",
    error="quadrature gap: norm of the map minus the map with half the steps",
)
def attention_transition(
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
    """``Ā_L (I + Ā_L-1) ... (I + Ā_s) ⊙ mean_heads((∫₀¹ ∇A_L dα)⁺)``: Ā is the heads' mean attention, ∇A its gradient.

    The first factor, a state of a Markov chain with the layers' attentions as transitions, is taken on the input. In
    the second the gradient of the explained score by the last attention is integrated over the inputs on the straight
    path from the baseline; what is negative then, and speaks against the class, is set to 0. Of the product the
    explained token's row is shown. The values are maps (N, 1, H, W), not below 0.

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
        The first attention that the state is carried through, s above, from 0. None leaves out the first third, as the
        authors' experiments do with 4 of 12.
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
        How many inputs on the paths run at once.
    """
    pictures(x, "attention_transition")
    check_flags(upsample=upsample)
    grid, token = check_tokens(grid, token)
    steps, start = check_steps(steps), path_start(baseline, x, seed)
    backend = model.backend
    views, scores = [], []
    # One interception around all the others: on Paddle, setting the first one up takes a while.
    with backend.frozen(model.net), backend.intercept({}):
        size = rows_at_once(model, x, batch_size, steps)
        with backend.no_grad():
            for part in chunks(len(x), size):
                piece = x[part]
                means: list[Array] = []

                def keep(y: Tensor, samples: int = len(piece), means: list[Array] = means) -> None:
                    means.append(by_head(backend.numpy(y), samples).mean(axis=1))

                watch = Watch(model, len(piece), keep)
                scores.append(backend.numpy(watch.scores(model.tensor(piece))))
                layout = layout_of(watch.tokens, watch.convolution, grid, token)
                first = first_layer(start_layer, len(means), len(means) // 3)
                views.append(layout.views([*(np.eye(watch.tokens) + mean for mean in means[first:-1]), means[-1]]))
        perceived = Perceived(np.concatenate(views), np.concatenate(scores), len(means), layout)
        return weighted_by_feedback(model, x, target, of, perceived, start, steps, size, upsample)
