"""Everything that can happen to a Paddle tensor, seen while a network runs.

For the time of the context the compiled operators, the methods of ``paddle.Tensor``, some functions and
``paddle.nn.Layer.__call__`` ask a listener first. The names are put back also after an exception. Other threads find
the originals behind the same names.
"""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

READING = ("numpy", "item", "tolist", "__bool__", "__float__", "__int__", "__index__", "__array__", "__dlpack__")
"""Methods that turn a tensor into numbers of Python's."""
_WRITING = ("set_value", "copy_", "register_hook", "reconstruct_from_", "_inplace_assign", "_share_buffer_to")
_PRINTING = ("__str__", "__repr__", "__format__")
_COMPILED = ("clone", "detach", "detach_", "contiguous", "_copy_to", "_tensor_use_gpudnn", "__getitem__", "__setitem__")
_FUNCTIONS = {
    "F": (
        *(f"conv{n}d{kind}" for n in "123" for kind in ("", "_transpose")),
        *("conv._conv_nd", "linear", "normalize", "interpolate", "dropout", "dropout2d", "dropout3d", "alpha_dropout"),
    ),
    "paddle": ("to_tensor", "arange", "var", "where", "atan2"),
}
_INHERITED = object()
_MODULES = {"F": "paddle.nn.functional", "paddle": "paddle"}


class Listener(Protocol):
    """What is told; each method calls `original` itself."""

    def operation(self, name: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any: ...
    def layer_call(self, original: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any: ...
    def reading(self, name: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any: ...
    def printing(self, name: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any: ...
    def shape(self, t: Any, shape: Any) -> Any: ...


@contextmanager
def watched(listener: Listener) -> Iterator[None]:
    """Tell `listener` what this thread does with Paddle."""
    undo: list[tuple[Any, str, Any]] = []
    try:
        for owner, name, replacement in _replacements(listener):
            undo.append((owner, name, vars(owner).get(name, _INHERITED)))
            setattr(owner, name, replacement)
        yield
    finally:
        for owner, name, original in reversed(undo):
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _replacements(listener: Listener) -> Iterator[tuple[Any, str, Any]]:
    paddle = sys.modules["paddle"]
    functions = dict(_functions(listener))
    for operators in (paddle._C_ops, paddle._legacy_C_ops):
        for name, original in vars(operators).items():
            if isinstance(original, (types.BuiltinFunctionType, types.FunctionType)):
                functions[id(original)] = _told(listener.operation, name, original)
    yield from _methods(paddle.Tensor, listener)
    yield paddle.autograd.PyLayer, "apply", _rule(listener, paddle.autograd.PyLayer.__mro__[1])
    call = paddle.nn.Layer.__call__
    yield paddle.nn.Layer, "__call__", _call(listener, call)
    modules = [each for each in sys.modules.values() if isinstance(each, types.ModuleType)]
    for owner in (*modules, paddle.Tensor):
        for name, value in list(vars(owner).items()):
            if id(value) in functions:
                yield owner, name, functions[id(value)]


def _methods(tensor: type, listener: Listener) -> Iterator[tuple[Any, str, Any]]:
    for name, original in list(vars(tensor).items()):
        ask: Callable[..., Any] | None = None
        if name in READING:
            ask = listener.reading
        elif name in _PRINTING:
            ask = listener.printing
        elif name in _COMPILED or name in _WRITING or _is_operator(name, original):
            ask = listener.operation
        if ask is not None:
            yield tensor, name, _told(ask, f"Tensor.{name}", original)
    for name in ("T", "mT"):
        if isinstance(vars(tensor).get(name), property):
            original = vars(tensor)[name].fget
            yield tensor, name, property(_told(listener.operation, f"Tensor.{name}", original))
    shape = vars(tensor)["shape"]
    mine = threading.get_ident()

    def remembered(t: Any) -> Any:
        plain = shape.__get__(t)
        return listener.shape(t, plain) if threading.get_ident() == mine else plain

    yield tensor, "shape", property(remembered)


def _is_operator(name: str, original: Any) -> bool:
    return name.startswith("__") and type(original).__name__ == "method_descriptor"


def _functions(listener: Listener) -> Iterator[tuple[int, Callable[..., Any]]]:
    for short, names in _FUNCTIONS.items():
        for name in names:
            *inner, last = name.split(".")
            owner = importlib.import_module(".".join((_MODULES[short], *inner)))
            original = getattr(owner, last)
            yield id(original), _told(listener.operation, f"{short}.{last}", original)


def _told(ask: Callable[..., Any], name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    mine = threading.get_ident()

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != mine:
            return original(*args, **kwargs)
        return ask(name, original, args, kwargs)

    return stand_in


def _rule(listener: Listener, base: type) -> Any:
    """The call of a gradient rule that the network brings along."""
    inherited = vars(base)["apply"]

    def stand_in(cls: type, *args: Any, **kwargs: Any) -> Any:
        return _told(listener.operation, f"{cls.__name__}.apply", inherited.__get__(None, cls))(*args, **kwargs)

    return classmethod(stand_in)


def _call(listener: Listener, original: Callable[..., Any]) -> Callable[..., Any]:
    mine = threading.get_ident()

    def stand_in(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != mine:
            return original(layer, *args, **kwargs)
        return listener.layer_call(original, layer, args, kwargs)

    return stand_in
