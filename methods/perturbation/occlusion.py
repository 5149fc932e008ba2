"""Occlusion: how far the score falls while a window slides over the input and hides what is below it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import MethodError
from ..baselines import baselines
from ..checks import positive_count, random_seed
from ..evaluation import score
from ..explanation import Array
from ..registry import Attribution, register
from .drops import drops, fast, spent
from .local import Box, slices
from .local_search import localised


@register(
    "occlusion",
    family="perturbation",
    paper="Visualizing and Understanding Convolutional Networks (Zeiler & Fergus, 2013, arXiv:1311.2901)",
    needs="scores",
    error="none: the mean over the windows is exact up to rounding",
    access="model-agnostic",
)
def occlusion(
    model: Model,
    x: Array,
    target: Target,
    *,
    window: int | Sequence[int] | None = None,
    stride: int | Sequence[int] | None = None,
    baseline: Any = 0.0,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``mean over the windows that cover a value of: score(x) - score(x with the window at the baseline)``.

    The first window lies at the origin, the last one reaches the end and is cut off there where the stride does not
    divide the rest: every value is covered. ``values`` has the shape of the input, ``error`` is None. Windows that
    change nothing, and windows that change the same values, are not run again; layers that see a window's surroundings
    only, such as the first ones of a convolutional network, are not run on the rest of the picture.

    Parameters
    ----------
    window : int or tuple of int, optional
        Size of the window. A number is its length along every axis after the first: the window of a picture has all
        channels. A tuple names these axes one by one, or all axes of a sample. Left out, an eighth of the shorter
        side, and one column of a table.
    stride : int or tuple of int, optional
        How far the window moves, at most its size; half the window when left out.
    baseline : number, array, {"blur", "mean", "noise"}, or list of these
        What the window is filled with; 0 is black. The result for a list is the mean over its entries.
    of : {"logit", "probability", "log_probability", "loss"}
        What falls.
    seed : int
        For the baseline ``"noise"``.
    batch_size : int or "auto"
    """
    sample = x.shape[1:]
    size = _window(window, sample)
    windows = list(itertools.product(*map(_along, sample, size, _stride(stride, size, sample))))
    starts = baselines(baseline, x, random_seed(seed))
    scored = score(model, x, target, of, batch_size)
    quick, whole = fast(model, x, scored, len(windows) * len(x) * len(starts), of, batch_size)
    values = np.zeros(x.shape)
    evaluations = 0
    for start in starts:
        plans = [_plan(windows, picture != hidden) for picture, hidden in zip(x, start, strict=True)]
        boxes = [list(plan) for plan in plans]
        local = localised(quick, x, boxes, start)

        def occluded(i: int, part: slice, start: Array = start, boxes: Any = boxes, local: Any = local) -> Array:
            points = []
            for box in boxes[i][part]:
                frame = _whole(sample) if local is None else local.frame(i, box)
                point = x[i][slices(frame)].copy()
                point[_within(box, frame)] = start[i][slices(box)]
                points.append(point)
            return np.stack(points)

        counts = [len(each) for each in boxes]
        with nullcontext() if local is None else local.running():
            for i, part, found in drops(quick, whole, occluded, counts, sample, scored.resolved, of, batch_size):
                for box, drop in zip(boxes[i][part], found, strict=True):
                    for covered in plans[i][box]:
                        values[i][slices(covered)] += drop / len(starts)
        evaluations += sum(counts)
    times = np.zeros(sample)
    for covered in windows:
        times[slices(covered)] += 1
    return Attribution(
        (values / times).astype(x.dtype), scored.scores, scored.target, budget=spent(len(x), evaluations)
    )


def _window(window: Any, sample: tuple[int, ...]) -> tuple[int, ...]:
    inner = sample[1:] or sample
    if window is None:
        window = max(1, min(inner) // 8) if len(sample) > 1 else 1
    size = _per_axis("window", window, sample, sample)
    if any(w > n for w, n in zip(size, sample, strict=True)):
        raise MethodError(f"window={window!r} is larger than a sample of {sample}.", f"Pass at most {inner}.")
    return size


def _stride(stride: Any, size: tuple[int, ...], sample: tuple[int, ...]) -> tuple[int, ...]:
    if stride is None:
        return tuple(max(1, w // 2) for w in size)
    steps = _per_axis("stride", stride, sample, size)
    if any(s > w < n for s, w, n in zip(steps, size, sample, strict=True)):
        raise MethodError(
            f"stride={stride!r} leaves gaps between windows of {size}.", "Pass a stride of at most the window's size."
        )
    return steps


def _per_axis(name: str, value: Any, sample: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int, ...]:
    """One number for every axis of a sample; `whole` completes what leaves out the first axis."""
    inner = len(sample[1:] or sample)
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if not isinstance(value, (tuple, list, np.ndarray)):
        value = [positive_count(name, value)] * inner
    numbers = tuple(positive_count(name, number) for number in value)
    if len(numbers) == len(sample):
        return numbers
    if len(numbers) == inner:
        return whole[:1] + numbers
    raise MethodError(
        f"{name}={value!r} has {len(numbers)} numbers for samples of {sample}.", f"Pass one number, {inner}, or none."
    )


def _along(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    count = -(-(length - window) // stride) + 1
    return [(i * stride, min(i * stride + window, length)) for i in range(count)]


def _plan(windows: list[Box], differs: Array) -> dict[Box, list[Box]]:
    """The windows by the smallest box around what they change: one run serves all that share it."""
    plan: dict[Box, list[Box]] = {}
    if differs.all():
        return {window: [window] for window in windows}
    for window in windows:
        found = np.nonzero(differs[slices(window)])
        if len(found[0]):
            box = tuple(
                (first + int(axis.min()), first + int(axis.max()) + 1)
                for (first, _), axis in zip(window, found, strict=True)
            )
            plan.setdefault(box, []).append(window)
    return plan


def _whole(sample: tuple[int, ...]) -> Box:
    return tuple((0, length) for length in sample)


def _within(box: Box, frame: Box) -> tuple[slice, ...]:
    return tuple(slice(first - start, last - start) for (first, last), (start, _) in zip(box, frame, strict=True))
