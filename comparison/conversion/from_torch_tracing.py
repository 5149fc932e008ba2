"""Follow a torch network module by module: what each forward calls, as a graph of its own.

Each module is followed by itself, with its children as single calls, so that the network built from the graphs has
the same layers in the same places. Conditions on shapes are decided by an example and guarded in the graph; conditions
on values of tensors cannot be followed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .program import leaves, mapped

Pattern = tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]
"""How a module is called: constants, and `GIVEN` for what is computed."""

GIVEN = type("Given", (), {"__repr__": lambda self: "<given>"})()
"""Stands for an argument that is computed where the module is called."""


class NotFollowed(Exception):  # noqa: N818 - a finding, gathered with others
    """Why a forward cannot be followed."""


@dataclass
class Call:
    """How and with which example a module is called; the example is computed when it is asked for."""

    pattern: Pattern
    example: Callable[[], list[Any]]


@dataclass
class Trace:
    """The graph of one module's forward in one mode."""

    module: Any
    graph: Any
    call: Call
    _known: dict[Any, Any] = field(default_factory=dict)

    def value(self, node: Any) -> Any:
        """What a node is for the example."""
        if node not in self._known:
            self._known[node] = self._computed(node)
        return self._known[node]

    def _computed(self, node: Any) -> Any:
        args, kwargs = self.values((node.args, node.kwargs))
        if node.op == "placeholder":
            places = [n for n in self.graph.nodes if n.op == "placeholder"]
            return self.call.example()[places.index(node)]
        if node.op == "get_attr":
            value = self.module
            for name in node.target.split("."):
                value = getattr(value, name)
            return value
        if node.op == "call_module":
            return self.module.get_submodule(node.target)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    def values(self, arguments: Any) -> Any:
        """Nested arguments with what the nodes among them are for the example."""
        return mapped(arguments, lambda leaf: self.value(leaf) if is_node(leaf) else leaf)


def is_node(thing: Any) -> bool:
    """Whether an argument in a graph is computed there."""
    from torch.fx import Node

    return isinstance(thing, Node)


def pattern_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Pattern, list[Any]]:
    """How a module is called in a graph, and what it is given there."""
    given: list[Any] = []

    def seen(value: Any) -> Any:
        if not any(map(is_node, leaves(value))):
            return value
        given.append(value)
        return GIVEN

    return (tuple(map(seen, args)), tuple((name, seen(value)) for name, value in kwargs.items())), given


def follow(module: Any, call: Call) -> Trace:
    """Record one module's forward in its present mode.

    Raises
    ------
    NotFollowed
        With the reason.
    """
    from .from_torch_tracer import traced

    try:
        return traced(module, call)
    except Exception as error:
        raise NotFollowed(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0]
    if "control flow" in text or "cannot be iterated" in text:
        return "its forward decides by the values of a tensor, or loops over it; choose with torch.where instead"
    return f"its forward cannot be followed ({type(error).__name__}: {text[:120]})"
