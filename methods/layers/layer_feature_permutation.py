"""Layer feature permutation: how far the score falls when one part of a layer's output is another sample's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..background import background_rows
from ..checks import positive_count, random_seed
from ..explanation import Array
from ..perturbation.donors import MeanDrops, borrowers, drawn_rows, other_samples
from ..perturbation.drops import spent
from ..registry import Attribution, register
from .drops import drops_at, observed, players_in, spread
from .units import settle


@register(
    "layer_feature_permutation",
    family="layers",
    paper="All Models are Wrong, but Many are Useful (Fisher et al., 2018, arXiv:1801.01489)",
    needs="activations",
    error="standard error of the mean over the donors; 0 when every donor was used",
)
def layer_feature_permutation(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    samples: int = 10,
    segments: Any = "channels",
    background: Any = None,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``mean over donors d of: score(y) - score(y with one part of y_d)`` for each part of a layer's output y in turn.

    Feature permutation with a layer's output in the place of the input, and the donors are drawn as there: the other
    samples of the batch, or the rows of a background, none twice. What goes around the layer stays the sample's own.
    When there are no more donors than `samples`, all are used and the result is exact. The values have the shape of the
    layer's output, and every number of a part carries the drop of the part.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    samples : int
        Permutations, or rows of the background.
    segments : {"channels", "units"} or array of int
        The parts, as for ``layer_feature_ablation``.
    background : array (B, ...), optional
        The donors, inputs and not outputs of the layer, in place of the batch.
    of : {"logit", "probability", "log_probability", "loss"}
        What falls.
    seed : int
    batch_size : int or "auto"
        How many changed outputs run at once.
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    rows = x if background is None else background_rows(model, background, x)
    donors = (
        other_samples(len(x), samples, seed) if background is None else drawn_rows(len(x), len(rows), samples, seed)
    )
    scores, everyone = observed(model, x if background is None else np.concatenate([x, rows]), layer, batch_size)
    activations, lent = everyone[: len(x)], everyone[-len(rows) :]
    players = players_in(model, x, layer, activations, segments)
    scored = settle(model, scores[: len(x)], target, of)
    draws, mixed = donors.shape[1], borrowers(players, activations, lent, donors)
    counts = [each.count * draws for each in players]
    mean = MeanDrops([each.count for each in players], draws)
    for i, part, found in drops_at(model, x, layer, activations, scored, mixed, counts, of, batch_size):
        mean.add(i, part, found)
    return Attribution(
        spread(players, mean.means, activations.shape[1:], x.dtype),
        scored.scores,
        scored.target,
        mean.standard_error(len(rows) - (background is None)),
        budget=spent(len(x), sum(counts)),
    )
