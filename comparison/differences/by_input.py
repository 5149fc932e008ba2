"""Experiments with the order, the range and the layout of the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from ...backends.protocol import Array
from .case import Case, Trial

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def channel_order(case: Case) -> Iterator[Trial]:
    """B's channels in another order."""
    a, b = case.a.output, case.b.output
    if a.shape == b.shape and a.ndim >= 3 and 2 <= a.shape[1] <= 4:
        for order in permutations(range(a.shape[1])):
            if order != tuple(range(a.shape[1])):
                words = ", as RGB and BGR" if order == (2, 1, 0) else ""
                text = f"the channels of {case.b.title} stand in the order {list(order)}{words}"
                yield Trial("channel order", text, b[:, list(order)], b)


def normalisation(case: Case) -> Iterator[Trial]:
    """A's numbers are B's, shifted and scaled channel by channel."""
    a, b = case.a.output.astype(np.float64), case.b.output.astype(np.float64)
    if a.shape != b.shape or a.ndim < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return
    axes = (0, *range(2, a.ndim))
    if a.size // a.shape[1] < 3:
        return
    centre = b.mean(axis=axes, keepdims=True)
    spread = ((b - centre) ** 2).sum(axis=axes, keepdims=True)
    if not spread.all():
        return
    slope = ((b - centre) * (a - a.mean(axis=axes, keepdims=True))).sum(axis=axes, keepdims=True) / spread
    shift = a.mean(axis=axes, keepdims=True) - slope * centre
    if slope.all():
        text = _formula(slope.ravel(), shift.ravel(), case)
        yield Trial("normalisation", text, slope * b + shift, b)


def _formula(slope: Array, shift: Array, case: Case) -> str:
    mean, std = -shift / slope, 1 / slope
    if np.allclose(mean, 0, atol=1e-9):
        return f"{case.a.title} is {_numbers(slope)} times {case.b.title}"
    known = len(mean) == 3 and np.allclose(mean, _IMAGENET[0]) and np.allclose(std, _IMAGENET[1])
    words = " (ImageNet's)" if known else ""
    return f"{case.a.title} is {case.b.title} less mean {_numbers(mean)}, divided by std {_numbers(std)}{words}"


def _numbers(values: Array) -> str:
    if np.allclose(values, values[0]):
        return f"{values[0]:.6g}"
    shown = ", ".join(f"{value:.4g}" for value in values[:4])
    return f"[{shown}{', ...' if len(values) > 4 else ''}]"


def layout(case: Case) -> Iterator[Trial]:
    """Both sides hold the input's numbers, read along the axes in another order."""
    for x in (*case.inputs, case.b.output):
        if x.size != case.a.output.size or x.size != case.b.output.size or not 2 <= x.ndim <= 4:
            continue
        a, b = _read(x, case.a.output), _read(x, case.b.output)
        if a is not None and b is not None and a != b:
            text = f"{case.a.title} reads the axes in the order {list(a)}, {case.b.title} in the order {list(b)}"
            yield Trial(
                "layout",
                text,
                x.transpose(a).reshape(case.a.output.shape),
                x.transpose(b).reshape(case.b.output.shape),
            )


def _read(x: Array, y: Array) -> tuple[int, ...] | None:
    flat = y.ravel()
    orders = permutations(range(x.ndim))
    return next((order for order in orders if np.allclose(x.transpose(order).ravel(), flat, rtol=1e-6)), None)
