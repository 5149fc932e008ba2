"""DeepLIFT's multipliers: how much of an operation's difference from the reference each of its inputs brings about.

Input and reference run through the network together, as rows of one batch. On the way back a row's gradient is a
multiplier: ``contribution = multiplier x difference from the reference``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from ...backends.protocol import Backend, Tensor
from ...errors import MethodError

Rule: TypeAlias = Literal["rescale", "reveal_cancel"]
Multiplier: TypeAlias = Callable[[Tensor], Tensor]
"""What a multiplier at an operation's output becomes at its input."""


@dataclass(frozen=True)
class Group:
    """A part of the difference from the reference that has a multiplier of its own.

    Attributes
    ----------
    carriers : tuple of int
        The rows whose gradients sum to the multiplier.
    steps : tuple of (int, int)
        From which row to which the part is added: its effect is the mean over these steps.
    """

    carriers: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Layout:
    """Which rows a batch is made of. Row 0 is the input, row 1 the reference.

    ``rescale`` has one group, the whole difference. Both rows carry half of its multiplier, so that an operation
    without a rule has the mean of its gradients at input and reference: exact for affine operations and for products.
    ``reveal_cancel`` adds the rows reference + Δ⁺ and reference + Δ⁻, each of which carries its part's multiplier.
    """

    rows: int
    groups: tuple[Group, ...]

    def split(self, t: Tensor) -> list[Tensor]:
        size = len(t) // self.rows
        return [t[row * size : (row + 1) * size] for row in range(self.rows)]

    def signal(self, group: Group, gradient: Tensor) -> Tensor:
        """The multiplier that arrives for one group."""
        rows = self.split(gradient)
        return sum((rows[carrier] for carrier in group.carriers[1:]), rows[group.carriers[0]])

    def spread(self, backend: Backend, multipliers: Sequence[Tensor]) -> Tensor:
        """The gradient of all rows that hands on one multiplier per group."""
        shares: dict[int, Tensor] = {}
        for group, multiplier in zip(self.groups, multipliers, strict=True):
            shares |= dict.fromkeys(group.carriers, multiplier * (1 / len(group.carriers)))
        nothing = multipliers[0] * 0.0 if len(shares) < self.rows else None
        return backend.concat([shares.get(row, nothing) for row in range(self.rows)])

    def outcome(self, backend: Backend, y: Tensor) -> Tensor:
        """What the rows become: a part's row is the reference plus the part's own effect."""
        if len(self.groups) == 1:
            return y
        rows = self.split(y)
        parts = [rows[1] + effect * 0.5 for effect in (_effect(rows, group) for group in self.groups)]
        return backend.concat([rows[0], rows[1], *parts])


RESCALE = Layout(2, (Group((0, 1), ((1, 0),)),))
REVEAL_CANCEL = Layout(4, (Group((2,), ((1, 2), (3, 0))), Group((3,), ((1, 3), (2, 0)))))


def layout_of(rule: str) -> Layout:
    """The layout of a rule's name, or `MethodError`."""
    if rule not in get_args(Rule):
        raise MethodError(f"rule={rule!r} is not known.", f"Choose {' or '.join(get_args(Rule))}.")
    return RESCALE if rule == "rescale" else REVEAL_CANCEL


def _effect(rows: Sequence[Tensor], group: Group) -> Tensor:
    (a, b), (c, d) = group.steps
    return (rows[b] - rows[a]) + (rows[d] - rows[c])


def with_multipliers(
    backend: Backend, layout: Layout, t: Tensor, y: Tensor, multiplier: Callable[[int, int], Multiplier]
) -> Tensor:
    """The rows' outcome, with the mean of the steps' multipliers for each group."""
    found = [[multiplier(*step) for step in group.steps] for group in layout.groups]

    def vjp(gradient: Tensor) -> list[Tensor]:
        handed = []
        for group, steps in zip(layout.groups, found, strict=True):
            signal = layout.signal(group, gradient)
            handed.append(sum((step(signal) for step in steps[1:]), steps[0](signal)) * (1 / len(steps)))
        return [layout.spread(backend, handed)]

    return backend.with_vjp(layout.outcome(backend, y), [t], vjp)


def slope(backend: Backend, start: Tensor, end: Tensor, y_start: Tensor, y_end: Tensor, derivative: Tensor) -> Tensor:
    """``Δy / Δx``, or the derivative halfway where rounding cannot tell the two apart, as at ``Δx = 0``.

    Both then make the same Δy up to rounding, and the derivative is the more exact of the two: the quotient is off by
    ``eps / Δx``, the derivative by ``Δx²``, and the change from one to the other comes where these are equal.
    """
    eps = 4 * np.finfo(backend.dtype(start)).eps
    dx, dy = end - start, y_end - y_start
    from_x = backend.abs(derivative) * (backend.abs(start) + backend.abs(end))
    rounding = eps * (from_x + backend.abs(y_start) + backend.abs(y_end))
    apart = backend.abs(dy - derivative * dx) > rounding
    return backend.where(apart, dy / backend.where(apart, dx, dx * 0.0 + 1.0), derivative)


def check_parts(backend: Backend, t: Tensor) -> None:
    """Raise `MethodError` unless Δ⁺ and Δ⁻ still add up: a rule was missing on the way."""
    rows = backend.numpy(t).astype(np.float64)
    x, reference, up, down = np.split(rows, 4)
    gap = np.abs(up + down - reference - x).max()
    if gap > np.sqrt(np.finfo(backend.dtype(t)).eps) * max(1e-300, np.abs(rows).max()):
        raise MethodError(
            "reveal_cancel has no rule for an operation of this network: the parts of a difference no longer add up.",
            'It covers linear and convolution layers, batch norm, pooling, activations and sums; pass rule="rescale".',
        )
