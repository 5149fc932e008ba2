"""Which of Paddle's operators compute in single precision whatever they are given, and whether a network uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .paddle_import import import_paddle

paddle = import_paddle()


@dataclass(frozen=True)
class Rounding:
    """How far an operator is off on float64, relative to the largest number: in what it computes, in its gradient."""

    values: float
    gradient: float


_PARAMETER = Rounding(1e-6, 1e-6)
_EPSILON = Rounding(1e-7, 1e-7)
_WEIGHTS = Rounding(1e-4, 1e-4)

ROUNDED: dict[str, Rounding] = {
    **dict.fromkeys(("hardsigmoid", "elu", "celu", "selu", "hardtanh", "softshrink", "pow", "clip"), _PARAMETER),
    **dict.fromkeys(("batch_norm", "batch_norm_", "layer_norm", "instance_norm"), _EPSILON),
    **dict.fromkeys((f"{kind}_interp" for kind in ("linear", "bilinear", "trilinear", "bicubic", "nearest")), _WEIGHTS),
    **dict.fromkeys(("pool2d", "pool3d"), Rounding(0.0, 1e-6)),
}
if paddle.__version__ < "3":
    ROUNDED |= dict.fromkeys(("leaky_relu", "softplus", "group_norm"), _PARAMETER)
"""The operators that round, by their names in Paddle's table."""


@contextmanager
def rounded_operators() -> Iterator[set[str]]:
    """Collect the names of the rounding operators that run in the context."""
    seen: set[str] = set()
    originals = {name: getattr(paddle._C_ops, name) for name in ROUNDED if hasattr(paddle._C_ops, name)}

    def watching(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not any(isinstance(arg, str) and arg == "max" for arg in args):
                seen.add(name)
            return original(*args, **kwargs)

        return call

    try:
        for name, original in originals.items():
            setattr(paddle._C_ops, name, watching(name, original))
        yield seen
    finally:
        for name, original in originals.items():
            setattr(paddle._C_ops, name, original)
