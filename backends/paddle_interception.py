"""Other rules for Paddle's operations, wherever a network calls them.

Layers, functions, tensor methods and the activations inside layers such as ``BatchNorm(act="relu")`` meet in Paddle's
table of compiled operators, which they look up by name when they run; linear and convolution, which are several
operators, meet in a few functions. For the time of the context these names, and every module-level name that is bound
to the same object, stand for a version that asks for a rule first. What it cannot see: static graphs (``to_static``,
``paddle.jit.load``), what an object has stored as an attribute if it is a compiled operator or the function ``conv2d``
or ``linear``, and operations spelled otherwise (``clip(min=0)``, ``x @ w``). What it does not look into, because torch
has it as one operation: LSTM, GRU and their like, also as cells. Attention is seen where Paddle computes it in several
steps, as on a CPU; kernels of a whole attention or of a whole block, as on a GPU, are refused where a rule is for what
they hold inside.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import paddle
from paddle.nn import functional

from ..errors import MethodError, suggest
from . import paddle_attention
from .paddle_patches import Patches
from .paddle_recurrent import recurrent
from .protocol import OperationRule, Rules, SameOutput, Tensor

OPERATIONS: dict[str, tuple[str, ...]] = {
    "relu": ("relu",),
    "relu6": ("relu6",),
    "leaky_relu": ("leaky_relu",),
    "elu": ("elu",),
    "gelu": ("gelu",),
    "silu": ("silu", "swish"),
    "sigmoid": ("sigmoid",),
    "tanh": ("tanh",),
    "hardswish": ("hardswish", "hard_swish"),
    "hardsigmoid": ("hardsigmoid", "hard_sigmoid"),
    "softplus": ("softplus",),
    "softmax": ("softmax",),
    "max_pool2d": (),
    "avg_pool2d": (),
    "adaptive_avg_pool2d": (),
    "linear": ("linear",),
    "conv2d": (),
}
"""The operations that can be intercepted, and the compiled operators that are this operation and no other."""

_CELLS = (paddle.nn.LSTMCell, paddle.nn.GRUCell, paddle.nn.SimpleRNNCell)
_INPUT_NAMES = (("x", "input"), ("weight",), ("bias",))

_visible: ContextVar[tuple[Mapping[str, OperationRule], ...]] = ContextVar("visible", default=())
_patches = Patches()
_users = 0
_lock = threading.Lock()


@dataclass(frozen=True)
class _Operation:
    """A callable of Paddle's: which operation a call of it is (None: none), and how it is called out of place."""

    key: Callable[..., str | None]
    original: Callable[..., Any]
    compute: Callable[..., Any]
    inputs: int = 1
    in_place: bool = False
    with_indices: bool = False


def _operations() -> Iterator[_Operation]:
    for operators in (paddle._C_ops, paddle._legacy_C_ops):
        for key, names in OPERATIONS.items():
            for name in names:
                yield from _variants(operators, name, lambda *args, key=key, **kwargs: key, 3 if key == "linear" else 1)
        yield from _variants(operators, "hardtanh", _hardtanh_key)
    yield _Operation(_pool_key, paddle._C_ops.pool2d, paddle._C_ops.pool2d)
    indexed = paddle._C_ops.max_pool2d_with_index
    yield _Operation(_indexed_pool_key, indexed, indexed, with_indices=True)
    convolution = functional.conv._conv_nd
    yield _Operation(_convolution_key, convolution, convolution, inputs=3)
    yield _Operation(lambda *args, **kwargs: "conv2d", functional.conv2d, functional.conv2d, inputs=3)
    # On some builds these are a matmul and an addition inside.
    compat = sys.modules.get("paddle.compat.nn.functional")
    for linear in {functional.linear, getattr(compat, "linear", functional.linear)}:
        yield _Operation(lambda *args, **kwargs: "linear", linear, linear, inputs=3)


def _variants(
    operators: types.ModuleType, name: str, key: Callable[..., str | None], inputs: int = 1
) -> Iterator[_Operation]:
    compute = getattr(operators, name, None)
    for spelling in (name, name + "_"):
        original = getattr(operators, spelling, None)
        if original is not None and compute is not None:
            yield _Operation(key, original, compute, inputs, in_place=spelling != name)


def _hardtanh_key(x: Tensor, low: float, high: float) -> str | None:
    return "relu6" if (low, high) == (0, 6) else None


def _pool_key(x: Tensor, *args: Any) -> str | None:
    kind, adaptive = args[6], args[8]
    if adaptive:
        return "adaptive_avg_pool2d" if kind == "avg" else None
    return f"{kind}_pool2d"


def _indexed_pool_key(x: Tensor, *args: Any) -> str | None:
    adaptive = args[4]
    return None if adaptive else "max_pool2d"


def _convolution_key(*args: Any, op_type: str = "conv2d", **kwargs: Any) -> str | None:
    kind = args[10] if len(args) > 10 else op_type
    return "conv2d" if kind in {"conv2d", "depthwise_conv2d"} else None


def _hiding() -> Iterator[Callable[..., Any]]:
    """Callables whose insides are not to be seen.

    1-d pools, which are 2-d ones within; recurrent layers and cells, which are one operation on torch; backward passes.
    """
    yield functional.max_pool1d
    yield functional.avg_pool1d
    yield functional.adaptive_avg_pool1d
    yield recurrent
    yield from (cell.forward for cell in _CELLS)
    yield paddle.base.core.eager.run_backward
    yield paddle.base.core.eager.run_partial_grad


