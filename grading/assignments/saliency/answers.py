"""The answers: for the grader only, never for students."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from twinlens.grading.drawing import (
    average_pooled,
    batch_norm_shapes,
    batch_normed,
    convolution_shapes,
    convolved,
    draw_pictures,
    draw_weights,
    labels_beside,
    linear,
    linear_shapes,
)
from twinlens.grading.protocol import Array, Arrays, Mistake, random_generator
from twinlens.grading.ways import (
    ALONE_HINT,
    LAYOUT,
    RIGHT,
    Way,
    as_pictures,
    change_when_alone,
    gradients,
    laid_out,
    lowest_peak,
    lowest_value,
    normalised,
    normalised_together,
    times_the_first,
    without_gradient,
    wrong_ways,
)

if TYPE_CHECKING:
    from twinlens import Model

HEIGHT, WIDTH, CLASSES = 24, 32, 7
COPIES, STEPS = 3, 4

SHAPES = {
    **convolution_shapes("conv1", 3, 6),
    **batch_norm_shapes("bn1", 6),
    **convolution_shapes("conv2", 6, 12),
    **batch_norm_shapes("bn2", 12),
    **linear_shapes("linear", 12 * 3 * 4, CLASSES),
}
TASKS = ("compute_saliency_maps", "smooth_grad", "integrated_gradients")

Reduce: TypeAlias = Callable[[Array], Array]


# -- cases -----------------------------------------------------------------------------------------------------------


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Draw the weights of the network."""
    return {**draw_weights(random_generator(seed, int(public), 0), SHAPES)}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Draw what the driver is given."""
    generator = random_generator(seed, int(public), 1 + TASKS.index(task))
    pictures = draw_pictures(generator, HEIGHT, WIDTH)
    labels = labels_beside(generator, _scores(laid_out(pictures), weights(seed, public)))
    inputs: dict[str, Array] = {"pictures": pictures, "labels": labels}
    if task == "compute_saliency_maps":
        inputs["alone"] = np.array(int(generator.integers(len(pictures))))
    if task == "smooth_grad":
        inputs["noise"] = generator.normal(0, 0.5, (COPIES, *pictures.shape)).astype(np.float32)
    if task == "integrated_gradients":
        inputs["baseline"] = generator.uniform(0, 0.5, pictures.shape).astype(np.float32)
        inputs["steps"] = np.array(STEPS)
    return inputs


def _scores(x: Array, arrays: Arrays) -> Array:
    """What the network returns, computed without a framework."""
    x = batch_normed(convolved(x, arrays, "conv1", stride=2), arrays, "bn1")
    x = np.tanh(batch_normed(convolved(x / (1 + np.exp(-x)), arrays, "conv2"), arrays, "bn2"))
    return linear(average_pooled(x, 4), arrays, "linear")


# -- the reference ---------------------------------------------------------------------------------------------------


def expected(task: str, model: Model, inputs: Arrays) -> Arrays:
    """What the driver returns for a right submission."""
    import twinlens as tl

    x, labels = laid_out(inputs["pictures"]), inputs["labels"].tolist()
    if task == "compute_saliency_maps":
        maps = _largest(tl.explain(model, x, "saliency", target=labels).values)
        one = slice(int(inputs["alone"]), int(inputs["alone"]) + 1)
        alone = _largest(tl.explain(model, x[one], "saliency", target=labels[one]).values)
        return {"maps": maps, "again": maps, "alone": alone, "normalised": normalised(maps)}
    if task == "smooth_grad":
        copies = [x + laid_out(noise) for noise in inputs["noise"].astype(model.dtype)]
        maps = np.mean([_largest(model.gradient(copy, target=labels)) for copy in copies], axis=0)
        return {"maps": maps, "again": maps}
    found = tl.explain(
        model,
        x,
        "integrated_gradients",
        target=labels,
        baseline=laid_out(inputs["baseline"]),
        steps=int(inputs["steps"]),
        rule="midpoint",
    )
    attributions = as_pictures(found.values)
    return {"attributions": attributions, "again": attributions}


def _largest(gradient: Array) -> Array:
    """Largest absolute value over the channels of (N, 3, H, W)."""
    found: Array = np.abs(gradient).max(axis=1)
    return found


# -- saliency maps ---------------------------------------------------------------------------------------------------


def _saliency(
    model: Model,
    inputs: Arrays,
    way: Way = RIGHT,
    reduce: Reduce = _largest,
    normalise: Reduce = normalised,
    times: int = 1,
) -> Arrays:
    pictures, labels = inputs["pictures"], inputs["labels"]
    one = slice(int(inputs["alone"]), int(inputs["alone"]) + 1)
    maps = reduce(gradients(model, [pictures], labels, way)[0])
    alone = reduce(gradients(model, [pictures[one]], labels[one], way)[0])
    return {"maps": maps, "again": times * maps, "alone": alone, "normalised": normalise(maps)}


SALIENCY = [
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
        lambda model, inputs: _saliency(model, inputs, reduce=lambda g: normalised(_largest(g))),
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


# -- SmoothGrad ------------------------------------------------------------------------------------------------------


def _smooth(
    model: Model,
    inputs: Arrays,
    way: Way = RIGHT,
    reduce: Reduce = _largest,
    gather: Reduce = lambda maps: maps.mean(axis=0),
) -> Arrays:
    copies = list(_double(inputs["pictures"]) + inputs["noise"])
    maps = gather(np.stack([reduce(g) for g in gradients(model, copies, inputs["labels"], way)]))
    return {"maps": maps, "again": maps}


def _smooth_of_sum(model: Model, inputs: Arrays) -> Arrays:
    """The absolute value of the mean gradient, in place of the mean absolute value."""
    return _smooth(model, inputs, reduce=lambda g: g, gather=lambda all_: _largest(all_.mean(axis=0)))


def _smooth_without_noise(model: Model, inputs: Arrays) -> Arrays:
    return _smooth(model, {**inputs, "noise": np.zeros_like(inputs["noise"][:1])})


def _smooth_accumulated(model: Model, inputs: Arrays, across_calls: bool) -> Arrays:
    """``.grad`` is never cleared between the copies; ``across_calls`` neither between the driver's two calls."""

    def gather(all_: Array) -> Array:
        found: Array = np.stack([_largest(g) for g in np.cumsum(all_, axis=0)])
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


def _copies(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    return {"copies": float(len(inputs["noise"]))}


SMOOTH = [
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
        lambda model, inputs: _smooth(model, inputs, reduce=lambda g: normalised(_largest(g))),
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


# -- integrated gradients --------------------------------------------------------------------------------------------


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


def _steps(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    return {"steps": float(inputs["steps"]), "first": 0.5 / float(inputs["steps"])}


_RULE = "{where} the midpoint rule takes the middle of each of the {{steps:.0f}} parts: {{first:.3f}} comes first."

INTEGRATED = [
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

MISTAKES: dict[str, list[Mistake]] = dict(zip(TASKS, (SALIENCY, SMOOTH, INTEGRATED), strict=True))
