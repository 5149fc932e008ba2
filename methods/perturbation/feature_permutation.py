"""Feature permutation: how far the score falls when one part of the input comes from another sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..background import background_rows
from ..checks import positive_count, random_seed
from ..evaluation import score
from ..explanation import Array, ErrorEstimate
from ..players import players_of
from ..registry import Attribution, register
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
    donors = _others(len(x), samples, seed) if background is None else _drawn(len(x), len(rows), samples, seed)
    players = players_of(x, segments, segment_options)
    scored = score(model, x, target, of, batch_size)
    draws = donors.shape[1]

    def mixed(i: int, part: slice) -> Array:
        player, draw = np.divmod(np.arange(part.start, part.stop), draws)
        foreign = players[i].labels == player.reshape((-1,) + (1,) * (x.ndim - 1))
        return np.where(foreign, rows[donors[i, draw]], x[i])

    counts = [each.count * draws for each in players]
    quick, whole = fast(model, x, scored, sum(counts), of, batch_size)
    # Sums of deviations from each part's first drop, and of their squares: squares of the drops would cancel.
    firsts = [np.zeros(each.count) for each in players]
    sums = [np.zeros((2, each.count)) for each in players]
    for i, part, found in drops(quick, whole, mixed, counts, x.shape[1:], scored.resolved, of, batch_size):
        player, draw = np.divmod(np.arange(part.start, part.stop), draws)
        firsts[i][player[draw == 0]] = found[draw == 0]
        for power, total in enumerate(sums[i], start=1):
            np.add.at(total, player, (found - firsts[i][player]) ** power)
    means = [first + total / draws for first, (total, _) in zip(firsts, sums, strict=True)]
    variances = [np.maximum(squares / draws - (total / draws) ** 2, 0) for total, squares in sums]
    return Attribution(
        spread(players, means, x.dtype),
        scored.scores,
        scored.target,
        _standard_error(means, variances, draws, len(rows) - (background is None)),
        segments_of(players, x),
        spent(len(x), sum(counts)),
    )


def _others(inputs: int, samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Samples of the batch that each one borrows from, (N, draws): none twice, and never itself.

    They stand in a circle in random order, and each draw turns it by another angle: a permutation without a fixed
    point.
    """
    if inputs < 2:
        raise MethodError(
            "There is no other sample in a batch of one.", "Explain several samples, or pass background=... ."
        )
    rng = np.random.default_rng(seed)
    circle = rng.permutation(inputs)
    places, turns = np.argsort(circle), 1 + rng.permutation(inputs - 1)
    donors: npt.NDArray[np.int64] = circle[(places[:, None] + turns[None, :samples]) % inputs]
    return donors


def _drawn(inputs: int, rows: int, samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of the background that each sample borrows from, (N, draws), none twice, whoever stands beside it."""
    return np.stack([np.random.default_rng([seed, i]).permutation(rows)[:samples] for i in range(inputs)])


def _standard_error(means: list[Array], variances: list[Array], draws: int, donors: int) -> ErrorEstimate:
    """L2 norm of the parts' standard errors. Donors do not come back: when all were drawn nothing is uncertain."""
    left = 1 - draws / donors
    unknown = np.nan if left else 0.0
    errors = [np.sqrt(each.sum() * left / (draws - 1)) if draws > 1 else unknown for each in variances]
    return ErrorEstimate(
        "standard error",
        np.array(errors),
        "L2 norm of the parts' standard errors; the scale is the L2 norm of their values. More samples make it "
        "smaller, as many as there are donors make it 0.",
        np.array([np.linalg.norm(mean) for mean in means]),
    )
