"""LIME: a line fitted to what the network says of neighbours of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import InputError, MethodError
from ..background import background_rows
from ..baselines import Baseline
from ..budget import Budget
from ..checks import finite, positive_count, random_seed
from ..evaluation import score
from ..explanation import LOCAL_FIT, Array, ErrorEstimate
from ..registry import Attribution, register
from .lime_neighbours import Neighbours
from .lime_pictures import HiddenSuperpixels, hidden
from .lime_regression import LocalFit
from .lime_tables import NoisyRows
from .shapley_game import Games, players_error
from .shapley_setup import several_players


@register(
    "lime",
    family="perturbation",
    paper="Why Should I Trust You? (Ribeiro et al., 2016, arXiv:1602.04938)",
    needs="scores",
    error="local R²: share of the variance of the explained number that the line explains, "
    "in neighbours left out of its fit",
    access="model-agnostic",
)
def lime(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 1000,
    segments: Any = None,
    segment_options: dict[str, Any] | None = None,
    hide_colour: float | None = None,
    baseline: Baseline | None = None,
    background: Any = None,
    kernel_width: float | None = None,
    of: Of = "probability",
    seed: int = 0,
    batch_size: BatchSize = "auto",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
) -> Attribution:
    """``argmin_w Σ_z exp(-d(z)² / 2 width²) (f(z) - w_0 - w · z)² + |w|²`` over neighbours z of the sample.

    Of a picture, z says which superpixels are shown, d is the cosine distance to all of them, and ``values``
    (N, 1, H, W) holds at every pixel the weight of its superpixel. The masks are orthogonal designs in pairs with
    their complements (see `Masks`): for some dozens of superpixels half as many give weights as stable as independent
    ones. All masks there are when they fit into `samples`. ``extras`` holds ``segments`` (N, H, W).

    Of a row of a table, z are rows with normal noise around it, as wide as the columns of the background, each beside
    its mirror image; columns are in standard deviations of the background, d is the Euclidean distance, and
    ``values`` (N, D) are slopes per standard deviation (the ``lime`` package's ``discretize_continuous=False,
    sample_around_instance=True``). A column that never varies in the background is left alone and weighs 0.

    ``extras`` also holds ``intercept`` and ``local_prediction``, the line's own number at the sample, both (N,), and
    ``standard_error``, of each weight, in the shape of the values: the spread to expect from one seed to another, by
    the sandwich estimate over pairs; NaN, unknown, unless more pairs count than there are weights. Of up to about 8
    superpixels, or with few masks for each, it is too large, often twice as large, because the masks of a design are
    no independent ones. The error estimate is the line's R², each pair of neighbours held against the line that is
    fitted without it; of all masks there are, plainly that of the line. The draws of sample i come from
    ``numpy.random.default_rng([seed, i, ...])``.

    Parameters
    ----------
    samples : int
        Neighbours per sample, the sample itself included.
    segments : {"slic", "quickshift", "felzenszwalb", "grid"} or array of int, optional
        The superpixels of pictures (SLIC when left out), or a partition of your own.
    segment_options : dict, optional
        For the segmentation, see `superpixels`.
    hide_colour : float, optional
        What a hidden superpixel is filled with; its own mean colour when left out.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these, optional
        What a hidden superpixel shows instead of a colour; the mean is taken over several.
    background : array (B, ...), optional
        For tables, which need it: rows that tell how wide each column spreads.
    kernel_width : float, optional
        How far away neighbours count: 0.25 in cosine distance for pictures; for D columns 0.75 √D standard deviations.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
    batch_size : int or "auto"
    tolerance : float, optional
        Relative standard error of the weights to reach; `samples` is then only the first round.
    max_evaluations : int, optional
        How many inputs may go through the network.
    max_seconds : float, optional
        After how many seconds no round begins.
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    if samples < 2:
        raise MethodError("samples=1 is the input itself, which no line can be fitted to.", "Pass samples=2 or more.")
    if kernel_width is not None:
        kernel_width = finite("kernel_width", kernel_width)
        if kernel_width <= 0:
            raise MethodError(f"kernel_width={kernel_width!r} is not above 0.", "Leave it out, or pass 0.25.")
    if x.ndim == 4:
        if background is not None:
            raise MethodError("background is for tables, the input are pictures.", "Pass baseline or hide_colour.")
        players = several_players(x, segments, segment_options)
        absent = hidden(x, players, baseline, hide_colour, seed)
        scored = score(model, x, target, of, batch_size)
        games = Games(model, x, scored, players, absent, None, of, batch_size)
        neighbours: Neighbours = HiddenSuperpixels(games, seed, kernel_width, samples)
        per_neighbour = games.rows
    else:
        for name, value in {"segments": segments, "hide_colour": hide_colour, "baseline": baseline}.items():
            if value is not None:
                raise InputError(f"{name} is for pictures, the input has shape {x.shape}.", f"Leave {name} out.")
        if background is None:
            raise MethodError("lime of a table needs a background.", "Pass background=, rows of the training table.")
        rows = background_rows(model, background, x)
        scored = score(model, x, target, of, batch_size)
        neighbours = NoisyRows(model, x, rows, scored, of, batch_size, seed, kernel_width)
        per_neighbour = 1
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    fits: dict[int, LocalFit] = {}
    total = 0
    for count in budget.rounds(samples, per_neighbour, minimum=2):
        promised, total = count * per_neighbour * len(budget.active), total + count
        fits |= neighbours.fit(budget.active.tolist(), total)
        spread = players_error([fits[i].weights for i in range(len(x))], [fits[i].errors for i in range(len(x))])
        budget.report(spread.relative)
        budget.evaluations = neighbours.evaluations - promised
    lines = [fits[i] for i in range(len(x))]
    return Attribution(
        neighbours.spread([line.weights for line in lines]),
        scored.scores,
        scored.target,
        ErrorEstimate(
            LOCAL_FIT,
            np.array([line.r_squared for line in lines]),
            "1 is a perfect local fit; below about 0.5 the weights mean little, or there are too few samples.",
        ),
        neighbours.extras()
        | {
            "intercept": np.array([line.intercept for line in lines]),
            "local_prediction": np.array([line.prediction for line in lines]),
            "standard_error": neighbours.spread([line.errors for line in lines]),
        },
        budget,
    )
