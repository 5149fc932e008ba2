"""The table of torch's functions on Paddle, and how torch's types go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..paddle_import import import_paddle

paddle = import_paddle()


FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""What computes each of torch's functions, by torch's name."""

LIMITS: dict[str, Mapping[str, tuple[Any, ...]]] = {}
"""The values of arguments that are supported, for the functions that do not take all."""

_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


def function(*names: str, **limits: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function in the table under its own name and further ones.

    Parameters
    ----------
    *names : str
        Further names.
    **limits : tuple
        The supported values of an argument.
    """

    def enter(fn: Callable[..., Any]) -> Callable[..., Any]:
        for name in (fn.__name__.strip("_"), *names):
            FUNCTIONS[name] = fn
            if limits:
                LIMITS[name] = limits
        return fn

    return enter


def dtype_name(t: Any) -> str:
    """Type of a tensor's elements: ``"float32"``."""
    return str(t.dtype).removeprefix("paddle.")


def is_tensor(thing: Any) -> bool:
    """Whether it is a tensor of Paddle's and not a plain number."""
    return isinstance(thing, paddle.Tensor)


def is_floating(t: Any) -> bool:
    """Whether a tensor holds floating-point numbers."""
    return "float" in dtype_name(t)


def promoted(*values: Any) -> list[Any]:
    """Tensors cast to the type that torch computes them in together; plain numbers stay as they are."""
    tensors = [v for v in values if is_tensor(v)]
    highest = max((_category(t) for t in tensors), default=0)
    alike = [t for t in tensors if _category(t) == highest]
    # Among tensors of one category those of a single number do not count.
    names = [dtype_name(t) for t in [t for t in alike if t.ndim] or alike]
    name = max(names, key=_ORDER.index, default="bool")
    for v in values:
        if isinstance(v, float) and "float" not in name:
            name = paddle.get_default_dtype()
        elif isinstance(v, int) and not isinstance(v, bool) and name == "bool":
            name = "int64"
    tensors = [cast(v, name) if is_tensor(v) else v for v in values]
    like = next((v for v in tensors if is_tensor(v)), None)
    return tensors if like is None else [exactly(v, like) for v in tensors]


def exactly(value: Any, like: Any) -> Any:
    """A plain number to be used with a tensor: Paddle 2.6 rounds it to single precision next to a float64 tensor."""
    if not isinstance(value, float) or dtype_name(like) != "float64" or single(value):
        return value
    return paddle.full([], value, dtype="float64")


def single(value: float) -> bool:
    """Whether a number is one that single precision holds."""
    return float(np.float32(value)) == value


def cast(t: Any, name: str) -> Any:
    """A tensor of another type; Paddle would pass gradients through whole numbers, torch does not."""
    if dtype_name(t) == name:
        return t
    return (t if "float" in name else t.detach()).astype(name)


def _category(t: Any) -> int:
    name = dtype_name(t)
    return 0 if name == "bool" else 1 if "int" in name else 2


def as_tensors(*values: Any) -> list[Any]:
    """Numbers and tensors as tensors of one type and one device."""
    values = tuple(promoted(*values))
    first = next((v for v in values if is_tensor(v)), None)
    name = paddle.get_default_dtype() if first is None else dtype_name(first)
    return [v if is_tensor(v) else paddle.full([], v, dtype=name) for v in values]


def floating(t: Any) -> Any:
    """Whole numbers and truth values as floating-point numbers; plain numbers stay as they are."""
    return t if not is_tensor(t) or is_floating(t) else t.astype(paddle.get_default_dtype())
