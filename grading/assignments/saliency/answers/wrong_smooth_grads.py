"""Mistakes in `smooth_grad`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twinlens.grading.protocol import Array, Arrays, Mistake, Numbers
from twinlens.grading.ways import (
    RIGHT,
    Way,
    gradients,
    lowest_value,
    normalised,
    times_the_first,
    without_gradient,
    wrong_ways,
)

from .cases import COPIES
from .right import Reduce, largest

if TYPE_CHECKING:
    from twinlens import Model


def _smooth(
    model: Model,
    inputs: Arrays,
    way: Way = RIGHT,
    reduce: Reduce = largest,
    gather: Reduce = lambda maps: maps.mean(axis=0),
) -> Arrays:
    copies = list(inputs["pictures"].astype(np.float64) + inputs["noise"])
    maps = gather(np.stack([reduce(g) for g in gradients(model, copies, inputs["labels"], way)]))
    return {"maps": maps, "again": maps}


def _smooth_of_sum(model: Model, inputs: Arrays) -> Arrays:
    """The absolute value of the mean gradient, in place of the mean absolute value."""
    return _smooth(model, inputs, reduce=lambda g: g, gather=lambda all_: largest(all_.mean(axis=0)))


def _smooth_without_noise(model: Model, inputs: Arrays) -> Arrays:
    return _smooth(model, {**inputs, "noise": np.zeros_like(inputs["noise"][:1])})


def _smooth_accumulated(model: Model, inputs: Arrays, across_calls: bool) -> Arrays:
    """``.grad`` is never cleared between the copies; ``across_calls`` neither between the driver's two calls."""

    def gather(all_: Array) -> Array:
        found: Array = np.stack([largest(g) for g in np.cumsum(all_, axis=0)])
        return found

    twice = np.concatenate([inputs["noise"], inputs["noise"]])
    maps = _smooth(model, {**inputs, "noise": twice}, reduce=lambda g: g, gather=gather)["maps"]
    first, second = maps[:COPIES].mean(axis=0), maps[COPIES:].mean(axis=0)
    return {"maps": first, "again": second if across_calls else first}


def _smooth_piled_up(model: Model, inputs: Arrays) -> Arrays:
    """The pictures themselves are changed by ``+=``: each copy has the noise of those before it."""
    noise = np.cumsum(np.concatenate([inputs["noise"], inputs["noise"]]).astype(np.float64), axis=0)
    maps = _smooth(model, {**inputs, "noise": noise}, gather=lambda all_: all_)["maps"]
    return {"maps": maps[:COPIES].mean(axis=0), "again": maps[COPIES:].mean(axis=0)}


def _copies(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"copies": float(len(inputs["noise"]))}


WRONG_SMOOTH_GRADS = [
    Mistake(
        "no_abs",
        "The maps go down to {low:.3g}: take |gradient| of every copy before the maximum over the channels.",
        0.5,
        lambda model, inputs: _smooth(model, inputs, reduce=lambda g: g.max(axis=1)),
        lowest_value,
    ),
    Mistake(
        "abs_of_mean",
        "You average signed gradients, which cancel each other: make a map of |gradient| for each of the "
        "{copies:.0f} copies, then average the maps.",
        0.6,
        _smooth_of_sum,
        _copies,
    ),
    Mistake(
        "summed",
        "This is {copies:.0f} times the answer: divide the sum by the number of copies.",
        0.8,
        lambda model, inputs: _smooth(model, inputs, gather=lambda maps: maps.sum(axis=0)),
        _copies,
    ),
    Mistake(
        "accumulated",
        "Each copy's gradient still holds those of the copies before it: clear .grad before each backward pass.",
        0.5,
        lambda model, inputs: _smooth_accumulated(model, inputs, across_calls=False),
    ),
    Mistake(
        "accumulated_across_calls",
        "The second call gives {times:.3g} times the first, and each copy's gradient still holds those of the copies "
        "before it: clear .grad before each backward pass.",
        0.5,
        lambda model, inputs: _smooth_accumulated(model, inputs, across_calls=True),
        times_the_first,
    ),
    Mistake(
        "noise_piled_up",
        "The noise of all copies piles up, because += changes the pictures themselves: add the noise to a new tensor.",
        0.5,
        _smooth_piled_up,
    ),
    Mistake(
        "normalised_each",
        "The map of each copy was normalised before the mean: average the maps as they are.",
        0.6,
        lambda model, inputs: _smooth(model, inputs, reduce=lambda g: normalised(largest(g))),
    ),
    Mistake(
        "without_noise",
        "This is the saliency map of the pictures without noise: add noise[k] to them for copy k.",
        0.2,
        _smooth_without_noise,
    ),
    *wrong_ways(_smooth, skip=["log_probability"]),
    *without_gradient(_smooth),
]
