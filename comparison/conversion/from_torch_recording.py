"""Everything that a torch network's modules do, gathered from its root down."""

from __future__ import annotations

from typing import Any

from ...errors import ModelError
from .from_torch_natives import Natives
from .from_torch_steps import Recorded, Steps, stored_name
from .from_torch_tracing import GIVEN, Call, NotFollowed, Pattern, Trace, follow, pattern_of

_MOST = 12
"""How many findings an error lists in full."""


class Recordings:
    """What the modules of a network do, in both modes.

    Parameters
    ----------
    root : torch.nn.Module
        A copy that may be changed.
    example : torch.Tensor
    """

    def __init__(self, root: Any, example: Any) -> None:
        self.names = {id(module): name for name, module in root.named_modules()}
        self.root = root
        self.problems: dict[str, list[str]] = {}
        self.constants: dict[int, set[str]] = {}
        self._natives = Natives(root)
        self._traces: dict[tuple[int, bool], Trace] = {}
        self._patterns: dict[int, Pattern] = {}
        self._recorded: dict[tuple[int, bool], Recorded | None] = {}
        for training in (False, True):
            root.train(training)
            self._follow(root, Call(((GIVEN,), ()), lambda: [example]), training)
        for module, training in [(trace.module, mode) for (_, mode), trace in self._traces.items()]:
            self.recorded(module, training)
        self._taken_names()

    def _taken_names(self) -> None:
        from ...backends.torch_on_paddle.catalogue import Recorded

        probe = Recorded(lambda layer, *inputs: None)
        for module in self.root.modules():
            for name in (*module._modules, *module._parameters, *module._buffers):
                if hasattr(probe, name):
                    self.problem(f"the name '{name}' is taken in Paddle; rename it", module)

    def check(self) -> None:
        """Refuse the network if anything in it has no counterpart.

        Raises
        ------
        ModelError
            Listing all of it.
        """
        if not self.problems:
            return
        found = [f"{text} (in {_listed(places)})" for text, places in self.problems.items()]
        more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
        raise ModelError(
            f"The network cannot be converted to Paddle: {'; '.join(found[:_MOST])}{more}.",
            "Write these parts with layers and functions that Paddle has too, or build the network by hand "
            "and use twinlens.transfer.",
        )

    def problem(self, text: str, module: Any, line: int | None = None) -> None:
        """Note what has no counterpart."""
        place = f"'{self.names[id(module)]}'" if self.names.get(id(module)) else type(module).__name__
        where = place if line is None else f"{place} line {line}"
        places = self.problems.setdefault(text, [])
        if where not in places:
            places.append(where)

    # -- following ---------------------------------------------------------------------------------------------

    def _follow(self, module: Any, call: Call, training: bool) -> None:
        if self.native(module) is not None:
            return
        if self._patterns.setdefault(id(module), call.pattern) != call.pattern:
            self.problem("it is called with different options in different places", module)
        if (id(module), training) in self._traces:
            return
        try:
            trace = follow(module, call)
        except NotFollowed as reason:
            self.problem(str(reason), module)
            return
        self._traces[id(module), training] = trace
        for node in trace.graph.nodes:
            if node.op == "call_module":
                pattern, given = pattern_of(node.args, node.kwargs)
                self._follow(module.get_submodule(node.target), Call(pattern, _example(trace, given)), training)

    def native(self, module: Any) -> Any:
        """The Paddle layer of a module that Paddle has itself, or None."""
        try:
            return self._natives.layer(module)
        except ModelError as error:
            self.problem(f"{type(module).__name__}: {error.cause}", module)
            return _Refused

    def recorded(self, module: Any, training: bool) -> Recorded | None:
        """What a module does; None if it is never called or cannot be followed."""
        key = id(module), training
        if key not in self._recorded:
            trace = self._traces.get(key)
            self._recorded[key] = None
            if trace is not None:
                steps = Steps(trace, training, self.native, self.recorded, self._kept, self.problem)
                self._recorded[key] = steps.run()
        return self._recorded[key]

    # -- tensors -----------------------------------------------------------------------------------------------

    def stored(self, module: Any, layer: Any, name: str) -> tuple[str, bool]:
        """Name under which a built layer stores a module's tensor, and whether transposed."""
        if self.native(module) is None:
            return name, False
        found = stored_name(self._natives.kind(layer), layer, name)
        assert found is not None  # a native layer without it is refused
        return found

    def _kept(self, module: Any, name: str) -> tuple[str, bool]:
        layer = self.native(module)
        if layer is not None:
            return self.stored(module, layer, name)
        if name not in module._parameters and name not in module._buffers:
            self.constants.setdefault(id(module), set()).add(name)
        return name, False


class _Refused:
    """Stands for the layer of a module that is refused."""


def _example(trace: Trace, given: list[Any]) -> Any:
    return lambda: trace.values(given)


def _listed(places: list[str]) -> str:
    return ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
