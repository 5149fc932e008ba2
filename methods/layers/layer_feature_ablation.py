"""Layer feature ablation: how far the score falls when one part of what a layer returns is taken away."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..explanation import Array, ErrorEstimate
from ..perturbation.drops import spent
from ..registry import Attribution, register
from .drops import baseline_of, drops_at, observed, players_in, spread
from .units import settle

# Stands among a sample's players for all of them at once.
_ALL = -1


@register(
    "layer_feature_ablation",
    family="layers",
    paper="Understanding Neural Networks through Representation Erasure (Li et al., 2016, arXiv:1612.08220)",
    needs="activations",
    error="interaction residual: sum of the parts' drops minus (score of x - score with the whole layer at the "
    "baseline)",
)
def layer_feature_ablation(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    segments: Any = "channels",
    baseline: Any = 0.0,
    of: Of = "logit",
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``score(y) - score(y with one part at the baseline)`` for each part of a layer's output y in turn.

    The rest of the network runs on from the changed output; what goes around the layer stays as it was. The values have
    the shape of the layer's output, and every number of a part carries the drop of the part. They are exact. What the
    error estimate tells is whether they say everything: it is 0 where the rest of the network adds up the parts, and
    far from 0 where parts stand in for each other or only work together.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    segments : {"channels", "units"} or array of int
        The parts. ``"channels"``: what stands at one place of the axis after the samples, a whole map of a convolution,
        a token of a sequence, a number of a vector. ``"units"``: each number, which takes as many runs. Or your own
        partition, in the shape of the layer's output for one sample, one for all or one per sample; for maps (H, W),
        too, whose parts have all channels.
    baseline : number or array
        What stands for a part that is taken away, an output of the layer and not an input: one number, one sample, or
        one per sample.
    of : {"logit", "probability", "log_probability", "loss"}
        What falls.
    batch_size : int or "auto"
        How many changed outputs run at once.
    """
    scores, activations = observed(model, x, layer, batch_size)
    start = baseline_of(baseline, layer, activations)
    players = players_in(model, x, layer, activations, segments)
    scored = settle(model, scores, target, of)
    # A part that is at its baseline already changes nothing.
    present = [
        np.unique(np.broadcast_to(each.labels, activations.shape[1:])[own != absent])
        for each, own, absent in zip(players, activations, start, strict=True)
    ]

    def ablated(i: int, part: slice) -> Array:
        away = np.append(present[i], _ALL)[part].reshape((-1,) + (1,) * (activations.ndim - 1))
        return np.where((players[i].labels == away) | (away == _ALL), start[i], activations[i])

    counts = [len(each) + 1 for each in present]
    falls = [np.zeros(count) for count in counts]
    for i, part, found in drops_at(model, x, layer, activations, scored, ablated, counts, of, batch_size):
        falls[i][part] = found
    values = [np.zeros(each.count) for each in players]
    for value, alive, fall in zip(values, present, falls, strict=True):
        value[alive] = fall[:-1]
    promised = np.array([fall[-1] for fall in falls])
    return Attribution(
        spread(players, values, activations.shape[1:], x.dtype),
        scored.scores,
        scored.target,
        ErrorEstimate(
            "interaction residual",
            np.array([each.sum() for each in values]) - promised,
            "Sum of the parts' drops minus the drop when all are taken away at once (the scale): 0 where the network "
            "adds up the layer's parts. No number of samples makes it smaller.",
            promised,
        ),
        budget=spent(len(x), sum(counts)),
    )
