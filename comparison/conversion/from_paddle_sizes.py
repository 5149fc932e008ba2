"""Numbers that remember which tensor's shape they were computed from.

While a network is recorded, ``x.shape`` hands out such numbers. They are ordinary ``int`` and ``float`` objects to
Paddle and to the network's own arithmetic, and can be written again as ``x.shape[0] * 4`` in the rebuilt network.
What turns them into plain numbers (``int(n)``, ``math.sqrt(n)``, NumPy) loses the memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

Formula = Callable[[Any], Any]
"""Writes the number into a graph that is being recorded, given its `from_paddle_frames.Frame`."""


class SizeInt(int):
    """A whole number with a formula."""

    formula: Formula


class SizeFloat(float):
    """A real number with a formula."""

    formula: Formula


def remembering(value: Any, formula: Formula) -> Any:
    """`value` with a formula, or as it is where it is no number."""
    kind = {int: SizeInt, float: SizeFloat}.get(type(value))
    if kind is None:
        return value
    number = kind(value)
    number.formula = formula
    return number


def written(value: Any, frame: Any) -> Any:
    """The number in the graph of `frame`: its formula where it has one, else the number itself."""
    return value.formula(frame) if isinstance(value, (SizeInt, SizeFloat)) else value


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int) else float(value)


def _binary(name: str, reflected: bool) -> Callable[[Any, Any], Any]:
    compute = getattr(operator, name)

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        first, second = (other, self) if reflected else (self, other)
        return remembering(
            compute(_plain(first), _plain(second)),
            lambda frame: compute(written(first, frame), written(second, frame)),
        )

    return method


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    for _kind in (SizeInt, SizeFloat):
        setattr(_kind, f"__{_name}__", _binary(_name, reflected=False))
        setattr(_kind, f"__r{_name}__", _binary(_name, reflected=True))
for _kind in (SizeInt, SizeFloat):
    setattr(_kind, "__neg__", lambda self: 0 - self)  # noqa: B010
