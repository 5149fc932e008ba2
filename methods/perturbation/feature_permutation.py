"""Feature permutation: how far the score falls when one part of the input comes from another sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ..background import background_rows
from ..checks import positive_count, random_seed
from ..evaluation import score
from ..explanation import Array
from ..players import players_of
from ..registry import Attribution, register
from .donors import MeanDrops, borrowers, drawn_rows, other_samples
from .drops import drops, fast, segments_of, spent, spread


@register(
    "feature_permutation",
    family="perturbation",
    paper="All Models are Wrong, but Many are Useful (Fisher et al., 2018, arXiv:1801.01489)",
    needs="scores",
    error="standard error of the mean over the donors; 0 when every donor was used",
    access="model-agnostic",
)
def feature_permutation(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 10,
    segments: Any = None,
    segment_options: Mapping[str, Any] | None = None,
    background: Any = None,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``mean over donors of: score(x) - score(x with one part from the donor)``, for each part of a partition in turn.

    The donors are the other samples of the batch: each of `samples` permutations moves every sample, and no sample
    meets a donor twice. With a background each sample draws its donors by itself, from
    ``numpy.random.default_rng([seed, i])``. When there are no more donors than `samples`, all are used and the result
    is exact. The mean over the batch, ``values.mean(axis=0)``, is the global importance of a column; with ``of="loss"``
    and the true labels as target it is the negative rise of the loss.

    ``values`` has the shape of a table; for superpixels it is (N, 1, H, W), and ``extras`` holds ``segments``
    (N, H, W).

    Parameters
    ----------
    samples : int
        Permutations, or rows of the background.
    segments : {"slic", "quickshift", "felzenszwalb", "grid"} or array of int, optional
        The parts: superpixels, or your own partition, (H, W) or the shape of a sample, one for all or one per sample.
        Left out, the columns of a table and the SLIC superpixels of a picture.
    segment_options : dict, optional
        For the segmentation, see `superpixels`.
    background : array (B, ...), optional
        The donors, in place of the batch.
    of : {"logit", "probability", "log_probability", "loss"}
        What falls.
    seed : int
    batch_size : int or "auto"
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    rows = x if background is None else background_rows(model, background, x)
    donors = (
        other_samples(len(x), samples, seed) if background is None else drawn_rows(len(x), len(rows), samples, seed)
    )
    players = players_of(x, segments, segment_options)
    scored = score(model, x, target, of, batch_size)
    draws, mixed = donors.shape[1], borrowers(players, x, rows, donors)
    counts = [each.count * draws for each in players]
    quick, whole = fast(model, x, scored, sum(counts), of, batch_size)
    mean = MeanDrops([each.count for each in players], draws)
    for i, part, found in drops(quick, whole, mixed, counts, x.shape[1:], scored.resolved, of, batch_size):
        mean.add(i, part, found)
    return Attribution(
        spread(players, mean.means, x.dtype),
        scored.scores,
        scored.target,
        mean.standard_error(len(rows) - (background is None)),
        segments_of(players, x),
        spent(len(x), sum(counts)),
    )
