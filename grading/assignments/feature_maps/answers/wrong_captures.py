"""Mistakes in `capture_features`."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, Mistake
from twinlens.grading.variants import variant

from .hints import batch_mates, captures, channel_count, lowest_value
from .right import capture, capture_input


def channels_last(values: Array) -> Array:
    """(N, C, h, w) to (N, h, w, C)."""
    return np.moveaxis(values, 1, -1)


WRONG_CAPTURES: list[Mistake] = [
    variant(
        capture,
        "hook_kept",
        0.6,
        "One forward gave {captures:d} captures; remove the handle.",
        captures,
        captures=2,
    ),
    variant(
        capture,
        "post_activation",
        0.4,
        "No value lies below {lowest:.2g}: this is the output after the ReLU. Hook the convolution itself.",
        lowest_value,
        suffix="relu",
    ),
    variant(
        capture,
        "post_normalisation",
        0.4,
        "This is the output after batch normalisation. Hook the convolution itself.",
        suffix="bn",
    ),
    Mistake(
        "layer_input",
        "Your capture has {found:d} channels: this is what goes into the layer. A forward hook gets (layer, "
        "inputs, output); keep the output.",
        0.3,
        capture_input,
        channel_count,
    ),
    variant(
        capture,
        "train_mode",
        0.5,
        "The picture that both calls had changes by {change:.0f} % with its batch mates; call eval().",
        batch_mates,
        training=True,
    ),
    variant(
        capture,
        "channels_last",
        0.7,
        "Your capture has {last:d} channels in its last axis: leave the layer's output as it is, (N, C, h, w).",
        channel_count,
        change=channels_last,
    ),
]
