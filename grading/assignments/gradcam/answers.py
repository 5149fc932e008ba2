"""The answers: for the grader only, never for students."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
    RIGHT,
    Way,
    change_when_alone,
    laid_out,
    lowest_peak,
    lowest_value,
    normalised,
    normalised_together,
    seen,
    without_gradient,
    wrong_ways,
)

if TYPE_CHECKING:
    from twinlens import Model

HEIGHT, WIDTH, CLASSES = 24, 32, 7

SHAPES = {
    **convolution_shapes("conv1", 3, 8, bias=False),
    **batch_norm_shapes("bn1", 8),
    **convolution_shapes("conv2", 8, 12, bias=False),
    **batch_norm_shapes("bn2", 12),
    **convolution_shapes("conv3", 12, 16, bias=False),
    **batch_norm_shapes("bn3", 16),
    **linear_shapes("linear", 16 * 3 * 4, CLASSES),
}
TASKS = ("capture_layer", "grad_cam")

ToMap: TypeAlias = Callable[[Array, Array], Array]
"""Makes maps (B, h, w) of activations and gradients (B, K, h, w)."""


# -- cases -----------------------------------------------------------------------------------------------------------


def weights(seed: int, public: bool) -> dict[str, Array]:
    """Draw the weights of the network."""
    return {**draw_weights(random_generator(seed, int(public), 0), SHAPES, centred=True)}


def cases(task: str, seed: int, public: bool) -> dict[str, Array]:
    """Draw what the driver is given."""
    generator = random_generator(seed, int(public), 1 + TASKS.index(task))
    pictures = draw_pictures(generator, HEIGHT, WIDTH)
    labels = labels_beside(generator, _scores(laid_out(pictures), weights(seed, public)))
    return {
        "pictures": pictures,
        "labels": labels,
        "layer": np.array(int(generator.integers(2, 4))),
        "alone": np.array(int(generator.integers(len(pictures)))),
    }


def _scores(x: Array, arrays: Arrays) -> Array:
    """What the network returns, computed without a framework."""
    x = average_pooled(_silu(batch_normed(convolved(x, arrays, "conv1"), arrays, "bn1")), 2)
    x = average_pooled(np.tanh(batch_normed(convolved(x, arrays, "conv2"), arrays, "bn2")), 2)
    x = average_pooled(_silu(batch_normed(convolved(x, arrays, "conv3"), arrays, "bn3")), 2)
    return linear(x, arrays, "linear")


def _silu(x: Array) -> Array:
    found: Array = x / (1 + np.exp(-x))
    return found


# -- the reference ---------------------------------------------------------------------------------------------------


def expected(task: str, model: Model, inputs: Arrays) -> Arrays:
    """What the driver returns for a right submission."""
    import twinlens as tl

    x, labels, layer = laid_out(inputs["pictures"]), inputs["labels"].tolist(), _layer(inputs)
    if task == "capture_layer":
        with model.capture(layer, gradients=True) as captured:
            model.gradient(x, target=labels)
        return {
            "activations": np.stack([captured[layer]] * 2),
            "gradients": np.stack([captured.gradients[layer]] * 2),
        }
    maps = tl.explain(model, x, "gradcam", target=labels, layer=layer, upsample=False).values[:, 0]
    one = slice(int(inputs["alone"]), int(inputs["alone"]) + 1)
    alone = tl.explain(model, x[one], "gradcam", target=labels[one], layer=layer, upsample=False).values[:, 0]
    return {"maps": maps, "again": maps, "alone": alone, "normalised": normalised(maps)}


def _layer(inputs: Arrays) -> str:
    return f"conv{int(inputs['layer'])}"


# -- activation and gradient -----------------------------------------------------------------------------------------


def _captured(model: Model, inputs: Arrays, way: Way = RIGHT, activations: int = 2, gradients: int = 2) -> Arrays:
    activation, gradient = seen(model, inputs["pictures"], inputs["labels"], _layer(inputs), way)
    return {"activations": np.stack([activation] * activations), "gradients": np.stack([gradient] * gradients)}


def _zero_gradients(model: Model, inputs: Arrays) -> Arrays:
    right = _captured(model, inputs)
    return {**right, "gradients": np.zeros_like(right["gradients"])}


def _entries(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    return {"captures": float(len(outputs["activations"])) - 1}


_KEPT = (
    "The second call appended {captures:.0f} activations for one run of the network: the hook of the first call is "
    "still on the layer. Remove its handle."
)
NO_GRADIENT = (
    "No gradient came back to the layer's output: a tensor in between keeps its .grad only when asked to "
    "(torch: retain_grad(); Paddle: retain_grads()), and nothing has a gradient inside no_grad()."
)


def _about_layers(mistakes: list[Mistake]) -> list[Mistake]:
    return [replace(mistake, hint=NO_GRADIENT) for mistake in mistakes]


CAPTURED = [
    Mistake("hook_kept", _KEPT, 0.6, lambda model, inputs: _captured(model, inputs, RIGHT, 3, 3), _entries),
    Mistake(
        "hook_kept_activation_only",
        _KEPT,
        0.6,
        lambda model, inputs: _captured(model, inputs, RIGHT, 3, 2),
        _entries,
    ),
    *wrong_ways(_captured),
    *_about_layers(without_gradient(_captured)[:1]),
    Mistake("zero_gradient", NO_GRADIENT, 0.3, _zero_gradients),
]


# -- Grad-CAM --------------------------------------------------------------------------------------------------------


def _weighted(activation: Array, gradient: Array) -> Array:
    """The sum over channels, each times the mean of its gradient."""
    means = gradient.mean(axis=(2, 3), keepdims=True)
    # Batch norm in training mode takes the mean out of the gradient: of one picture alone nothing but rounding is left.
    means[np.abs(means) < 1e-12 * np.abs(gradient).max()] = 0
    found: Array = (means * activation).sum(axis=1)
    return found


def _rectified(activation: Array, gradient: Array) -> Array:
    return np.maximum(_weighted(activation, gradient), 0)


def _mapped(
    model: Model,
    inputs: Arrays,
    way: Way = RIGHT,
    to_map: ToMap = _rectified,
    normalise: Callable[[Array], Array] = normalised,
) -> Arrays:
    pictures, labels, layer = inputs["pictures"], inputs["labels"], _layer(inputs)
    one = slice(int(inputs["alone"]), int(inputs["alone"]) + 1)
    maps = to_map(*seen(model, pictures, labels, layer, way))
    alone = to_map(*seen(model, pictures[one], labels[one], layer, way))
    return {"maps": maps, "again": maps, "alone": alone, "normalised": normalise(maps)}


def _with(to_map: ToMap) -> Callable[[Model, Arrays], Arrays]:
    return lambda model, inputs: _mapped(model, inputs, to_map=to_map)


def _places(inputs: Arrays, outputs: Arrays) -> Mapping[str, float]:
    height, width = outputs["maps"].shape[1:]
    return {"height": float(height), "width": float(width), "places": float(height * width)}


MAPPED = [
    Mistake(
        "batch_normalised",
        "Picture {image} peaks at {peak:.2f}: normalise each picture by itself, not all of the batch together.",
        0.6,
        lambda model, inputs: _mapped(model, inputs, normalise=normalised_together),
        lowest_peak,
    ),
    Mistake(
        "normalised_too_early",
        "The maps are normalised already when grad_cam returns them: return them as they are, "
        "normalise() is a step of its own.",
        0.6,
        _with(lambda activation, gradient: normalised(_rectified(activation, gradient))),
    ),
    Mistake(
        "no_relu",
        "The maps go down to {low:.3g}: what is negative speaks against the label, put 0 there (ReLU).",
        0.6,
        _with(_weighted),
        lowest_value,
    ),
    Mistake(
        "abs_not_relu",
        "What is negative before the last step has become positive: put 0 there (ReLU), take no absolute value.",
        0.6,
        _with(lambda activation, gradient: np.abs(_weighted(activation, gradient))),
    ),
    Mistake(
        "relu_too_early",
        "Each channel is cut off at 0 before the sum: add up the channels first, then put 0 where the sum is negative.",
        0.6,
        _with(lambda a, g: np.maximum(g.mean(axis=(2, 3), keepdims=True) * a, 0).sum(axis=1)),
    ),
    Mistake(
        "gradient_summed",
        "The maps are {places:.0f} times too large: a channel's weight is the mean of its gradient over the "
        "{height:.0f} x {width:.0f} places, not the sum.",
        0.7,
        _with(lambda a, g: np.maximum((g.sum(axis=(2, 3), keepdims=True) * a).sum(axis=1), 0)),
        _places,
    ),
    Mistake(
        "place_by_place",
        "Activation and gradient are multiplied place by place: give each channel one weight, the mean of its "
        "gradient over height and width.",
        0.5,
        _with(lambda a, g: np.maximum((g * a).sum(axis=1), 0)),
    ),
    Mistake(
        "channel_mean",
        "The weighted channels are averaged: add them up.",
        0.8,
        _with(lambda a, g: np.maximum((g.mean(axis=(2, 3), keepdims=True) * a).mean(axis=1), 0)),
    ),
    Mistake(
        "weights_of_batch",
        "All pictures share one set of weights: average the gradient over height and width only, "
        "for each picture by itself.",
        0.5,
        _with(lambda a, g: np.maximum((g.mean(axis=(0, 2, 3), keepdims=True) * a).sum(axis=1), 0)),
    ),
    Mistake(
        "without_weights",
        "The channels are added up without weights, so the label plays no part: multiply each one by the mean of its "
        "gradient.",
        0.2,
        _with(lambda activation, gradient: np.maximum(activation.sum(axis=1), 0)),
    ),
    *wrong_ways(_mapped, training_mode=(ALONE_HINT, change_when_alone)),
    *_about_layers(without_gradient(_mapped)),
]

MISTAKES: dict[str, list[Mistake]] = {"capture_layer": CAPTURED, "grad_cam": MAPPED}
