"""RISE: random masks, weighted by the score that the network gives to what they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..baselines import baselines
from ..budget import Budget
from ..checks import finite, pictures, positive_count, random_seed
from ..evaluation import score, values_at
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register

Masks = npt.NDArray[np.float32]


@register(
    "rise",
    family="perturbation",
    paper="RISE: Randomized Input Sampling for Explanation of Black-box Models "
    "(Petsiuk et al., 2018, arXiv:1806.07421)",
    needs="scores",
    error="standard error of the mean over the masks, beside how far the map departs from its mean",
    access="model-agnostic",
)
def rise(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 1000,
    cells: int = 7,
    p_keep: float = 0.5,
    baseline: Any = 0.0,
    control_variate: bool = False,
    of: Of = "probability",
    seed: int = 0,
    batch_size: BatchSize = "auto",
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
) -> Attribution:
    """``E[score(x · mask) · mask] / p_keep`` over random masks: the mean score when a pixel is kept.

    A mask is a grid of `cells` x `cells` that are kept (1) or hidden (0), enlarged bilinearly by a little more than
    the picture and shifted at random by less than a cell. Those of sample i come from
    ``numpy.random.default_rng([seed, i])`` in float32: both frameworks and every chunk size see the same numbers.

    ``values`` has the shape (N, 1, H, W). A pixel that does not matter has the mean score and not 0: look at
    differences within a map.

    Parameters
    ----------
    samples : int
        Masks per sample (the paper: 4000 to 8000).
    cells : int
        Cells along each side of a mask.
    p_keep : float
        Probability that a cell is kept, between 0 and 1.
    baseline : number, array, or {"blur", "mean", "noise"}
        What is seen where a mask hides; 0 is black, as in the paper.
    control_variate : bool
        True estimates the same map as ``mean score + Cov(score, mask) / p_keep``, which uses that the masks' own mean
        is known: less noise for the same masks.
    of : {"logit", "probability", "log_probability", "loss"}
        The score: the probability, as in the paper. Something added to all logits would change no prediction, but it
        would change a map of the logit. A network with one output has no probability: take ``"logit"``.
    seed : int
    batch_size : int or "auto"
    tolerance : float, optional
        Relative error to reach; `samples` is then only the first round.
    max_evaluations : int, optional
        Runs of the network that may be spent, counted per input that goes through it.
    max_seconds : float, optional
        After how many seconds no round begins.
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    size = pictures(x, "rise").shape[2:]
    cells, p_keep = _cells(cells, size), _probability(p_keep)
    if not isinstance(control_variate, (bool, np.bool_)):
        raise MethodError(f"control_variate={control_variate!r} is neither True nor False.", "Pass one of them.")
    fewest = 2 if control_variate else 1
    if samples < fewest:
        raise MethodError("samples=1 has no covariance.", "Pass samples=2 or more, or control_variate=False.")
    starts = baselines(baseline, x, seed)
    if len(starts) > 1:
        raise MethodError(f"rise has one baseline, not {len(starts)}.", "Pass one of them.")
    start = starts[0]
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    scored = score(model, x, target, of, batch_size)
    quick = model.streamlined(x, samples * len(x))
    draw = _masks(size, cells, p_keep)
    generators = [np.random.default_rng([seed, i]) for i in range(len(x))]
    moments = [_Moments(size, float(whole)) for whole in scored.explained]
    running: dict[tuple[int, int], Masks] = {}

    def masked(i: int, part: slice) -> Array:
        masks = running[i, part.start] = draw(generators[i], part.stop - part.start)
        seen = masks[:, None].astype(x.dtype)
        return seen * x[i] + (1 - seen) * start[i]

    for count in budget.rounds(samples, minimum=fewest):
        for i, part, values in values_at(
            quick, masked, budget.active, count, x.shape[1:], scored.resolved, of, batch_size
        ):
            moments[i].add(values.astype(np.float64), running.pop((i, part.start)))
        maps, errors = zip(*(each.estimate(p_keep, control_variate) for each in moments), strict=True)
        estimate = _standard_error(np.stack(maps), np.array(errors))
        budget.report(estimate.relative)
    return Attribution(np.stack(maps)[:, None].astype(x.dtype), scored.scores, scored.target, estimate, budget=budget)


