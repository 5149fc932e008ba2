"""Mistakes in `integrated_gradients`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from twinlens.grading.protocol import Array, Arrays, Mistake, Numbers
from twinlens.grading.ways import (
    LAYOUT,
    RIGHT,
    Way,
    as_pictures,
    gradients,
    laid_out,
    without_gradient,
    wrong_ways,
)

from .right import Reduce

if TYPE_CHECKING:
    from twinlens import Model


def _double(values: Array) -> Array:
    return np.asarray(values, np.float64)


def _midpoints(steps: int) -> Array:
    return (np.arange(steps) + 0.5) / steps


def _integrated(
    model: Model,
    inputs: Arrays,
    way: Way = RIGHT,
    alphas: Callable[[int], Array] = _midpoints,
    factor: Callable[[Array, Array], Array] = lambda x, start: x - start,
    gather: Reduce = lambda all_: all_.mean(axis=0),
    baseline: float = 1.0,
) -> Arrays:
    x, start = _double(inputs["pictures"]), baseline * _double(inputs["baseline"])
    points = [start + alpha * (x - start) for alpha in alphas(int(inputs["steps"]))]
    mean = gather(np.stack(gradients(model, points, inputs["labels"], way)))
    attributions = as_pictures(laid_out(factor(x, start), way) * mean, way)
    return {"attributions": attributions, "again": attributions}


def _reshaped_back(model: Model, inputs: Arrays, factor_first: bool) -> Arrays:
    """Transposed for the network, but the answer brought back by a reshape."""
    reshaped = Way(layout="reshaped")
    if factor_first:
        attributions = as_pictures(laid_out(_integrated(model, inputs)["attributions"]), reshaped)
    else:
        mean = laid_out(_integrated(model, inputs, factor=lambda x, start: np.ones_like(x))["attributions"])
        attributions = (_double(inputs["pictures"]) - inputs["baseline"]) * as_pictures(mean, reshaped)
    return {"attributions": attributions, "again": attributions}


def _absolute(model: Model, inputs: Arrays) -> Arrays:
    return {name: np.abs(values) for name, values in _integrated(model, inputs).items()}


def _integrated_across_calls(model: Model, inputs: Arrays) -> Arrays:
    """``.grad`` of the last call is still there in the next one."""
    right = _integrated(model, inputs)["attributions"]
    return {"attributions": right, "again": 2 * right}


def _steps(inputs: Arrays, outputs: Arrays) -> Numbers:
    return {"steps": float(inputs["steps"]), "first": 0.5 / float(inputs["steps"])}


_RULE = "{where} the midpoint rule takes the middle of each of the {{steps:.0f}} parts: {{first:.3f}} comes first."

WRONG_INTEGRATED_GRADIENTS = [
    Mistake(
        "without_factor",
        "This is the mean gradient along the path: multiply it by (pictures - baseline).",
        0.6,
        lambda model, inputs: _integrated(model, inputs, factor=lambda x, start: np.ones_like(x)),
    ),
    Mistake(
        "factor_without_baseline",
        "The mean gradient is multiplied by the pictures: multiply it by (pictures - baseline).",
        0.6,
        lambda model, inputs: _integrated(model, inputs, factor=lambda x, start: x),
    ),
    Mistake(
        "baseline_ignored",
        "The path starts at a black picture: start at the baseline that you are given.",
        0.5,
        lambda model, inputs: _integrated(model, inputs, baseline=0.0),
    ),
    Mistake(
        "left_sum",
        _RULE.format(where="The points of the path start at the baseline itself:"),
        0.7,
        lambda model, inputs: _integrated(model, inputs, alphas=lambda steps: np.arange(steps) / steps),
        _steps,
    ),
    Mistake(
        "right_sum",
        _RULE.format(where="The points of the path end at the picture itself:"),
        0.7,
        lambda model, inputs: _integrated(model, inputs, alphas=lambda steps: (np.arange(steps) + 1) / steps),
        _steps,
    ),
    Mistake(
        "both_ends",
        _RULE.format(where="The points of the path are both ends and what lies between:"),
        0.7,
        lambda model, inputs: _integrated(model, inputs, alphas=lambda steps: np.linspace(0, 1, steps)),
        _steps,
    ),
    Mistake(
        "summed",
        "This is {steps:.0f} times the answer: divide the sum of the gradients by the number of steps.",
        0.8,
        lambda model, inputs: _integrated(model, inputs, gather=lambda all_: all_.sum(axis=0)),
        _steps,
    ),
    Mistake(
        "accumulated",
        "Each step's gradient still holds those of the steps before it: clear .grad before each backward pass.",
        0.5,
        lambda model, inputs: _integrated(model, inputs, gather=lambda all_: np.cumsum(all_, axis=0).mean(axis=0)),
    ),
    Mistake(
        "accumulated_across_calls",
        "The second call is twice the first: gradients add up in .grad until you clear it.",
        0.5,
        _integrated_across_calls,
    ),
    Mistake(
        "absolute",
        "Attributions have a sign: what speaks against the class is negative. Take no absolute value here.",
        0.6,
        _absolute,
    ),
    Mistake("reshaped_back", LAYOUT, 0.5, lambda model, inputs: _reshaped_back(model, inputs, factor_first=True)),
    Mistake("gradient_reshaped", LAYOUT, 0.5, lambda model, inputs: _reshaped_back(model, inputs, factor_first=False)),
    *wrong_ways(_integrated),
    *without_gradient(_integrated),
]
