"""The numbers in hints, measured on a student's own arrays."""

from __future__ import annotations

import numpy as np

from twinlens.grading.protocol import Array, Arrays, Numbers


def _apart(ours: Array, theirs: Array) -> float:
    """Largest difference in percent of the largest value."""
    return float(100 * np.abs(ours - theirs).max() / (np.abs(theirs).max() or 1.0))


def captures(inputs: Arrays, outputs: Arrays) -> Numbers:
    """How many captures the second call gave."""
    return {"captures": float(outputs["captures"])}


def batch_mates(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The picture that both calls had, with other pictures beside it."""
    return {"change": _apart(outputs["second"][0], outputs["first"][2])}


def lowest_value(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The lowest value of both captures."""
    return {"lowest": min(float(outputs[name].min()) for name in ("first", "second"))}


def channel_count(inputs: Arrays, outputs: Arrays) -> Numbers:
    """Length of the axis of channels, and of the last one."""
    axis = outputs["first"].shape
    return {"found": axis[1], "last": axis[-1]}


def first_call_again(inputs: Arrays, outputs: Arrays) -> Numbers:
    """How much the first call's scores change when it is made again."""
    return {"change": _apart(outputs["again"], outputs["scores"][:3])}


def edits_apart(inputs: Arrays, outputs: Arrays) -> Numbers:
    """How much the scores differ between the two filters."""
    one, other = inputs["channels"]
    return {"one": one, "other": other, "change": _apart(outputs["other"], outputs["scores"])}


def what_is_left(inputs: Arrays, outputs: Arrays) -> Numbers:
    """How much the scores afterwards differ from those of the last edit."""
    return {"change": _apart(outputs["afterwards"], outputs["scores"][-1]), "channel": inputs["channels"][-1]}


def first_channel(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The first channel that was asked for."""
    channel = int(inputs["channels"][0])
    return {"channel": channel, "next": channel + 1}


def mean_total(inputs: Arrays, outputs: Arrays) -> Numbers:
    """What a picture's scores sum to."""
    return {"total": float(outputs["scores"].reshape(-1, 5).sum(1).mean())}


def how_far_moved(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The longest way of a value, beside what was asked for."""
    start = inputs["pictures"]
    moved = np.abs(outputs["together"] - start).reshape(len(start), -1).max(1)
    return {"moved": float(moved.max()), "rate": float(inputs["learning_rate"]), "steps": int(inputs["steps"])}


def alone_and_together(inputs: Arrays, outputs: Arrays) -> Numbers:
    """How much the first picture changes with its batch mates."""
    return {"change": _apart(outputs["together"][0], outputs["alone"][0])}


def range_of_values(inputs: Arrays, outputs: Arrays) -> Numbers:
    """Lowest and highest value, and the picture with the lowest peak."""
    pictures = outputs["together"]
    peaks = pictures.reshape(len(pictures), -1).max(1)
    return {
        "lowest": float(pictures.min()),
        "highest": float(pictures.max()),
        "image": int(peaks.argmin()),
        "peak": float(peaks.min()),
    }


def last_axis(inputs: Arrays, outputs: Arrays) -> Numbers:
    """Length of the last axis."""
    return {"last": outputs["together"].shape[-1]}


def asked_filter(inputs: Arrays, outputs: Arrays) -> Numbers:
    """The filter that was asked for."""
    return {"channel": int(inputs["channel"]), "next": int(inputs["channel"]) + 1}
