"""What the entries of the tables from Paddle to torch share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .torch_lazily import torch

Entry = TypeVar("Entry", bound=Callable[..., Any])
LAST = ("NLC", "NWC", "NHWC", "NDHWC")
"""Data formats with the channels at the end."""


class Unsupported(Exception):  # noqa: N818  (it is said in a report, not raised to the user)
    """A setting of an operation that the rebuilt network cannot have; the text finishes the sentence "'x' with"."""


def wants_call(entry: Entry) -> Entry:
    """Give an entry, first of all, the call itself: Paddle's own arguments and result (`from_paddle_recorder.Call`)."""
    entry.wants_call = True  # type: ignore[attr-defined]
    return entry


def single(number: float) -> float:
    """A number as Paddle's kernels receive it, which is in single precision also where they compute in double."""
    return float(np.float32(number))


def softplus_number(number: float) -> float:
    """The same for a softplus, whose kernel receives double precision from Paddle 3 on."""
    from ...backends.paddle_precision import ROUNDED

    return single(number) if "softplus" in ROUNDED else number


def rrelu_slopes(lower: float, upper: float) -> tuple[float, float]:
    """Ends of the range of slopes whose mean is that of Paddle's, which adds up and halves in single precision."""
    lower = single(lower)
    return lower, single(lower + single(upper)) - lower


def torch_dtype(t: Any) -> Any:
    """The torch type for a Paddle tensor's type."""
    return getattr(torch, str(t.dtype).removeprefix("paddle."))


def either_format(entry: Callable[..., Any]) -> Callable[..., Any]:
    """Let an entry that wants channels first take tensors with channels last."""

    @functools.wraps(entry)
    def call(info: Any, x: Any, *args: Any, data_format: str = "NCHW", **kwargs: Any) -> Any:
        if data_format not in LAST:
            return entry(info, x, *args, **kwargs)
        return torch.movedim(entry(info, torch.movedim(x, -1, 1), *args, **kwargs), 1, -1)

    return wants_call(call)


def as_list(value: Any, axes: int) -> list[Any]:
    """One value for each axis."""
    return list(value) if isinstance(value, (list, tuple)) else [value] * axes
