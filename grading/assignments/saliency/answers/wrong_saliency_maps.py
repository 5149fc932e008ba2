"""Mistakes in `compute_saliency_maps` and `normalise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinlens.grading.protocol import Arrays, Mistake
from twinlens.grading.ways import (
    ALONE_HINT,
    RIGHT,
    Way,
    change_when_alone,
    gradients,
    lowest_peak,
    lowest_value,
    normalised,
    normalised_together,
    times_the_first,
    without_gradient,
    wrong_ways,
)

from .right import Reduce, largest

if TYPE_CHECKING:
    from twinlens import Model


def _saliency(
    model: Model,
    inputs: Arrays,
    way: Way = RIGHT,
    reduce: Reduce = largest,
    normalise: Reduce = normalised,
    times: int = 1,
) -> Arrays:
    pictures, labels = inputs["pictures"], inputs["labels"]
    one = slice(int(inputs["alone"]), int(inputs["alone"]) + 1)
    maps = reduce(gradients(model, [pictures], labels, way)[0])
    alone = reduce(gradients(model, [pictures[one]], labels[one], way)[0])
    return {"maps": maps, "again": times * maps, "alone": alone, "normalised": normalise(maps)}


WRONG_SALIENCY_MAPS = [
    Mistake(
        "batch_normalised",
        "Picture {image} peaks at {peak:.2f}: normalise each picture by itself, not all of the batch together.",
        0.6,
        lambda model, inputs: _saliency(model, inputs, normalise=normalised_together),
        lowest_peak,
    ),
    Mistake(
        "normalised_too_early",
        "The maps are normalised already when compute_saliency_maps returns them: return them as they are, "
        "normalise() is a step of its own.",
        0.6,
        lambda model, inputs: _saliency(model, inputs, reduce=lambda g: normalised(largest(g))),
    ),
    Mistake(
        "no_abs",
        "The maps go down to {low:.3g}: take |gradient| before the maximum over the channels.",
        0.5,
        lambda model, inputs: _saliency(model, inputs, reduce=lambda g: g.max(axis=1)),
        lowest_value,
    ),
    Mistake(
        "abs_too_late",
        "The absolute value comes after the maximum over the channels: take |gradient| before it.",
        0.5,
        lambda model, inputs: _saliency(model, inputs, reduce=lambda g: np.abs(g.max(axis=1))),
    ),
    Mistake(
        "channel_mean",
        "This is the mean of |gradient| over the three channels: take the largest of them.",
        0.5,
        lambda model, inputs: _saliency(model, inputs, reduce=lambda g: np.abs(g).mean(axis=1)),
    ),
    Mistake(
        "accumulated",
        "The second call gives {times:.3g} times the first: gradients add up in .grad until you clear it.",
        0.5,
        lambda model, inputs: _saliency(model, inputs, times=2),
        times_the_first,
    ),
    # With the absolute value, the log-probability's map is that of the summed loss.
    *wrong_ways(_saliency, skip=["log_probability"], training_mode=(ALONE_HINT, change_when_alone)),
    *without_gradient(_saliency),
]
