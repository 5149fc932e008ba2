"""A call of a torch function in a recorded graph, matched with the function that computes it on Paddle."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .from_torch_names import plain_value
from .from_torch_tracing import is_node

_PLACEMENT = {"device", "layout", "memory_format", "pin_memory", "requires_grad", "non_blocking", "generator"}
_RENAMED = {"axis": "dim", "keepdims": "keepdim"}

_VIEWS = {
    *("view", "reshape", "flatten", "permute", "transpose", "t", "squeeze", "unsqueeze", "expand", "getitem", "chunk"),
    *("split", "unbind", "narrow", "select", "detach", "contiguous", "to", "float", "double", "unflatten", "view_as"),
    *("reshape_as", "expand_as", "movedim", "swapaxes", "type_as", "type", "cpu", "broadcast_to", "stochastic_depth"),
}


def function_on_paddle(name: str) -> Callable[..., Any]:
    """What computes a function that is known to be in the table."""
    from ...backends.torch_on_paddle.catalogue import FUNCTIONS

    return FUNCTIONS[name]


class FunctionCall:
    """One call, in terms of the function on Paddle.

    Parameters
    ----------
    name : str
        Torch's name, such as ``"relu_"``.
    method : bool
        Whether it was called as a method of a tensor.
    args, kwargs
        As torch was given them.

    Attributes
    ----------
    function : callable or None
        What computes it; None if nothing does, and `objection` then says why.
    """

    def __init__(self, name: str, method: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        from ...backends.torch_on_paddle.catalogue import FUNCTIONS

        known = name in FUNCTIONS
        self.name = name if known or name.startswith("__") else name.removesuffix("_")
        self.kwargs = {
            _RENAMED.get(k, k): v for k, v in kwargs.items() if k not in _PLACEMENT and (k, v) != ("out", None)
        }
        first = [self.kwargs.pop(key) for key in ("input", "self") if key in self.kwargs]
        self.args = (*first, *args)
        self._key = f"Tensor.{self.name}" if method and f"Tensor.{self.name}" in FUNCTIONS else self.name
        self.function: Callable[..., Any] | None = FUNCTIONS.get(self._key)
        self.bound: dict[str, Any] = {}
        self.objection = self._objection()
        self.in_place = name == "setitem" or self.name != name or self.bound.get("inplace") is True

    @property
    def shares(self) -> bool:
        """Whether it may hand back its first argument or a part of it."""
        if not self.args or not is_node(self.args[0]):
            return False
        if self.name == "getattr":
            return self.args[1] in ("T", "mT", "data")
        return self.name in _VIEWS or "dropout" in self.name

    def _objection(self) -> str | None:
        from ...backends.torch_on_paddle.catalogue import ATTRIBUTES, LIMITS

        if self.function is None:
            return ""
        if self.name == "getattr":
            return None if self.args[1] in (*ATTRIBUTES, "values", "indices") else f" of '{self.args[1]}'"
        try:
            self.bound = inspect.signature(self.function).bind(*self.args, **self.kwargs).arguments
        except ValueError:  # written in C, without a signature
            return None
        except TypeError as error:
            return f" called so ({error})"
        for name, allowed in LIMITS.get(self._key, {}).items():
            if name in self.bound and plain_value(self.bound[name]) not in allowed:
                return f" with {name}={self.bound[name]}"
        return None
