"""Mistakes in `classifier_function`."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, Mistake
from twinlens.grading.variants import variant

from .hints import alone_and_together, rows_and_columns, sureness
from .right import channels_first, classify, log_softmax, softmax


def reshaped(pictures: Array) -> Array:
    """The axes (N, C, H, W) by a reshape, which mixes up the pixels."""
    count, height, width, channels = pictures.shape
    return pictures.reshape(count, channels, height, width)


def width_first(pictures: Array) -> Array:
    """(N, H, W, C) to (N, C, W, H)."""
    return pictures.transpose(0, 3, 2, 1)


def _blue_first(pictures: Array) -> Array:
    return channels_first(pictures[..., ::-1])


def softmax_twice(scores: Array) -> Array:
    """Softmax of what softmax gave."""
    return softmax(softmax(scores))


def _across_pictures(scores: Array) -> Array:
    return softmax(scores, axis=0)


WRONG_CLASSIFIERS: list[Mistake] = [
    variant(
        classify,
        "no_softmax",
        0.5,
        "The first picture's row sums to {total:.2f} and not to 1: LIME wants probabilities; apply softmax.",
        rows_and_columns,
        output=lambda scores: scores,
    ),
    variant(
        classify,
        "softmax_twice",
        0.6,
        "All probabilities lie between {lowest:.2f} and {highest:.2f}: softmax was applied twice; pass it the "
        "network's scores.",
        rows_and_columns,
        output=softmax_twice,
    ),
    variant(
        classify,
        "log_softmax",
        0.5,
        "No value is above {highest:.2g}: these are logarithms; return the probabilities themselves.",
        rows_and_columns,
        output=log_softmax,
    ),
    variant(
        classify,
        "softmax_across_pictures",
        0.4,
        "The first class sums to {down:.2f} over the pictures: softmax belongs over the classes, axis 1.",
        rows_and_columns,
        output=_across_pictures,
    ),
    variant(
        classify,
        "reshaped",
        0.4,
        "The pixels are mixed up on their way from (N, H, W, C) to (N, C, H, W): transpose, don't reshape.",
        arrange=reshaped,
    ),
    variant(
        classify,
        "width_first",
        0.6,
        "The pictures lie on their side, (N, C, W, H): transpose by (0, 3, 1, 2).",
        arrange=width_first,
    ),
    variant(
        classify,
        "blue_first",
        0.6,
        "Red and blue are swapped: the pictures are RGB already, OpenCV has no part in this.",
        arrange=_blue_first,
    ),
    variant(
        classify,
        "bytes_not_scaled",
        0.5,
        "The network is {bytes:.0%} sure of pictures of bytes and {floats:.0%} sure of the others: divide bytes "
        "by 255.",
        sureness,
        scale=lambda pictures: pictures.astype(np.float64),
    ),
    variant(
        classify,
        "always_divided",
        0.5,
        "Pictures of 0 to 1 were divided by 255 as well: divide only where the array holds bytes (dtype uint8).",
        scale=lambda pictures: pictures / 255.0,
    ),
    variant(
        classify,
        "own_maximum",
        0.5,
        "The batch was divided by its own maximum: the same picture then changes with the others. Divide bytes by "
        "255 and leave numbers of 0 to 1 alone.",
        scale=lambda pictures: pictures / pictures.max(),
    ),
    variant(
        classify,
        "train_mode",
        0.5,
        "The first picture's largest probability is {together:.3f} in the batch and {alone:.3f} alone: it changes "
        "with its batch mates; call eval().",
        alone_and_together,
        training=True,
    ),
]
