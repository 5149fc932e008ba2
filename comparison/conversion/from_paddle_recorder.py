"""Run a Paddle network once and write down, in torch's terms, what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...backends import Backend
from ...backends.failures import in_one_line
from ...backends.protocol import Net
from ...errors import ModelError, TwinlensError
from .from_paddle_arguments import named_arguments, running_line, tensors_in
from .from_paddle_frames import Frame, holds_tensor, shape_of
from .from_paddle_layers import leaf_layer
from .from_paddle_operations import OPERATIONS, Unsupported
from .from_paddle_storage import Storage

_ALIASES = {"input": "x", "dim": "axis", "other": "y", "keepdims": "keepdim", "tensors": "x"}


@dataclass(frozen=True)
class Call:
    """What an entry of `OPERATIONS` may want to know beside its arguments."""

    frame: Frame
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any

    @property
    def x(self) -> Any:
        """The first argument."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()))


class Recorder:
    """Listens to runs of a network.

    Attributes
    ----------
    leaves : dict
        The torch layer for each layer that torch has as well, by identity.
    problems : list of str
        What cannot be rebuilt, and where.
    """

    def __init__(self, net: Net, backend: Backend, storage: Storage) -> None:
        self.leaves: dict[int, Any] = {}
        self.problems: list[str] = []
        self._net = net
        self._backend = backend
        self._storage = storage
        self._frames: dict[int, Frame] = {}
        self._current: Frame | None = None
        self._hidden = False

    def record(self, *inputs: Any) -> dict[int, Frame]:
        """Run the network, which must be watched; the graph of each layer that is no leaf, by its identity."""
        self._frames = {}
        try:
            self._net(*inputs)
        except TwinlensError:
            raise
        except Exception as error:
            raise ModelError(
                f"The network does not run on {len(inputs[0])} samples of the example: {in_one_line(error)}.",
                "Pass an example of the shape and type that it takes.",
            ) from error
        return self._frames

    # -- what happens in a run ---------------------------------------------------------------------------------

    def layer_call(self, original: Callable[..., Any], layer: Net, args: Any, kwargs: Any) -> Any:
        """A layer is called: as one step where torch has the layer, else its inside is recorded."""
        if self._hidden or (self._current is None and layer is not self._net):
            return original(layer, *args, **kwargs)
        named = named_arguments(layer, args, kwargs)
        if self._current is not None:
            path = self._current.path(layer)
            if path is None:
                self._report(f"layer '{type(layer).__name__}' is not registered as a part of the network")
                with self._hide():
                    result = original(layer, *args, **kwargs)
                self._current.bind(result, self._current.attribute("unknown"))
                return result
            if self._is_leaf(layer, named):
                return self._leaf_call(original, layer, path, named)
        elif self._is_leaf(layer, named):
            with self._hide():
                return original(layer, *args, **kwargs)
        return self._frame_call(original, layer, args, kwargs)

    def _leaf_call(self, original: Callable[..., Any], layer: Net, path: str, named: Mapping[str, Any]) -> Any:
        frame = self._frame()
        if layer._forward_pre_hooks or layer._forward_post_hooks:
            self._report(f"layer '{path}' has forward hooks (of weight_norm or spectral_norm, perhaps)")
        arguments = [frame.mapped(value) for value in named.values()]
        with self._hide():
            result = self._distinct(original(layer, *named.values()), tuple(named.values()))
        frame.bind(result, self._cut(frame.call(path, arguments), result, tuple(named.values())))
        return result

    def _frame_call(self, original: Callable[..., Any], layer: Net, args: Any, kwargs: Any) -> Any:
        outer, inner = self._current, Frame(layer, self._storage, self._current, self._report)
        arguments = []
        for name, value in named_arguments(layer, args, kwargs).items():
            if holds_tensor(value):
                inner.bind(value, inner.placeholder(name))
                arguments.append(value)
        self._current = inner
        try:
            result = original(layer, *args, **kwargs)
            inner.finish(result)
        finally:
            self._current = outer
        first = self._frames.setdefault(id(layer), inner)
        if first is not inner and not same(first, inner):
            self._report(f"layer '{inner.names[0]}' is called several times and does something else each time")
        if outer is not None:
            path = outer.path(layer)
            nodes = [outer.mapped(value) for value in (*arguments, *inner.lifted)]
            outer.bind(result, outer.call(str(path), nodes))
        return result

    def operation(self, name: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """An operator, a method or a function is called."""
        frame = self._current
        if self._hidden or frame is None:
            return original(*args, **kwargs)
        in_place = name.endswith("_") and not name.endswith("__")
        entry = OPERATIONS.get(name.removesuffix("_") if in_place else name)
        positional, named = frame.mapped(tuple(args)), frame.mapped(kwargs)
        with self._hide():
            result = original(*args, **kwargs)
            if not in_place and name != "Tensor.__setitem__":
                result = self._distinct(result, args)
        named = {_ALIASES.get(key, key): value for key, value in named.items() if key != "name"}
        proxy: Any = frame.attribute("unknown")
        if entry is None:
            self._report(f"'{name}' has no counterpart")
        elif named.pop("out", None) is not None:
            self._report(f"'{name}' writes into out=")
        else:
            context = (Call(frame, args, kwargs, result),) if getattr(entry, "wants_call", False) else ()
            try:
                with self._hide():
                    proxy = entry(*context, *positional, **named)
            except Unsupported as reason:
                self._report(f"'{name}' with {reason}")
            except Exception as error:
                self._report(f"'{name}' with such arguments ({type(error).__name__}: {error})")
        if name == "Tensor.__setitem__":
            frame.bind(args[0], proxy)
        frame.bind(result, self._cut(proxy, result, args))
        return result

    def reading(self, name: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A tensor's values become Python's numbers: whatever follows may depend on the input."""
        if self._hidden or self._current is None:
            return original(*args, **kwargs)
        stored = self._storage.tensors.get(id(args[0]), ())
        if not stored or any(each.weight for each in stored):
            self._report(f"'{name}' reads values while the network runs: what it does may depend on its input")
        with self._hide():
            return original(*args, **kwargs)

    def printing(self, name: str, original: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A tensor is printed, which changes nothing."""
        with self._hide():
            return original(*args, **kwargs)

    def shape(self, t: Any, shape: Any) -> Any:
        """A tensor's shape is asked for."""
        return shape if self._hidden or self._current is None else shape_of(t, shape)

    # -- how -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _hide(self) -> Iterator[None]:
        before, self._hidden = self._hidden, True
        try:
            yield
        finally:
            self._hidden = before

    def _frame(self) -> Frame:
        assert self._current is not None
        return self._current

    def _is_leaf(self, layer: Net, named: Mapping[str, Any]) -> bool:
        if id(layer) not in self.leaves:
            with self._hide():
                module = leaf_layer(layer, named)
            if module is None:
                return False
            self.leaves[id(layer)] = module
        return True

    def _distinct(self, result: Any, args: tuple[Any, ...]) -> Any:
        """A result that is one of the arguments becomes a tensor of its own: two nodes must not be one tensor."""
        return result.clone() if hasattr(result, "inplace_version") and any(result is a for a in args) else result

    def _cut(self, proxy: Any, result: Any, args: tuple[Any, ...]) -> Any:
        """Stop the gradient where Paddle did, as under ``no_grad``."""
        if not self._backend.is_tensor(result) or not result.stop_gradient or not result.is_floating_point():
            return proxy
        flows = any(not t.stop_gradient for t in tensors_in(args))
        return proxy.detach() if flows and hasattr(proxy, "node") and proxy.node.target != "detach" else proxy

    def _report(self, problem: str) -> None:
        where = self._current.names[0] if self._current is not None else ""
        parts = [running_line(), f"in '{where}'" if where else ""]
        place = ", ".join(part for part in parts if part)
        sentence = f"{problem} ({place})" if place else problem
        if sentence not in self.problems:
            self.problems.append(sentence)


def same(first: Frame, second: Frame) -> bool:
    """Whether two recordings of a layer say the same."""
    return (
        first.code == second.code
        and first.constants.keys() == second.constants.keys()
        and all((first.constants[name] == second.constants[name]).all() for name in first.constants)
    )
