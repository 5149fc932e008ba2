"""Other rules for torch's operations, wherever a network calls them.

Layers, functions, tensor methods and in-place variants all pass through torch's function mode, which is entered once
for the outermost call. ``scaled_dot_product_attention`` is written out where there is a rule for softmax; torch's other
kernels of attention are refused where a rule is for what they hold inside. What it cannot see: operations inside
TorchScript programs, ``torch.compile``d graphs (``flex_attention`` is one), LSTM, GRU and kernels of other libraries
(flash-attn, xFormers), and operations spelled otherwise (``clamp(min=0)``, ``x @ w``).
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..errors import MethodError, suggest
from . import torch_attention
from .protocol import OperationRule, Rules, SameOutput, Tensor

OPERATIONS: dict[str, tuple[str, ...]] = {
    "relu": ("relu",),
    "relu6": ("relu6", "hardtanh"),
    "leaky_relu": ("leaky_relu",),
    "elu": ("elu",),
    "gelu": ("gelu",),
    "silu": ("silu",),
    "sigmoid": ("sigmoid", "special_expit"),
    "tanh": ("tanh",),
    "hardswish": ("hardswish",),
    "hardsigmoid": ("hardsigmoid",),
    "softplus": ("softplus",),
    "softmax": ("softmax", "special_softmax", "_softmax", "_safe_softmax"),
    "max_pool2d": ("max_pool2d", "max_pool2d_with_indices"),
    "avg_pool2d": ("avg_pool2d",),
    "adaptive_avg_pool2d": ("adaptive_avg_pool2d",),
    "linear": ("linear",),
    "conv2d": ("conv2d",),
}
"""The operations that can be intercepted, and torch's names for each."""

_NAMESPACES = (torch, torch.Tensor, torch._C._nn, torch._C._special, functional)
_INPUT_NAMES = (("input", "self"), ("weight",), ("bias",))


@dataclass(frozen=True)
class _Operation:
    """One of torch's callables: which operation it is, and how it is called out of place."""

    key: str
    name: str
    compute: Callable[..., Any]
    in_place: bool

    @property
    def inputs(self) -> int:
        return 3 if self.key in {"linear", "conv2d"} else 1


@functools.cache
def _known() -> dict[Any, _Operation]:
    """Every callable that stands for one of the operations."""
    known: dict[Any, _Operation] = {}
    for key, names in OPERATIONS.items():
        for name in names:
            for namespace in _NAMESPACES:
                compute = getattr(namespace, name, None)
                for spelling in (name, name + "_"):
                    function = getattr(namespace, spelling, None)
                    if function is not None and compute is not None:
                        known.setdefault(function, _Operation(key, name, compute, spelling != name))
            known.update(_overloads(key, name))
    return known


def _overloads(key: str, name: str) -> Iterator[tuple[Any, _Operation]]:
    """The dispatcher's spellings, which exported programs call: ``torch.ops.aten.relu.default``."""
    compute = getattr(torch.ops.aten, name, None)
    for spelling in (name, name + "_"):
        packet = getattr(torch.ops.aten, spelling, None)
        if packet is not None and compute is not None:
            operation = _Operation(key, name, compute, spelling != name)
            yield packet, operation
            for overload in packet.overloads():
                if "out" not in overload:
                    yield getattr(packet, overload), operation


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of torch's Python functions that have one of their own; None for built-in ones."""
    if not isinstance(function, types.FunctionType) or "kwargs" in function.__code__.co_varnames:
        return None
    return inspect.signature(function)


def _is_differentiating() -> bool:
    """Whether a backward pass is running in this thread: what its hooks compute is not the network's."""
    return bool(torch._C._current_graph_task_id() != -1)


@functools.cache
def _open(composite: types.FunctionType) -> Callable[..., Any]:
    """The same function without its own test for an active mode, so that the operations inside it are seen."""
    inner = types.FunctionType(
        composite.__code__,
        {**composite.__globals__, "has_torch_function": lambda _: False},
        composite.__name__,
        composite.__defaults__,
        composite.__closure__,
    )
    inner.__kwdefaults__ = composite.__kwdefaults__
    return inner


