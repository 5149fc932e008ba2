"""What torch calls the functions and types that a recorded graph refers to."""

from __future__ import annotations

from functools import cache
from typing import Any

_ARRANGED_OTHERWISE = {"embedding", "batch_norm", "instance_norm"}
"""Functions of torch's whose namesakes in torch.nn.functional take other arguments."""


def function_name(target: Any) -> str | None:
    """Torch's name of a function, such as ``"relu"``; None if it is neither torch's nor Python's own."""
    if str(getattr(target, "__module__", "")).startswith("torchvision.ops") and target.__name__ == "stochastic_depth":
        return "stochastic_depth"
    return _names().get(id(target))


@cache
def _names() -> dict[int, str]:
    import builtins
    import math
    import operator

    import torch

    builtin = (torch, torch._C._VariableFunctions)
    named = {}
    for space, prefix in (
        (operator, ""),
        (math, ""),
        (torch.linalg, "linalg_"),
        (torch.special, "special_"),
        (torch._C._VariableFunctions, ""),
        (torch, ""),
        (torch.nn.functional, ""),
    ):
        for name in dir(space):
            thing = getattr(space, name)
            other = (space in builtin and name in _ARRANGED_OTHERWISE) or (space is operator and name == "concat")
            if callable(thing) and not other and not name.startswith("_"):
                named[id(thing)] = prefix + name
    named |= {id(getattr(builtins, name)): name for name in ("getattr", "len")} | {id(torch._assert): "assert"}
    return named


def plain_value(value: Any) -> Any:
    """A constant of torch's as a plain value: a type by its name, a device as nothing."""
    import torch

    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, (torch.device, torch.memory_format, torch.layout)):
        return None
    return value
