"""Mistakes in `edit_features` and `remove_hook`: filters switched off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from twinlens.grading.protocol import Array, Mistake
from twinlens.grading.variants import variant

from .hints import edits_apart, first_call_again, first_channel, mean_total, what_is_left
from .right import edit, remove, switched_off


def _wrong_axis(ones: Array, channels: Sequence[int]) -> Array:
    ones[list(channels)] = 0
    return ones


def _only(ones: Array, channels: Sequence[int]) -> Array:
    return 1 - switched_off(ones, channels)


def _nothing(ones: Array, channels: Sequence[int]) -> Array:
    return ones


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    shares: Array = powers / powers.sum(-1, keepdims=True)
    return shares


def _edited_network(function: Callable[..., dict[str, Array]], evaluation: Mistake) -> list[Mistake]:
    """The mistakes that both tasks with an edited network have in common."""
    return [
        variant(
            function,
            "not_returned",
            0.25,
            "Scores for filter {one} and for filter {other} differ by {change:.2g} %: these are the unedited network's "
            "scores. The network goes on with what the hook returns; return the changed output."
            if function is edit
            else "Every entry holds the unedited network's scores. The network goes on with what the hook returns; "
            "return the changed output.",
            edits_apart if function is edit else None,
            factors=_nothing,
        ),
        variant(
            function,
            "picture_axis",
            0.4,
            "You switched off picture {channel} and not filter {channel}: pictures are axis 0, filters axis 1.",
            first_channel,
            factors=_wrong_axis,
        ),
        variant(
            function,
            "all_others_off",
            0.4,
            "Filter {channel} is the only one that is left: switch this one off and keep the others.",
            first_channel,
            factors=_only,
        ),
        variant(
            function,
            "post_activation",
            0.5,
            "You edited what comes after the convolution, behind batch normalisation or the ReLU: hook the convolution "
            "itself.",
            suffix="relu",
        ),
        variant(
            function,
            "next_filter",
            0.5,
            "This is filter {next}, asked for was filter {channel}: channels are counted from 0.",
            first_channel,
            shift=1,
        ),
        evaluation,
        variant(
            function,
            "softmax",
            0.6,
            "Each picture's scores sum to {total:.3f}: return the scores as the network gives them, without softmax.",
            mean_total,
            output=_softmax,
        ),
    ]


WRONG_EDITS: list[Mistake] = [
    *_edited_network(
        edit,
        variant(
            edit,
            "train_mode",
            0.5,
            "The same pictures in a smaller batch give scores that differ by {change:.0f} %: each changes with its "
            "batch mates; call eval().",
            first_call_again,
            training=True,
        ),
    ),
    variant(
        edit,
        "hook_kept",
        0.5,
        "The first call made again gives scores that differ by {change:.0f} %: the edits of earlier calls are "
        "still there; remove the handle.",
        first_call_again,
        kept=True,
    ),
]

WRONG_REMOVALS: list[Mistake] = [
    *_edited_network(
        remove,
        variant(
            remove,
            "train_mode",
            0.5,
            "The scores mix the pictures of the batch: each changes with its batch mates; call eval().",
            training=True,
        ),
    ),
    variant(
        remove,
        "hook_kept",
        0.3,
        "After your function the network's scores differ by {change:.0f} % from those with filters switched off: "
        "the hooks are still there; remove each handle.",
        what_is_left,
        cumulative=True,
        left=slice(3),
    ),
    variant(
        remove,
        "only_last_removed",
        0.4,
        "Only the last of your hooks was removed: keep every handle, or remove each before the next filter's turn.",
        cumulative=True,
        left=slice(2),
    ),
    variant(
        remove,
        "removed_too_late",
        0.6,
        "When filter {channel} is switched off, the ones before it are off as well: remove each handle before the "
        "next filter's turn.",
        what_is_left,
        cumulative=True,
    ),
    variant(
        remove,
        "last_kept",
        0.6,
        "After your function filter {channel} is still off: remove the last handle, too.",
        what_is_left,
        left=slice(-1, None),
    ),
]
