"""Mistakes in `filter_visualisation`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from twinlens.grading.protocol import Array, Mistake
from twinlens.grading.variants import variant

from .hints import alone_and_together, asked_filter, how_far_moved, last_axis, range_of_values
from .right import visualise
from .wrong_captures import channels_last


def _adam(gradients: list[Array], rate: float) -> Array:
    mean: Any = 0.0
    square: Any = 0.0
    for gradient in gradients:
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
    count = len(gradients)
    step: Array = rate * (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
    return step


def _piled(gradients: list[Array], rate: float) -> Array:
    piled: Array = rate * np.sum(gradients, axis=0)
    return piled


def _stretched(pictures: Array, axes: Iterable[int] | None = None) -> Array:
    over = None if axes is None else tuple(axes)
    low, high = pictures.min(over, keepdims=True), pictures.max(over, keepdims=True)
    shown: Array = (pictures - low) / (high - low)
    return shown


WRONG_VISUALISATIONS: list[Mistake] = [
    variant(
        visualise,
        "descent",
        0.5,
        "The pictures move by up to {moved:.2g}, but downhill: add the gradient, or let the optimiser minimise the "
        "negative sum.",
        how_far_moved,
        move=lambda gradients, rate: -rate * gradients[-1],
    ),
    variant(
        visualise,
        "accumulated",
        0.5,
        "The pictures move by up to {moved:.2g}, more in each step, because the gradients of all steps so far add "
        "up; clear the gradient.",
        how_far_moved,
        move=_piled,
    ),
    Mistake(
        "no_gradient",
        "No gradient came back to the pictures. Enable requires_grad; in Paddle stop_gradient=False.",
        0.1,
        lambda model, inputs: {"together": np.zeros(1), "alone": np.zeros(1)},
    ),
    variant(
        visualise,
        "unchanged",
        0.1,
        "The pictures move by {moved:.2g}: no gradient reaches them. Enable requires_grad; in Paddle "
        "stop_gradient=False.",
        how_far_moved,
        move=lambda gradients, rate: 0 * gradients[-1],
    ),
    variant(
        visualise,
        "one_step_less",
        0.7,
        "You made one step less than the {steps:d} asked for.",
        how_far_moved,
        more=-1,
    ),
    variant(
        visualise,
        "one_step_more",
        0.7,
        "You made one step more than the {steps:d} asked for.",
        how_far_moved,
        more=1,
    ),
    variant(
        visualise,
        "mean",
        0.6,
        "The pictures move by up to {moved:.2g} only: you raised the mean of the filter's output; raise the sum.",
        how_far_moved,
        mean=True,
    ),
    variant(
        visualise,
        "adam",
        0.5,
        "No value moves by more than {moved:.2g} in {steps:d} steps of {rate:.3f}, as with Adam: add the learning "
        "rate times the gradient, without an optimiser.",
        how_far_moved,
        move=_adam,
    ),
    variant(
        visualise,
        "post_activation",
        0.5,
        "You raised the output after the ReLU: hook the convolution itself.",
        suffix="relu",
    ),
    variant(
        visualise,
        "post_normalisation",
        0.5,
        "You raised the output after batch normalisation: hook the convolution itself.",
        suffix="bn",
    ),
    variant(
        visualise,
        "whole_layer",
        0.4,
        "You raised all filters of the layer together: sum over filter {channel} only, activation[:, {channel}].",
        asked_filter,
        raised=lambda activation, channel: activation,
    ),
    variant(
        visualise,
        "next_filter",
        0.5,
        "This is filter {next}, asked for was filter {channel}: channels are counted from 0.",
        asked_filter,
        raised=lambda activation, channel: activation[:, channel + 1],
    ),
    variant(
        visualise,
        "train_mode",
        0.5,
        "A picture on its own comes out {change:.0f} % different: it changes with its batch mates; call eval().",
        alone_and_together,
        training=True,
    ),
    variant(
        visualise,
        "clipped",
        0.6,
        "All values lie between {lowest:.2g} and {highest:.2g}: do not clip the pictures.",
        range_of_values,
        bounded=True,
    ),
    variant(
        visualise,
        "normalised",
        0.6,
        "Each picture runs from {lowest:.2g} to {highest:.2g}: return what the ascent reached, and normalise only "
        "to show it.",
        range_of_values,
        finish=lambda pictures: _stretched(pictures, (1, 2, 3)),
    ),
    variant(
        visualise,
        "normalised_together",
        0.5,
        "Image {image} peaks at {peak:.2f}: the batch was normalised as a whole. Return what the ascent reached; "
        "to show it, normalise each image separately.",
        range_of_values,
        finish=_stretched,
    ),
    variant(
        visualise,
        "channels_last",
        0.7,
        "Your pictures have {last:d} channels in their last axis: return them as they came, (N, C, H, W).",
        last_axis,
        finish=channels_last,
    ),
]