class _Interception(TorchFunctionMode):
    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = dict(rules)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if _is_differentiating():
            return func(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            with self:
                return _open(func)(*args, **kwargs)
        if "softmax" in self.rules and func in torch_attention.spellings():
            with self:
                # A mask of a class of its own, as torch.nn.attention.bias has them, says first what it stands for.
                if types:
                    return types[0].__torch_function__(func, types, args, kwargs)
                return torch_attention.attention(*args, **kwargs)
        name, inside = torch_attention.closed().get(func, ("", ()))
        if not self.rules.keys().isdisjoint(inside):
            raise MethodError(
                f"The network calls {name}, one kernel for what is many operations, which cannot be given other rules.",
                "Write it with torch.nn.functional.scaled_dot_product_attention (wrap the network that an exported "
                "program was made from), or choose a method that needs no rules, such as integrated_gradients.",
            )
        operation = _known().get(func)
        if operation is None or operation.key not in self.rules:
            return func(*args, **kwargs)
        return _apply(self.rules[operation.key], operation, func, args, kwargs)


def _apply(
    rule: OperationRule | SameOutput, operation: _Operation, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if any(_is_batched(value) for value in (*args, *kwargs.values())):
        raise MethodError(
            f"The network calls {operation.key} inside torch.vmap or another of torch.func's transformations, where "
            "no other rule can be given to it.",
            "Write its forward for a whole batch, or choose a method that needs no rules, such as saliency.",
        )
    original = functools.partial(func, *args, **kwargs)
    if (signature := _signature(func)) is not None:
        args, kwargs = (), dict(signature.bind(*args, **kwargs).arguments)
    if operation.name == "hardtanh" and _bounds(args, kwargs) != (0, 6):
        return original()
    in_place = operation.in_place or kwargs.pop("inplace", False)
    with_indices = operation.key == "max_pool2d" and (
        "with_indices" in operation.name or kwargs.get("return_indices") or (len(args) > 6 and args[6])
    )
    # Before the inputs leave kwargs: "out" is a place to write to, as the input of an in-place call is.
    destination = kwargs.pop("out", None)
    inputs, rest = _split(args, kwargs, operation.inputs)
    if in_place:
        if inputs[0].requires_grad and inputs[0].is_leaf and torch.is_grad_enabled():
            return original()
        if isinstance(rule, SameOutput) and not inputs[0]._is_view():
            return rule.rule(lambda *_: original(), *inputs)
        destination, inputs[0] = inputs[0], inputs[0].clone()

    def compute(*tensors: Tensor) -> Any:
        padded = (*tensors, *[None] * (operation.inputs - len(tensors)))
        return operation.compute(*padded, *rest, **kwargs)

    def call(*tensors: Tensor) -> Tensor:
        return compute(*tensors)[0] if with_indices else compute(*tensors)

    result = (rule.rule if isinstance(rule, SameOutput) else rule)(call, *inputs)
    if destination is not None:
        # A view shares its gradients with the tensor behind it, which only torch's own operations see to.
        return destination.copy_(result) if destination._is_view() else _Overwritten.apply(destination, result)
    return (result, compute(*inputs)[1]) if with_indices else result


def _is_batched(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(value)


class _Overwritten(torch.autograd.Function):
    """`copy_` without the zeros that it sends back to what the tensor was before."""

    @staticmethod
    def forward(ctx: Any, destination: Tensor, values: Tensor) -> Tensor:
        ctx.mark_dirty(destination)
        return destination.copy_(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


def _split(args: tuple[Any, ...], kwargs: dict[str, Any], count: int) -> tuple[list[Tensor], tuple[Any, ...]]:
    """Take the tensors (input, weight, bias) out of the arguments; a bias of None is left out."""
    values = list(args[:count])
    for names in _INPUT_NAMES[len(values) : count]:
        values += [kwargs.pop(name) for name in names if name in kwargs]
    return [value for value in values if value is not None], args[count:]


def _bounds(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """The bounds of a hardtanh, which is a ReLU6 when they are 0 and 6."""
    low = args[1] if len(args) > 1 else kwargs.get("min_val", -1.0)
    high = args[2] if len(args) > 2 else kwargs.get("max_val", 1.0)
    return low, high


@contextmanager
def intercept(rules: Rules) -> Iterator[None]:
    """Run torch networks with other rules for the operations named.

    Parameters
    ----------
    rules : mapping of str to OperationRule
        ``rule(call, *inputs)`` by operation (the keys of `OPERATIONS`). ``call(*inputs)`` computes the original
        operation out of place, with its own parameters (stride, slope, ...) bound. The inputs of ``linear`` and
        ``conv2d`` are x, weight and, where there is one, bias.

    Raises
    ------
    MethodError
        If there is no operation of that name.

    Notes
    -----
    Rules apply to this thread only, once for each outermost call, and not inside a rule or a backward pass. Contexts
    nest: what an inner rule calls is seen by the outer one. An in-place call hands the rule a copy and writes the
    rule's output back, unless the rule is a `SameOutput`.
    """
    for name in rules:
        if name not in OPERATIONS:
            raise MethodError(f"There is no operation '{name}' to intercept.", suggest(name, OPERATIONS))
    with _Interception(rules):
        yield
