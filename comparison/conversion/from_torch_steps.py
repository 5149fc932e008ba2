"""A recorded torch graph as steps on Paddle: each call looked up, operations in place undone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...backends.paddle_names import torch_name
from .aliases import Aliases
from .from_torch_calls import FunctionCall, function_on_paddle
from .from_torch_names import function_name, plain_value
from .from_torch_tracing import Trace, is_node, pattern_of
from .program import CallFunction, CallLayer, Fetch, Program, Slot, Step, mapped, same


@dataclass
class Recorded:
    """One module's forward in one mode on Paddle.

    Attributes
    ----------
    program : Program
    changes : set of int
        Places of the arguments that it changes in place.
    returns : int or None
        Place of the argument that it may hand back as it is.
    """

    program: Program
    changes: set[int] = field(default_factory=set)
    returns: int | None = None


class Steps:
    """Makes a `Recorded` of a trace.

    Parameters
    ----------
    native : callable
        The Paddle layer of a module that is one in Paddle, or None.
    recorded : callable
        ``recorded(module, training)``: what another module of the network does.
    kept : callable
        ``kept(owner, name)``: see to it that the module's tensor of that name is kept; whether it is stored transposed.
    problem : callable
        ``problem(text, module, line)`` takes what has no counterpart.
    """

    def __init__(
        self,
        trace: Trace,
        training: bool,
        native: Callable[[Any], Any],
        recorded: Callable[[Any, bool], Recorded | None],
        kept: Callable[[Any, str], tuple[str, bool]],
        problem: Callable[[str, Any, int | None], None],
    ) -> None:
        self.trace, self.training = trace, training
        self.native, self.recorded, self.kept, self._problem = native, recorded, kept, problem
        self.aliases = Aliases(trace.graph.nodes)
        self.steps: list[Step] = []

    def run(self) -> Recorded:
        """Convert the whole graph."""
        inputs = []
        output: Any = None
        for node in self.trace.graph.nodes:
            if node.op == "placeholder":
                inputs.append(node.name)
            elif node.op == "output":
                output = self.slots(node.args[0])
            else:
                getattr(self, f"_{node.op}")(node)
        returned = self.trace.graph.output_node().args[0]
        places = {node: place for place, node in enumerate(n for n in self.trace.graph.nodes if n.op == "placeholder")}
        base = self.aliases.base(returned) if is_node(returned) else None
        changed = {places[node] for node in self.aliases.changed if node in places}
        return Recorded(Program(tuple(inputs), self.steps, output), changed, places.get(base))

    def problem(self, node: Any, text: str) -> None:
        """Note what has no counterpart."""
        self._problem(text, self.trace.module, node.meta.get("line"))

    def slots(self, value: Any) -> Any:
        """A nested argument of a node with slots for nodes and plain values for torch's."""
        return _plain(value, lambda leaf: Slot(self.aliases.current(leaf).name) if is_node(leaf) else plain_value(leaf))

    # -- by kind of node ---------------------------------------------------------------------------------------

    def _get_attr(self, node: Any) -> None:
        path, _, name = node.target.rpartition(".")
        owner = self.trace.module.get_submodule(path)
        if not hasattr(owner, name) or not hasattr(getattr(owner, name), "shape"):
            self.problem(node, f"it hands on {node.target}, which is no tensor")
            return
        stored, transposed = self.kept(owner, name)
        self.steps.append(Step(node.name, node.target, Fetch(".".join(filter(None, (path, stored))), transposed)))

    def _call_module(self, node: Any) -> None:
        module = self.trace.module.get_submodule(node.target)
        _, given = pattern_of(node.args, node.kwargs)
        if self.native(module) is not None:
            args, kwargs = _positional(module.forward, node.args, node.kwargs)
            self._step(node, node.target, CallLayer(node.target), args, kwargs)
            if getattr(module, "inplace", False):
                self._changed(node, node.args[0], becomes=True)
            elif type(module).__name__ in _HANDS_ON and given:
                self.aliases.view(node, given[0])
            return
        self._step(node, node.target, CallLayer(node.target), tuple(given), {})
        found = self.recorded(module, self.training)
        if found is None:
            return
        for place in found.changes:
            self._changed(node, given[place], becomes=False)
        if found.returns is not None and is_node(given[found.returns]):
            self.aliases.view(node, given[found.returns])

    def _call_method(self, node: Any) -> None:
        self._function(node, f"Tensor.{node.target}()", FunctionCall(node.target, True, node.args, node.kwargs))

    def _call_function(self, node: Any) -> None:
        name = function_name(node.target)
        if node.target is same:
            self._step(node, "same", CallFunction(same), node.args, {})
        elif hasattr(node.target, "_fields"):
            self._step(node, node.target.__name__, CallFunction(_together), node.args, {})
        elif name is None:
            self.problem(node, f"the function {getattr(node.target, '__name__', node.target)}")
        else:
            self._function(node, f"{name}()", FunctionCall(name, False, node.args, node.kwargs))

    def _function(self, node: Any, title: str, call: FunctionCall) -> None:
        if call.function is None or call.objection is not None:
            self.problem(node, f"{title}{call.objection}")
            return
        self._step(node, call.name, CallFunction(call.function), call.args, call.kwargs)
        if call.shares:
            self.aliases.view(node, call.args[0])
        if call.in_place:
            self._changed(node, call.args[0], becomes=True)

    def _step(self, node: Any, title: str, call: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.steps.append(Step(node.name, title, call, tuple(self.slots(tuple(args))), self.slots(dict(kwargs))))

    def _changed(self, node: Any, target: Any, becomes: bool) -> None:
        """Let the node's result stand for what it changes in place from here on."""
        if not is_node(target):
            return
        base = self.aliases.base(target)
        if base.op == "get_attr":
            if not base.target.endswith("num_batches_tracked"):
                self.problem(node, f"it changes '{base.target}' in place")
            return
        written = None
        if becomes and self.aliases.whole(target) is not None:
            written = f"{node.name}_written"
            whole, index = self.slots(target.args)
            call = CallFunction(function_on_paddle("setitem"))
            self.steps.append(Step(written, "setitem", call, (whole, index, Slot(node.name))))
        if not self.aliases.change(node, target, becomes, written):
            self.problem(node, "it changes a tensor in place of which a part, or another name, is used afterwards")


_HANDS_ON = {"Identity", "Flatten", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"}


def _together(*values: Any) -> tuple[Any, ...]:
    return values


def _positional(forward: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments as Paddle's layers take them, whose first ones have other names."""
    bound = inspect.signature(forward).bind(*args, **kwargs)
    return bound.args, bound.kwargs


def _plain(value: Any, change: Callable[[Any], Any]) -> Any:
    """`mapped`, with torch's own lists, tuples and dictionaries made plain ones."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_plain(v, change) for v in value)
    if isinstance(value, list):
        return [_plain(v, change) for v in value]
    if isinstance(value, dict):
        return {key: _plain(v, change) for key, v in value.items()}
    return mapped(value, change)


def stored_name(kind: str, layer: Any, name: str) -> tuple[str, bool] | None:
    """Name under which a Paddle layer stores a tensor of torch's, and whether transposed; None if it does not."""
    for own in (*layer._parameters, *layer._buffers):
        canonical, transposed = torch_name(kind, own)
        if canonical == name:
            return own, transposed
    return None
