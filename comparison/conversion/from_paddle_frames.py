"""One graph for each layer of the network that is being recorded: which tensor is which node in it.

Tensors are told apart by identity, and every tensor that a graph has seen is kept alive, so that no identity is used
twice. A tensor that was changed in place out of sight betrays itself by Paddle's count of in-place changes, which views
of one memory share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...backends.protocol import Array, Net, Tensor
from .from_paddle_sizes import remembering, written
from .from_paddle_storage import Storage
from .torch_lazily import torch


@dataclass(frozen=True)
class _Known:
    """A tensor, kept alive, and its node; its count of changes in place and its gradient flag when it was made."""

    tensor: Tensor
    proxy: Any
    version: int
    stopped: bool


class Frame:
    """The graph of one layer's ``forward``.

    Parameters
    ----------
    layer : paddle.nn.Layer
    storage : Storage
    parent : Frame or None
        The graph in which the layer is called.
    report : callable
        Takes a sentence about something that cannot be rebuilt.
    """

    def __init__(self, layer: Net, storage: Storage, parent: Frame | None, report: Callable[[str], None]) -> None:
        self.layer = layer
        self.names = storage.layers[id(layer)]
        self.parent = parent
        self.graph = torch.fx.Graph()
        self.lifted: list[Tensor] = []
        self.constants: dict[str, Array] = {}
        self._storage = storage
        self._report = report
        self._tracer = torch.fx.proxy.GraphAppendingTracer(self.graph)
        self._known: dict[int, _Known] = {}
        self._sizes: dict[tuple[int, int], Any] = {}
        self._last_input: Any = None

    # -- from tensors to nodes ---------------------------------------------------------------------------------

    def bind(self, value: Any, proxy: Any) -> None:
        """From now on, the tensors in `value` are `proxy`, or the parts of it."""
        if hasattr(value, "inplace_version"):
            self._known[id(value)] = _Known(value, proxy, value.inplace_version, value.stop_gradient)
        elif isinstance(value, Mapping):
            for key, part in value.items():
                self.bind(part, proxy[key])
        elif isinstance(value, (list, tuple)):
            parts = zip(value, proxy, strict=False) if isinstance(proxy, (list, tuple)) else None
            for index, part in enumerate(value):
                if parts is None and holds_tensor(part):
                    self.bind(part, proxy[index])
            for part, known in parts or ():
                self.bind(part, known)

    def proxy(self, t: Tensor) -> Any:
        """The node that is this tensor; a tensor of unknown origin is reported."""
        known = self._known.get(id(t))
        if known is not None:
            proxy = known.proxy
            if known.version != t.inplace_version:
                self._report("a tensor is changed in place where it cannot be seen (through a view, or in a layer)")
            elif t.stop_gradient and not known.stopped:
                proxy = proxy.detach()
            self.bind(t, proxy)
            return proxy
        local = self._local(t)
        if local is not None:
            proxy = self.attribute(local[0])
            proxy = proxy.t() if local[1] else proxy
        elif self.parent is not None and self.parent.knows(t):
            self.lifted.append(t)
            proxy = self.placeholder(f"outer_{len(self.lifted)}")
        else:
            self._report("a tensor is made by something that cannot be followed")
            proxy = self.attribute("unknown")
        self.bind(t, proxy)
        return proxy

    def knows(self, t: Tensor) -> bool:
        """Whether it is known, here or in a layer around this one, where a tensor comes from."""
        stored = id(t) in self._known or id(t) in self._storage.tensors
        return stored or (self.parent is not None and self.parent.knows(t))

    def _local(self, t: Tensor) -> tuple[str, bool] | None:
        for stored in self._storage.tensors.get(id(t), ()):
            owner = self._below(stored.owner)
            if owner is not None:
                if stored.version != t.inplace_version:
                    self._report(f"'{stored.owner}.{stored.name}' is changed in place")
                return (f"{owner}.{stored.name}" if owner else stored.name), stored.transposed
        return None

    def path(self, layer: Net) -> str | None:
        """Where a layer is below this one; None where it is not."""
        found = (self._below(name) for name in self._storage.layers.get(id(layer), ()))
        return next((name for name in found if name), None)

    def _below(self, name: str) -> str | None:
        for own in self.names:
            if name == own or not own:
                return name if not own else ""
            if name.startswith(f"{own}."):
                return name.removeprefix(f"{own}.")
        return None

    def mapped(self, value: Any) -> Any:
        """`value` with nodes for the tensors, and formulas for the sizes, in it."""
        if hasattr(value, "inplace_version"):
            return self.proxy(value)
        if isinstance(value, Mapping):
            return {key: self.mapped(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            parts = [self.mapped(part) for part in value]
            if hasattr(value, "_fields"):
                return type(value)(*parts)
            return tuple(parts) if isinstance(value, tuple) else parts
        if isinstance(value, slice):
            return slice(self.mapped(value.start), self.mapped(value.stop), self.mapped(value.step))
        if isinstance(value, np.ndarray):
            return self.constant(value)
        if isinstance(value, np.generic):
            return value.item()
        return written(value, self)

    # -- writing nodes -----------------------------------------------------------------------------------------

    def placeholder(self, name: str) -> Any:
        """One more argument of the layer."""
        place = self.graph.inserting_after(self._last_input) if self._last_input else self.graph.inserting_before()
        with place:
            self._last_input = self.graph.placeholder(name)
        return torch.fx.Proxy(self._last_input, self._tracer)

    def attribute(self, name: str) -> Any:
        """What the layer, or one below it, stores under a name."""
        return torch.fx.Proxy(self.graph.create_node("get_attr", name), self._tracer)

    def made(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function of torch returns, also where none of its arguments is a node."""
        return self._tracer.create_proxy("call_function", function, args, kwargs)

    def constant(self, array: Array) -> Any:
        """Numbers that the network's code itself writes down, kept with the layer."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.array(array)
        return self.attribute(name)

    def input_like(self, t: Tensor) -> Any:
        """The node of an argument of the layer with real numbers of the same type; None where there is none."""
        for known in self._known.values():
            at = getattr(known.proxy, "node", None)
            if at is not None and at.op == "placeholder" and known.tensor.dtype == t.dtype and t.is_floating_point():
                return known.proxy
        return None

    def size(self, t: Tensor, axis: int) -> Any:
        """The node for one entry of a tensor's shape."""
        if (id(t), axis) not in self._sizes:
            self._sizes[id(t), axis] = self.proxy(t).shape[axis]
        return self._sizes[id(t), axis]

    def call(self, path: str, arguments: Sequence[Any]) -> Any:
        """Call a layer below this one."""
        node = self.graph.call_module(path, tuple(self._argument(value) for value in arguments))
        return torch.fx.Proxy(node, self._tracer)

    def finish(self, value: Any) -> None:
        """Return `value` and forget what it does not need."""
        self.graph.output(self._argument(self.mapped(value)))
        for node in reversed(self.graph.nodes):
            if not node.users and node.op in ("call_function", "call_method", "get_attr"):
                self.graph.erase_node(node)

    def _argument(self, value: Any) -> Any:
        return self._tracer.create_arg(value)

    @property
    def code(self) -> str:
        """The graph as Python code."""
        return self.graph.python_code("self").src


def holds_tensor(value: Any) -> bool:
    """Whether there is a tensor in a structure of lists, tuples and dictionaries."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(holds_tensor(part) for part in value)
    return hasattr(value, "inplace_version")


def shape_of(t: Tensor, shape: Sequence[int]) -> list[int]:
    """A tensor's shape in numbers that remember it."""
    return [remembering(int(length), partial(_size, t, axis)) for axis, length in enumerate(shape)]


def _size(t: Tensor, axis: int, frame: Frame) -> Any:
    return frame.size(t, axis)
