"""DeepLIFT through softmax and its logarithm, as a whole and exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...backends.protocol import Backend, Tensor
from .multipliers import Layout, Multiplier, slope, with_multipliers


def softmax(backend: Backend, layout: Layout, call: Callable[..., Tensor], t: Tensor) -> Tensor:
    """``Δp = L (Δz - Σ q Δz)``: the exponential's slope of the log-softmax's difference."""
    z = backend.detach(t)
    p = call(z)
    axis = _summed_axis(backend, call, z)
    logs = backend.log_softmax(z, axis)
    zs, ps, ls = layout.split(z), layout.split(p), layout.split(logs)

    def multiplier(start: int, end: int) -> Multiplier:
        weights = _shares(backend, axis, *((rows[start], rows[end]) for rows in (zs, ps, ls)))
        halfway = (ps[start] * ps[end]) ** 0.5
        a, b = _unmasked(backend, ls[start], ls[end])
        steepness = slope(backend, a, b, ps[start], ps[end], halfway)

        def hand_on(signal: Tensor) -> Tensor:
            weighted = signal * steepness
            return weighted - weights * backend.sum(weighted, axis, keepdims=True)

        return hand_on

    return with_multipliers(backend, layout, t, p, multiplier)


def log_softmax(backend: Backend, layout: Layout, t: Tensor) -> Tensor:
    """Log-softmax of scores (N, classes): ``Δ log p = Δz - Σ q Δz``."""
    z = backend.detach(t)
    logs, p = backend.log_softmax(z, 1), backend.softmax(z, 1)
    zs, ps, ls = layout.split(z), layout.split(p), layout.split(logs)

    def multiplier(start: int, end: int) -> Multiplier:
        weights = _shares(backend, 1, *((rows[start], rows[end]) for rows in (zs, ps, ls)))
        return lambda signal: signal - weights * backend.sum(signal, 1, keepdims=True)

    return with_multipliers(backend, layout, t, logs, multiplier)


def _shares(
    backend: Backend, axis: int, z: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor], logs: tuple[Tensor, Tensor]
) -> Tensor:
    """Weights q with ``Δ logsumexp(z) = Σ q Δz``, between its gradients p at both ends.

    The function is convex: its difference lies between ``Σ p Δz`` at the start and at the end, so that some mean of
    the two p is exact. As both p sum to 1, a shift of all z is still no difference.
    """
    z, logs = _unmasked(backend, *z), _unmasked(backend, *logs)
    start, end = (backend.sum(row * (z[1] - z[0]), axis, keepdims=True) for row in p)
    totals = [backend.sum(p[i] * (z[i] - logs[i]), axis, keepdims=True) for i in (0, 1)]
    width = end - start
    share = (totals[1] - totals[0] - start) / backend.where(width > 0, width, width * 0.0 + 1.0)
    share = backend.where(width > 0, backend.clip(share, 0.0, 1.0), width * 0.0 + 0.5)
    return p[0] + share * (p[1] - p[0])


def _unmasked(backend: Backend, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Both ends with 0 where a mask of -inf leaves no difference to speak of."""
    finite = (start - start) + (end - end) == 0
    nothing = backend.clip(start, 0.0, 0.0)
    return backend.where(finite, start, nothing), backend.where(finite, end, nothing)


def _summed_axis(backend: Backend, call: Callable[..., Tensor], t: Tensor) -> int:
    """The axis that a softmax sums to 1 along, which the call keeps to itself."""
    axes = len(backend.shape(t))
    irregular = np.sin(np.arange(2**axes) ** 1.5).reshape((2,) * axes)
    p = backend.numpy(call(backend.asarray(irregular, backend.dtype(t), backend.tensor_device(t))))
    return int(np.argmin([np.abs(p.sum(axis=axis) - 1).max() for axis in range(axes)]))
