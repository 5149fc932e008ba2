"""Guided integrated gradients: the gradient summed along a path that keeps away from steep slopes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..background import worth
from ..baselines import Baseline, baselines
from ..checks import finite, finite_gradient, positive_count, random_seed
from ..estimates import completeness
from ..evaluation import score
from ..explanation import Array
from ..precision import precision_error, working_model
from ..registry import Attribution, register
from .guided_path import advanced

_MEANING = (
    "Sum of the attributions minus the score difference they share out (the scale). More anchors make it smaller."
)


@register(
    "guided_integrated_gradients",
    family="gradients",
    paper="Guided Integrated Gradients: An Adaptive Path Method for Removing Noise "
    "(Kapishnikov et al., 2021, arXiv:2106.09788)",
    needs="gradient",
    error="completeness residual: sum of the attributions minus (score of x - score of the baseline)",
)
def guided_integrated_gradients(
    model: Model,
    x: Array,
    target: Target,
    *,
    steps: int = 200,
    baseline: Baseline = 0.0,
    fraction: float = 0.1,
    anchors: int = 20,
    rule: Literal["trapezoid", "left"] = "trapezoid",
    of: Of = "logit",
    seed: int = 0,
    precision: str | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``∫ d score(γ) / d γ · dγ`` along a path γ from the baseline to x that moves values of small slopes first.

    Every step moves the values with the smallest absolute gradients towards x, as many as it takes to come nearer by an
    equal share of the way. Slopes that are steep only somewhere along the straight path, and show as noise in
    `integrated_gradients`, are met as late as can be.

    The path follows the edges along which the score bends, so that the residual does not vanish with more steps alone;
    with more anchors it does.

    Parameters
    ----------
    steps : int
        Gradients along the path, shared out equally to its pieces and rounded up.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        Where the path starts, as for `integrated_gradients`.
    fraction : float
        Values move in groups of this share of all values, those with the smallest slopes first; above 0, up to 1.
    anchors : int
        Points of the straight path, at equal distances, that the path passes through. More keep it closer to the
        straight one; 0 lets it go anywhere. The pieces between them run side by side.
    rule : {"trapezoid", "left"}
        Each step counts the mean of the slopes at its two ends, or as in the paper that at its beginning, which by
        choice is small.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the noise baseline.
    precision : {"bfloat16"}, optional
        Takes the gradients in less precision; ``extras["precision_error"]`` tells how far each input's own gradient is
        then off, as a share of it: less than a hundredth in a ConvNeXt, a third in a ResNet, whose ReLUs change sides.
    batch_size : int or "auto"
    """
    steps, seed = positive_count("steps", steps), random_seed(seed)
    fraction = finite("fraction", fraction)
    if not 0 < fraction <= 1:
        raise MethodError(f"fraction={fraction!r} is no share of the values.", "Pass a number above 0, up to 1.")
    if rule not in ("trapezoid", "left"):
        raise MethodError(f"rule={rule!r} is not known.", "Choose trapezoid or left.")
    pieces = 1 + (0 if anchors == 0 and anchors is not False else positive_count("anchors", anchors))
    count = max(2 if rule == "trapezoid" else 1, math.ceil(steps / pieces))
    starts = baselines(baseline, x, seed)
    scored = score(model, x, target, of, batch_size)
    quick = working_model(model, x, count * pieces * len(x) * len(starts), precision)
    targets: Any = scored.resolved if callable(scored.resolved) else np.asarray(scored.resolved)

    def along(owners: npt.NDArray[np.int64], here: Array, ends: Array) -> Array:
        """Attributions of pieces of paths, one per owner, in step."""
        chosen = targets if callable(targets) else targets[owners]
        lengths = np.abs(ends - here).reshape(len(here), -1).sum(axis=1)
        moves = count - 1 if rule == "trapezoid" else count
        found, last = np.zeros(here.shape), np.zeros(here.shape)
        for step in range(count):
            _, _, native = quick.score_gradient(quick.tensor(here.astype(x.dtype)), chosen, of)
            gradients = finite_gradient(model.backend.numpy(native)).astype(np.float64)
            for i, gradient in enumerate(gradients):
                there = ends[i]
                if step + 1 < moves:
                    there = advanced(here[i], ends[i], gradient, lengths[i] * (1 - (step + 1) / moves), fraction)
                way = there - here[i]
                found[i] += (way if rule == "left" else (last[i] + way) / 2) * gradient
                here[i], last[i] = there, way
        return found

    values, total = np.zeros(x.shape), len(x) * pieces
    with model.backend.frozen(quick.net):
        for start in starts:
            for part in chunks(total, chunk_size(quick, x.shape[1:], total, batch_size)):
                owners, piece = np.divmod(np.arange(part.start, part.stop), pieces)
                whole = x[owners].astype(np.float64) - start[owners]
                first, last = (
                    start[owners] + (piece + end).reshape((-1,) + (1,) * (x.ndim - 1)) / pieces * whole
                    for end in (0, 1)
                )
                for owner, found in zip(owners, along(owners, first, last), strict=True):
                    values[owner] += found / len(starts)
    promised = scored.explained - np.mean(
        [worth(model, start, scored.resolved, of, batch_size) for start in starts], axis=0
    )
    extras = precision_error(model, quick, x, scored, of, batch_size, precision)
    error = replace(completeness(values, promised), meaning=_MEANING)
    return Attribution(values.astype(x.dtype), scored.scores, scored.target, error, extras)