def _cells(cells: Any, size: tuple[int, ...]) -> int:
    if positive_count("cells", cells) > min(size):
        raise MethodError(f"cells={cells} does not fit pictures of {size}.", f"Pass 1 to {min(size)}.")
    return int(cells)


def _probability(p_keep: Any) -> float:
    if not 0 < finite("p_keep", p_keep) < 1:
        raise MethodError(f"p_keep={p_keep!r} is not between 0 and 1.", "Pass p_keep=0.5, for example.")
    return float(p_keep)


def _masks(size: tuple[int, ...], cells: int, p_keep: float) -> Callable[[np.random.Generator, int], Masks]:
    """A function that draws masks (M, H, W): their values lie in 0 to 1 and have the mean `p_keep`."""
    lengths = [-(-n // cells) for n in size]
    enlargers = [_enlarger(cells, length) for length in lengths]

    def draw(rng: np.random.Generator, count: int) -> Masks:
        # One row of numbers per mask, so that a mask does not depend on how many are drawn at once.
        uniform = rng.random((count, cells * cells + 2), dtype=np.float32)
        grid = (uniform[:, 2:] < p_keep).astype(np.float32).reshape(count, cells, cells)
        shifts = (uniform[:, :2].astype(np.float64) * lengths).astype(int)
        rows, columns = (
            enlarger[shift[:, None] + np.arange(n)]
            for enlarger, shift, n in zip(enlargers, shifts.T, size, strict=True)
        )
        masks: Masks = rows @ grid @ columns.transpose(0, 2, 1)
        return masks

    return draw


def _enlarger(cells: int, length: int) -> npt.NDArray[np.float32]:
    """Weights of bilinear interpolation along one axis, from `cells` to (cells + 1) * length pixels."""
    total = (cells + 1) * length
    places = np.clip((np.arange(total) + 0.5) * cells / total - 0.5, 0, cells - 1)
    weights: npt.NDArray[np.float32] = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))
    return weights.astype(np.float32)


class _Moments:
    """Sums over masks m with scores f that the map and its standard error are made of.

    The scores are counted from that of the whole picture, which keeps small differences exact.
    """

    def __init__(self, size: tuple[int, ...], origin: float) -> None:
        self.origin = origin
        self.count = 0
        self.f = 0.0
        self.first, self.second = np.zeros((2, *size)), np.zeros((3, *size))

    def add(self, f: npt.NDArray[np.float64], masks: Masks) -> None:
        f = f - self.origin
        powers = np.stack([np.ones_like(f), f, f * f])
        wide = masks.astype(np.float64)
        self.count += len(f)
        self.f += float(f.sum())
        self.first += np.tensordot(powers[:2], wide, axes=1)
        self.second += np.tensordot(powers, wide * wide, axes=1)

    def estimate(self, p_keep: float, control_variate: bool) -> tuple[Array, float]:
        """The map, and the L2 norm of its standard error."""
        mean = self.f / self.count if control_variate else -self.origin
        # Of (f - mean) m and its square.
        first = (self.first[1] - mean * self.first[0]) / self.count
        second = (self.second[2] - 2 * mean * self.second[1] + mean**2 * self.second[0]) / self.count
        # A covariance loses one degree of freedom; with it the estimate is unbiased.
        unbiased = self.count / (self.count - 1) if control_variate else 1.0
        variance = np.maximum(second - first**2, 0) / max(1, self.count - 1)
        error = float(np.sqrt(variance.sum())) / p_keep if self.count > 1 else np.nan
        offset = self.origin + mean
        return offset + unbiased * first / p_keep, error


def _standard_error(maps: Array, errors: Array) -> ErrorEstimate:
    departures = maps - maps.mean(axis=(1, 2), keepdims=True)
    return ErrorEstimate(
        "standard error",
        errors,
        "L2 norm of the map's standard error; the scale is the L2 norm of the map without its mean, which says nothing "
        "about places. More samples make it smaller.",
        np.sqrt((departures**2).sum(axis=(1, 2))),
    )
