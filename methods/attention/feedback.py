"""What a score says back to the last attention: its gradient by that, integrated from a baseline to the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...backends.model import Model
from ...backends.objective import Of, Target
from ...backends.protocol import Tensor
from ...errors import MethodError, NoGradientError
from ..cams.running import settled
from ..checks import finite_gradient, positive_count
from ..explanation import Array, ErrorEstimate
from ..layers.path import straight_path
from ..layers.units import targets_of
from ..quadrature import quadrature
from ..registry import Attribution
from .matrices import Watch, by_head, gradient_lost
from .tokens import Layout


@dataclass(frozen=True)
class Perceived:
    """What runs on the inputs themselves have shown.

    Attributes
    ----------
    views : ndarray (N, viewers, T)
        What the explained tokens have of every token, in float64.
    scores : ndarray (N, classes)
    layers : int
        How many attentions run one after the other.
    layout : Layout
    """

    views: Array
    scores: Array
    layers: int
    layout: Layout


def check_steps(steps: Any) -> int:
    """Return the number of points on the path, or raise `MethodError` if there is no half of them."""
    if positive_count("steps", steps) < 2:
        raise MethodError(
            "steps=1 has no half, which the integral is judged by.", "Pass steps=2 or more, such as steps=20."
        )
    return int(steps)


def first_layer(start_layer: Any, layers: int, usual: int) -> int:
    """The first attention that counts, from 0: `usual` for None; `MethodError` if there is no such attention."""
    if start_layer is None:
        return usual
    whole = isinstance(start_layer, (int, np.integer)) and not isinstance(start_layer, bool)
    if not whole or not 0 <= start_layer < layers:
        raise MethodError(
            f"start_layer={start_layer!r} is none of the network's {layers} attentions.",
            f"Pass start_layer=0 to {layers - 1}, or None.",
        )
    return int(start_layer)


def weighted_by_feedback(
    model: Model,
    x: Array,
    target: Target,
    of: Of,
    perceived: Perceived,
    start: Array,
    steps: int,
    size: int,
    upsample: bool,
) -> Attribution:
    """The attribution of ``views ⊙ mean over heads of (∫₀¹ ∇A_L dα)⁺``, with the error of the integral.

    ``extras["share_clipped"]`` is the share of the integral's absolute sum, in the shown rows, that is below 0.

    Parameters
    ----------
    model : Model
        Frozen.
    x : ndarray (N, C, H, W)
    target, of
        As for `explain`.
    perceived : Perceived
    start : ndarray (N, C, H, W)
        Where the path begins.
    steps : int
        Points on the path.
    size : int
        How many points run at once.
    upsample : bool
        As for `Layout.attribution`.
    """
    classes = settled(target, perceived.scores)
    chosen = target if classes is None else classes
    layout = perceived.layout
    patches = slice(layout.leading, None)
    rows, nearly, shares = [], [], []
    # One sample's integral at a time: it is several times as large as the sample.
    for view, integral in zip(
        perceived.views, _integrals(model, x, chosen, of, perceived, start, steps, size), strict=True
    ):
        layout.check_reached(np.any(integral, axis=(0, 2)))
        viewed = integral[:, layout.viewers]
        rows.append(_row(view, viewed))
        shares.append(_share_below_zero(viewed[..., patches]))
    for view, integral in zip(
        perceived.views, _integrals(model, x, chosen, of, perceived, start, steps // 2, size), strict=True
    ):
        nearly.append(_row(view, integral[:, layout.viewers]))
    shown = np.stack(rows)
    error = ErrorEstimate(
        "quadrature gap",
        np.linalg.norm((shown - np.stack(nearly))[:, patches], axis=1),
        "L2 norm of the map at the patches' own size minus the map with half the steps; the scale is the L2 norm of "
        "the map. More steps make it smaller. How far attention alone explains the network is not in it.",
        np.linalg.norm(shown[:, patches], axis=1),
    )
    made = layout.attribution(x, shown, perceived.scores, classes, upsample, error)
    return replace(made, extras={**made.extras, "share_clipped": np.array(shares)})


def _row(view: Array, integral: Array) -> Array:
    """The mean (T,) over the viewers of ``view ⊙ mean over heads of integral⁺``."""
    row: Array = (view * np.maximum(integral, 0).mean(axis=0)).mean(axis=0)
    return row


def _share_below_zero(integral: Array) -> float:
    total = np.abs(integral).sum()
    return float(np.maximum(-integral, 0).sum() / total) if total > 0 else 0.0


def _integrals(
    model: Model, x: Array, target: Target, of: Of, perceived: Perceived, start: Array, steps: int, size: int
) -> Iterator[Array]:
    """``∫₀¹ ∇A_L  at  start + α (x - start)  dα``, (heads, T, T), of each sample in turn."""
    alphas, weights = quadrature("gauss_legendre", steps)
    integral: Array = np.zeros(())
    for points, samples, spans in straight_path(model, start, x - start, alphas, x.shape[1:], size):
        gradients = _gradient_by_last(model, points, targets_of(target, samples), of, perceived)
        for _, rows, numbers in spans:
            integral = integral + np.tensordot(weights[numbers], gradients[rows], axes=1)
            if numbers.stop == steps:
                yield integral
                integral = np.zeros(())


def _gradient_by_last(model: Model, x: Array, target: Target, of: Of, perceived: Perceived) -> Array:
    """Gradient (N, heads, T, T) of the explained score by the last attention of samples that fit in memory."""
    backend = model.backend
    found: list[Tensor] = []

    # The graph begins at the last attention: nothing before it is kept for the way back.
    def begin(y: Tensor) -> Tensor | None:
        found.append(backend.leaf(y) if len(found) + 1 == perceived.layers else None)
        return None if found[-1] is None else found[-1] * 1

    watch = Watch(model, len(x), begin)
    scores = watch.scores(model.tensor(x))
    if (len(found), watch.tokens) != (perceived.layers, perceived.layout.tokens):
        raise MethodError(
            f"The network runs {perceived.layers} attentions among {perceived.layout.tokens} tokens on an input, and "
            f"{len(found)} among {watch.tokens} on the path to it.",
            "Choose attention_relevance, which runs it on the inputs alone.",
        )
    explained = backend.sum(model.explained(scores, target, of))
    try:
        (gradient,) = backend.grad(explained, [found[-1]])
    except NoGradientError as error:
        raise gradient_lost("the last attention") from error
    return by_head(finite_gradient(backend.numpy(gradient)), len(x))
