"""The tracer that follows one torch module; made of torch.fx's when torch is there."""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

from .from_torch_names import function_name
from .from_torch_tracing import GIVEN, Call, Trace
from .program import leaves, same

_NEVER = ("is_nested", "is_sparse", "is_quantized", "is_mkldnn")
"""Kinds of tensors that networks ask for and that an input is not."""

_CREATE = ("zeros", "ones", "full", "arange", "linspace", "eye")


def traced(module: Any, call: Call) -> Trace:
    """Record one module's forward in its present mode; whatever cannot be recorded raises."""
    import torch

    tracer = _tracer()(module, call)
    with torch.no_grad(), _recorded_constructors(tracer):
        tracer.trace(module)
    return tracer.found


@contextmanager
def _recorded_constructors(tracer: Any) -> Iterator[None]:
    """Let torch.zeros and its like be recorded where a size is computed from the input."""
    import torch
    from torch.fx import Proxy

    originals = {name: getattr(torch, name) for name in _CREATE}

    def recording(original: Any) -> Any:
        def create(*args: Any, **kwargs: Any) -> Any:
            if any(isinstance(leaf, Proxy) for leaf in leaves((args, kwargs))):
                return tracer.create_proxy("call_function", original, args, kwargs)
            return original(*args, **kwargs)

        return create

    try:
        for name, original in originals.items():
            setattr(torch, name, recording(original))
        yield
    finally:
        for name, original in originals.items():
            setattr(torch, name, original)


def _is_the_users(target: Any) -> bool:
    """Whether a function is written in Python outside of torch, and is none that has a counterpart as a whole."""
    known = target is same or function_name(target) is not None or target.__module__.split(".")[0] == "torch"
    return isinstance(target, FunctionType) and not known


@cache
def _tracer() -> Any:
    """The tracer; made when torch is there."""
    from torch.fx import Proxy, Tracer
    from torch.fx.proxy import Attribute, TraceError

    function_name(len)  # learns torch's functions before any of them is replaced

    class Followed(Proxy):
        """A recorded value that also serves as a plain number where the example says that it is one."""

        def __getattr__(self, name: str) -> Any:
            return False if name in _NEVER else FollowedAttribute(self, name)

        def __len__(self) -> int:
            return self.tracer.decided(self.tracer.create_proxy("call_function", len, (self,), {}))

        def __index__(self) -> int:
            return self.tracer.decided(self)

        def __int__(self) -> int:
            return int(self.tracer.decided(self))

        def __float__(self) -> float:
            return float(self.tracer.decided(self))

        def __setitem__(self, index: Any, value: Any) -> None:
            self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})

    class FollowedAttribute(Followed, Attribute):
        """An attribute or method of a recorded value."""

    class ModuleTracer(Tracer):
        """Follows one module; its children are single calls."""

        def __init__(self, module: Any, call: Call) -> None:
            super().__init__()
            self.proxy_buffer_attributes = True
            self.call = call
            self.computing = False
            self.source = sys.modules[type(module).__module__].__dict__.get("__file__")

        def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
            self.found = Trace(self.root, self.graph, self.call)
            args, kwargs = self.call.pattern

            def given(name: str, value: Any) -> Any:
                return self.create_proxy("placeholder", name, (), {}) if value is GIVEN else value

            positional = [given(f"x{place}", value) for place, value in enumerate(args)]
            named = {name: given(name, value) for name, value in kwargs}

            def forward(*arguments: Any) -> Any:
                return root_fn(*arguments, **named)

            return forward, [self.root, *positional]

        def call_module(self, m: Any, forward: Any, args: Any, kwargs: Any) -> Any:
            # What the forward itself makes, such as nn.ReLU() or a slice of a Sequential, is followed on the spot.
            if self.computing or m not in self.submodule_paths:
                return forward(*args, **kwargs)
            return super().call_module(m, forward, args, kwargs)

        def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: Any) -> Any:
            return attr_val if self.computing else super().getattr(attr, attr_val, parameter_proxy_cache)

        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            return True

        def proxy(self, node: Any) -> Any:
            return Followed(node, self)

        def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **options: Any) -> Any:
            if kind == "call_function" and _is_the_users(target):
                # What torch.fx.wrap keeps whole is followed as well.
                return inspect.unwrap(target)(*args, **kwargs)
            return super().create_proxy(kind, target, args, kwargs, *more, **options)

        def create_node(self, *args: Any, **kwargs: Any) -> Any:
            node = super().create_node(*args, **kwargs)
            frame: Any = sys._getframe()
            while frame is not None and frame.f_code.co_filename != self.source:
                frame = frame.f_back
            if frame is not None and not self.computing:
                node.meta["line"] = frame.f_lineno
            return node

        def decided(self, proxy: Any) -> Any:
            """What a recorded number is for the example; the graph makes sure that it is so again."""
            was, self.computing = self.computing, True
            try:
                value = self.found.value(proxy.node)
            except Exception as error:
                raise TraceError("an input used in control flow cannot be computed") from error
            finally:
                self.computing = was
            if not isinstance(value, (bool, int, float)):
                raise TraceError("control flow")
            self.create_proxy("call_function", same, (proxy, value), {})
            return value

        def to_bool(self, obj: Any) -> bool:
            return bool(self.decided(obj))

        def iter(self, obj: Any) -> Any:
            try:
                return super().iter(obj)
            except TraceError:
                return iter([obj[place] for place in range(len(obj))])

    return ModuleTracer