def _recomputing() -> Iterator[Callable[..., Any]]:
    """Functions that run a part of a network without a graph, and again on the way back, where no rule would see it."""
    for package in ("recompute.recompute", "recompute", "utils"):
        module = sys.modules.get(f"paddle.distributed.fleet.{package}")
        if isinstance(function := getattr(module, "recompute", None), types.FunctionType):
            yield function


def _kept(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stand_in(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not _visible.get():
            return original(function, *args, **kwargs)
        own = {name: value for name, value in kwargs.items() if name not in ("preserve_rng_state", "use_reentrant")}
        return function(*args, **own)

    return stand_in


@contextmanager
def _seen_by(rules: tuple[Mapping[str, OperationRule], ...]) -> Iterator[None]:
    token = _visible.set(rules)
    try:
        yield
    finally:
        _visible.reset(token)


def _hidden(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        with _seen_by(()):
            return original(*args, **kwargs)

    return stand_in


def _written_out(original: Callable[..., Any], formula: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return (formula if ruled(("softmax",)) else original)(*args, **kwargs)

    return stand_in


def _closed(original: Callable[..., Any], name: str, inside: tuple[str, ...]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if ruled(inside):
            raise MethodError(
                f"The network calls {name}, one kernel for what is many operations, which cannot be given other rules.",
                "Run scaled_dot_product_attention inside paddle.nn.functional.sdp_kernel(enable_math=True, "
                "enable_flash=False, enable_mem_efficient=False), use the layers of paddle.nn in place of fused ones, "
                "or choose a method that needs no rules, such as integrated_gradients.",
            )
        return original(*args, **kwargs)

    return stand_in


def ruled(keys: tuple[str, ...]) -> bool:
    """Whether there is a rule for one of the operations."""
    return any(not rules.keys().isdisjoint(keys) for rules in _visible.get())


def _asking(operation: _Operation) -> Callable[..., Any]:
    @functools.wraps(operation.original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        levels = _visible.get()
        key: Any = operation.key(*args, **kwargs) if levels else None
        for level in reversed(range(len(levels))):
            if key in levels[level]:
                # A rule and what it calls are seen by the contexts outside its own, as on torch.
                with _seen_by(levels[:level]):
                    return _apply(levels[level][key], operation, args, kwargs)
        return operation.original(*args, **kwargs)

    return stand_in


def _apply(rule: OperationRule, operation: _Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    parameters = dict(kwargs)
    destination = parameters.pop("out", None)
    inputs = list(args[: operation.inputs])
    for names in _INPUT_NAMES[len(inputs) : operation.inputs]:
        inputs += [parameters.pop(name) for name in names if name in parameters]
    inputs = [value for value in inputs if value is not None]
    if operation.in_place:
        if inputs[0].is_leaf and not inputs[0].stop_gradient and paddle.is_grad_enabled():
            return operation.original(*args, **kwargs)
        destination, inputs[0] = inputs[0], inputs[0].clone()

    def compute(*tensors: Tensor) -> Any:
        padded = (*tensors, *[None] * (operation.inputs - len(tensors)))
        _, again = _stand_ins()[id(operation.compute)]
        return again(*padded, *args[operation.inputs :], **parameters)

    def call(*tensors: Tensor) -> Tensor:
        return compute(*tensors)[0] if operation.with_indices else compute(*tensors)

    result = rule(call, *inputs)
    if destination is not None:
        return paddle.assign(result, destination)
    return (result, compute(*inputs)[1]) if operation.with_indices else result


@functools.cache
def _stand_ins() -> dict[int, tuple[Any, Any]]:
    """What is replaced and by what, by the identity of the original."""
    pairs = [(operation.original, _asking(operation)) for operation in _operations()]
    pairs += [(original, _hidden(original)) for original in _hiding()]
    pairs += [(original, _kept(original)) for original in _recomputing()]
    pairs += [(original, _written_out(original, formula)) for original, formula in paddle_attention.written_out()]
    pairs += [(original, _closed(original, name, inside)) for original, name, inside in paddle_attention.closed()]
    return {id(original): (original, stand_in) for original, stand_in in pairs}


def _install() -> None:
    entries: list[object] = [*sys.modules.values(), *_CELLS]
    _patches.install(_stand_ins(), [entry for entry in entries if isinstance(entry, (types.ModuleType, type))])


@contextmanager
def intercept(rules: Rules) -> Iterator[None]:
    """Run Paddle networks with other rules for the operations named.

    Parameters
    ----------
    rules : mapping of str to OperationRule
        ``rule(call, *inputs)`` by operation (the keys of `OPERATIONS`). ``call(*inputs)`` computes the original
        operation out of place, with its own parameters (stride, slope, ...) bound. The inputs of ``linear`` and
        ``conv2d`` are x, weight (in Paddle's layout) and, where there is one, bias.

    Raises
    ------
    MethodError
        If there is no operation of that name.

    Notes
    -----
    Rules apply to this thread only (others find the originals behind the same names), once for each outermost call,
    and not inside a rule or a backward pass. Contexts nest: what an inner rule calls is seen by the outer one. An
    in-place call hands the rule a copy and writes the rule's output back.
    """
    global _users
    for name in rules:
        if name not in OPERATIONS:
            raise MethodError(f"There is no operation '{name}' to intercept.", suggest(name, OPERATIONS))
    with _lock:
        if not _users:
            _install()
        _users += 1
    try:
        plain = {name: rule.rule if isinstance(rule, SameOutput) else rule for name, rule in rules.items()}
        with _seen_by((*_visible.get(), plain)):
            yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _patches.restore()
