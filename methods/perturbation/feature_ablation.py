"""Feature ablation: how far the score falls when one part of the input is taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..baselines import baselines
from ..checks import random_seed
from ..evaluation import score
from ..explanation import Array, ErrorEstimate
from ..players import players_of
from ..registry import Attribution, register
from .drops import drops, fast, segments_of, spent, spread


@register(
    "feature_ablation",
    family="perturbation",
    paper="Understanding Neural Networks through Representation Erasure (Li et al., 2016, arXiv:1612.08220)",
    needs="scores",
    error="interaction residual: sum of the parts' drops minus (score of x - score of the baseline)",
    access="model-agnostic",
)
def feature_ablation(
    model: Model,
    x: Array,
    target: Target,
    *,
    segments: Any = None,
    segment_options: Mapping[str, Any] | None = None,
    baseline: Any = 0.0,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``score(x) - score(x with one part at the baseline)``, for each part of a partition in turn.

    The values are exact. What the error estimate tells is whether they say everything: it is 0 for a network that adds
    up its parts, and far from 0 where parts stand in for each other or only work together.

    ``values`` has the shape of a table; for superpixels it is (N, 1, H, W), and ``extras`` holds ``segments``
    (N, H, W).

    Parameters
    ----------
    segments : {"slic", "quickshift", "felzenszwalb", "grid"} or array of int, optional
        The parts: superpixels, or your own partition, (H, W) or the shape of a sample, one for all or one per sample.
        Left out, the columns of a table and the SLIC superpixels of a picture.
    segment_options : dict, optional
        For the segmentation, see `superpixels`.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        What stands for a part that is taken away; 0 is black. The result for a list is the mean over its entries.
    of : {"logit", "probability", "log_probability", "loss"}
        What falls.
    seed : int
        For the baseline ``"noise"``.
    batch_size : int or "auto"
    """
    starts = baselines(baseline, x, random_seed(seed))
    players = players_of(x, segments, segment_options)
    scored = score(model, x, target, of, batch_size)
    quick, whole = fast(model, x, scored, sum(each.count for each in players) * len(starts), of, batch_size)
    values = [np.zeros(each.count) for each in players]
    at_start = np.zeros(len(x))
    evaluations = 0
    for start in starts:
        # A part that is at its baseline already changes nothing.
        present = [
            np.unique(np.broadcast_to(each.labels, x.shape[1:])[sample != absent])
            for each, sample, absent in zip(players, x, start, strict=True)
        ]

        def ablated(i: int, part: slice, start: Array = start, present: list[Array] = present) -> Array:
            away = present[i][part].reshape((-1,) + (1,) * (x.ndim - 1))
            return np.where(players[i].labels == away, start[i], x[i])

        counts = [len(each) for each in present]
        for i, part, found in drops(quick, whole, ablated, counts, x.shape[1:], scored.resolved, of, batch_size):
            values[i][present[i][part]] += found / len(starts)
        at_start += score(model, start, scored.resolved, of, batch_size).explained / len(starts)
        evaluations += sum(counts) + len(x)
    promised = scored.explained - at_start
    return Attribution(
        spread(players, values, x.dtype),
        scored.scores,
        scored.target,
        ErrorEstimate(
            "interaction residual",
            np.array([each.sum() for each in values]) - promised,
            "Sum of the parts' drops minus the drop when all are taken away at once (the scale): 0 where the network "
            "adds up its parts. No number of samples makes it smaller.",
            promised,
        ),
        segments_of(players, x),
        spent(len(x), evaluations),
    )
