"""Mistakes in `lime_weights`."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, Mistake
from twinlens.grading.variants import variant

from .hints import labels, spread
from .right import lime, log_softmax, nearness
from .wrong_classifiers import reshaped, softmax_twice, width_first


def _everyone_equal(masks: Array, width: float) -> Array:
    return np.ones(len(masks))


def _weighted_twice(masks: Array, width: float) -> Array:
    return nearness(masks, width) ** 2


def _by_hidden_share(masks: Array, width: float) -> Array:
    return np.sqrt(np.exp(-((1 - masks.mean(1)) ** 2) / width**2))


def _largest_first(found: Array) -> Array:
    return found[np.argsort(-np.abs(found))]


WRONG_LIME_WEIGHTS: list[Mistake] = [
    variant(
        lime,
        "masks_inverted",
        0.5,
        "You hid the superpixels that the mask shows: 1 means shown, 0 painted over.",
        inverted=True,
    ),
    variant(
        lime,
        "unweighted",
        0.6,
        "All neighbours count the same: give each its weight from the kernel (sample_weight).",
        importance=_everyone_equal,
    ),
    variant(
        lime,
        "weighted_twice",
        0.7,
        "The weights of the neighbours are squared: w has a square root, and rows are multiplied by the root of w.",
        importance=_weighted_twice,
    ),
    variant(
        lime,
        "other_distance",
        0.7,
        "The distance is not the share of what is hidden: it is the cosine distance 1 - sqrt(n / K).",
        importance=_by_hidden_share,
    ),
    variant(
        lime,
        "no_penalty",
        0.7,
        "This is the regression without its penalty; the largest weight is {largest:.2g}. Add penalty times the "
        "identity.",
        spread,
        penalty=lambda given: 0.0,
    ),
    variant(
        lime,
        "no_intercept",
        0.6,
        "The weights of the first picture sum to {total:.2f}, because they stand in for the intercept: fit one, "
        "without penalty.",
        spread,
        intercept=False,
    ),
    variant(
        lime,
        "predicted_label",
        0.5,
        "You explained the prediction; use the given label, such as {label:d} for the first picture.",
        labels,
        predicted=True,
    ),
    variant(
        lime,
        "next_label",
        0.5,
        "The first picture is explained for class {next:d}, its label is {label:d}; labels start at 0.",
        labels,
        shift=1,
    ),
    variant(
        lime,
        "no_softmax",
        0.5,
        "The largest weight is {largest:.2g}: the regression was fitted to scores. Fit it to probabilities.",
        spread,
        output=lambda scores: scores,
    ),
    variant(
        lime,
        "softmax_twice",
        0.5,
        "No weight is larger than {largest:.2g}: softmax was applied twice; pass it the network's scores.",
        spread,
        output=softmax_twice,
    ),
    variant(
        lime,
        "loss",
        0.5,
        "The largest weight is {largest:.2g}: matches the cross-entropy loss; fit the probability of the label.",
        spread,
        output=lambda scores: -log_softmax(scores),
    ),
    variant(
        lime,
        "log_probability",
        0.5,
        "The largest weight is {largest:.2g}: matches the logarithm of the probability; fit the probability itself.",
        spread,
        output=log_softmax,
    ),
    variant(
        lime,
        "train_mode",
        0.5,
        "What the network says of a neighbour changes with its batch mates; call eval().",
        training=True,
    ),
    variant(
        lime,
        "black_fill",
        0.7,
        "Hidden superpixels are black: paint them in the colour `fill`.",
        black=True,
    ),
    variant(
        lime,
        "reshaped",
        0.4,
        "The pixels are mixed up on their way from (M, H, W, C) to (M, C, H, W): transpose, don't reshape.",
        arrange=reshaped,
    ),
    variant(
        lime,
        "width_first",
        0.6,
        "The pictures lie on their side, (M, C, W, H): transpose by (0, 3, 1, 2).",
        arrange=width_first,
    ),
    variant(
        lime,
        "sorted",
        0.7,
        "The weights run from {first:.2g} to {last:.2g} by size: return them in the order of the superpixels.",
        spread,
        finish=_largest_first,
    ),
]
