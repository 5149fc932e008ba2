"""Experiments with layers that agree forward and not backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...backends.protocol import Array
from .gap import relative_l2
from .result import CERTAIN, LIKELY, Cause

Trial = tuple[str, str, Array]


def explained_backward(a: Array | None, b: Array | None, arriving: Sequence[Array]) -> tuple[Cause, ...]:
    """Say what B does to the gradient.

    Parameters
    ----------
    a, b : ndarray or None
        The gradient that leaves the step on each side; None where none does.
    arriving : sequence of ndarray
        The gradients that arrive at the step, or may do so.
    """
    before = relative_l2(a, b)
    if a is None or b is None or not np.any(a) or not np.any(b):
        silent = "B" if b is None or not np.any(b) else "A"
        text = f"no gradient passes in {silent}: a detach, or a part without gradient"
        return (Cause("detach", text, before, 0.0, CERTAIN),)
    found = []
    for experiment in (_straight_through, _scaled, _clipped, _positive):
        for cause, text, guess in experiment(a, b, arriving):
            after = relative_l2(b, guess)
            if after <= min(1e-5, before / 100):
                return (Cause(cause, text, before, after, CERTAIN),)
            if after <= 0.2 * before:
                found.append(Cause(cause, text, before, after, LIKELY))
    return tuple(sorted(found, key=lambda cause: cause.after)[:3])


def _straight_through(a: Array, b: Array, arriving: Sequence[Array]) -> Iterator[Trial]:
    for gradient in arriving:
        if gradient.shape == b.shape:
            yield "straight-through", "B hands the gradient on as it arrives", gradient
            yield (
                "guided gradient",
                "B hands on the positive part of the gradient that arrives",
                np.maximum(gradient, 0),
            )


def _scaled(a: Array, b: Array, arriving: Sequence[Array]) -> Iterator[Trial]:
    factor = float(np.vdot(a, b) / np.vdot(a, a))
    cause = "reversed gradient" if factor < 0 else "scaled gradient"
    yield cause, f"the gradient of B is {factor:.6g} times that of A", a * factor


def _clipped(a: Array, b: Array, arriving: Sequence[Array]) -> Iterator[Trial]:
    bound = float(np.abs(b).max())
    yield "clipped gradient", f"B clips the gradient to {bound:.6g}", np.clip(a, -bound, bound)


def _positive(a: Array, b: Array, arriving: Sequence[Array]) -> Iterator[Trial]:
    yield "guided gradient", "B keeps the positive part of the gradient", np.maximum(a, 0)
